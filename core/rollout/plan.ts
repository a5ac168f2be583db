import { percentText } from './deployment.ts'
import { type ScoreShift, scoreShift, type Traffic } from './expected-arms.ts'
import { ExpectedCourse, hasBaseline, type Moments } from './expected-course.ts'
import { type ExpectedMirror, expectedMirror } from './expected-mirror.ts'
import { type Comparison, isGate, type Policy, type Step } from './policy.ts'
import { policyFaults } from './policy-faults.ts'
import { duration, percent } from './sentences.ts'

/** How long something is expected to take, and requests of the model in that time, all arms together. */
export interface Need {
  readonly seconds: number
  readonly requests: number
}

/** What a comparison is expected to need in one step, from the step's start. `undefined` is never. */
export interface ComparisonNeeds {
  /** Until it is proven at the step's level, if the canary equals stable in all but its own scores. */
  readonly proof?: Need
  /** Until it is proven at the rollout's level, earlier steps included, at this step's weight. */
  readonly finalProof?: Need
  /** Until a canary is rolled back that becomes as bad as the margin when the step starts. */
  readonly atMargin?: Need
  /** The same for one that is twice as bad as that. */
  readonly atTwiceMargin?: Need
}

export interface ComparisonPlan {
  readonly name: string
  readonly metric: Comparison['metric']
  /** False for a signal, which nothing waits for. */
  readonly guardrail: boolean
  /** One for each planned step. */
  readonly steps: readonly ComparisonNeeds[]
  /** For scores: how far the canary's are expected to be from stable's, in the units of tolerate and margin. */
  readonly expectedShift?: number
}

export interface StepPlan {
  readonly weightBp: number
  readonly startSeconds: number
  /** Undefined when the step is expected never to end. A person's approval comes on top. */
  readonly durationSeconds?: number
  /** How long its first latencies only teach where the baseline lies; 0 where latency is not compared. */
  readonly warmUpSeconds: number
  /** The guardrail that it waits for longest; undefined when it waits for its minimum duration. */
  readonly slowest?: string
}

/** The step before the first, in which copies are compared. */
export interface MirrorPlan {
  /** Undefined when it is expected never to end. A person's approval comes on top. */
  readonly durationSeconds?: number
  /** Inputs that are compared in that time, if none comes twice. */
  readonly inputs?: number
  /** The guardrail that it waits for longest; undefined when it waits for its minimum duration. */
  readonly slowest?: string
}

export interface Plan {
  readonly mirror?: MirrorPlan
  /** Up to the first step that is expected never to end. */
  readonly steps: readonly StepPlan[]
  readonly comparisons: readonly ComparisonPlan[]
  /** Until promotion; undefined for never. */
  readonly expected?: Need
  readonly scoreShift?: ScoreShift
  /** Why the rollout cannot end in a promotion, or not in time: sentences; empty when it can. */
  readonly cannotDecide: readonly string[]
  /** What a person should know before the start, although it can be decided. */
  readonly warnings: readonly string[]
}

/** What a rollout is expected to need and to meet, before it starts. Pure. */
export function planRollout(policy: Policy, traffic: Traffic): Plan {
  const shift = traffic.score && scoreShift(traffic.score)
  const faults = policyFaults(policy)
  if (faults.length > 0) return nothing(faults)
  if (!(traffic.requestsPerSecond > 0))
    return nothing(['there is no traffic, and without requests nothing is decided'])
  const course = new ExpectedCourse(policy, traffic)
  const steps: StepPlan[] = []
  const waits: Wait[] = []
  const needs: ComparisonNeeds[][] = course.followed.map(() => [])
  const copied = policy.mirror && expectedMirror(policy, traffic)
  const mirror = copied && mirrorPlan(policy, copied)
  const mirrorSeconds = mirror?.durationSeconds ?? 0
  const passesMirror = mirror === undefined || mirror.durationSeconds !== undefined
  // From the canary's first request on.
  let startSeconds = 0
  for (const [index, step] of policy.steps.entries()) {
    const { warmUpSeconds, moments } = course.step(step, index, startSeconds)
    for (const [i, moment] of moments.entries()) needs[i]!.push(needsOf(moment, startSeconds, traffic))
    const own = policy.guardrails.map(
      (comparison, i): Wait => ({
        comparison,
        step: index,
        slowest: moments[i]!.slowest,
        seconds: gateSeconds(policy, step, comparison, moments[i]!) - startSeconds,
      }),
    )
    waits.push(...own)
    const planned = stepPlan(policy, step, own)
    steps.push({ ...planned, startSeconds: mirrorSeconds + startSeconds, warmUpSeconds })
    if (planned.durationSeconds === undefined) break
    startSeconds += planned.durationSeconds
  }
  const promotes =
    passesMirror && steps.length === policy.steps.length && steps.at(-1)!.durationSeconds !== undefined
  const untestable = new Map(
    course.followed.map(({ comparison, untestable }) => [comparison.name, untestable]),
  )
  return {
    ...(mirror && { mirror }),
    steps: passesMirror ? steps : [],
    comparisons: course.followed.map(({ comparison }, i) =>
      comparisonPlan(policy, comparison, needs[i]!, shift),
    ),
    ...(promotes && { expected: needOf(mirrorSeconds + startSeconds, traffic) }),
    ...(shift && { scoreShift: shift }),
    cannotDecide: policy.guardrails.flatMap(
      (guardrail) =>
        unprovable(guardrail, policy, traffic, shift, untestable.get(guardrail.name)) ??
        (copied && lateInMirror(guardrail.name, copied, policy)) ??
        late(
          waits.filter(({ comparison }) => comparison === guardrail),
          policy,
          traffic,
        ) ??
        [],
    ),
    warnings: [
      ...mirrorWarnings(policy),
      ...shiftWarnings(policy, shift),
      ...truthWarnings(policy, traffic),
      ...policy.signals.flatMap(({ name }) => {
        const why = untestable.get(name)
        return why === undefined ? [] : [`${name} says nothing about being good enough: ${why}`]
      }),
      ...blindSpots(policy, needs),
    ],
  }
}

const nothing = (cannotDecide: readonly string[]): Plan => ({
  steps: [],
  comparisons: [],
  cannotDecide,
  warnings: [],
})

function mirrorPlan({ mirror, intervalMs }: Policy, { waits, inputsPerSecond }: ExpectedMirror): MirrorPlan {
  const minimum = mirror!.minDurationMs / 1000
  const tick = intervalMs / 1000
  const longest = waits.toSorted((a, b) => b.seconds - a.seconds)[0]
  const seconds = Math.max(0, Math.ceil(Math.max(minimum, longest?.seconds ?? 0) / tick - 1e-6)) * tick
  return {
    ...(Number.isFinite(seconds) && {
      durationSeconds: seconds,
      inputs: Math.ceil(seconds * inputsPerSecond),
    }),
    ...(longest !== undefined && longest.seconds > minimum && { slowest: longest.guardrail.name }),
  }
}

/** Inputs that come again say nothing new, and nobody knows how many do. */
function mirrorWarnings({ mirror }: Policy): string[] {
  if (mirror === undefined) return []
  const { mirrorBp, minDurationMs } = mirror
  return [
    `copies of ${percentText(mirrorBp)} of the requests are compared first, for ${duration(minDurationMs)} at least; each input counts once, so the proof takes longer where inputs come again`,
  ]
}

const isLabelled = ({ labelledShare = 0 }: Traffic) => labelledShare > 0

/** Undefined where no share is known. */
function classShare(name: string, { classShares }: Traffic): number | undefined {
  return classShares && (classShares[name] ?? 0)
}

/** What is taken for granted of truths that nobody has counted by class or by loss. */
function truthWarnings({ guardrails, signals }: Policy, traffic: Traffic): string[] {
  if (!isLabelled(traffic)) return []
  return [...guardrails, ...signals].flatMap((comparison) => {
    if (comparison.metric !== 'accuracy') return []
    const { name, class: of, loss = 'wrong' } = comparison
    const share = of === undefined ? undefined : classShare(of, traffic)
    return [
      ...(of === undefined
        ? []
        : [
            share === undefined
              ? `${name} is planned as if every truth were of class ${of}: nothing tells how many are`
              : `${name} is planned for ${percent(share)} of the truths, as training has class ${of}, and as wrong there as everywhere`,
          ]),
      ...(loss === 'wrong' ? [] : [`${name} is planned as if its loss were the share of wrong answers`]),
    ]
  })
}

/** A guardrail whose proof by copies comes after the deadline of the mirror. */
function lateInMirror(
  name: string,
  { waits, inputsPerSecond }: ExpectedMirror,
  { progressDeadlineMs }: Policy,
): string | undefined {
  const wait = waits.find(({ guardrail }) => guardrail.name === name)
  if (wait === undefined || wait.seconds * 1000 <= progressDeadlineMs) return undefined
  if (!Number.isFinite(wait.seconds)) return `${name} is never proven in the mirror`
  return (
    `${name} needs about ${grouped(wait.seconds * inputsPerSecond)} distinct inputs in the mirror = ${span(wait.seconds)} at ` +
    `${figure(inputsPerSecond)} a second, after the deadline of ${span(progressDeadlineMs / 1000)}`
  )
}

/** How long a step waits for a guardrail, from the step's start. */
interface Wait {
  readonly comparison: Comparison
  readonly step: number
  readonly slowest: string
  readonly seconds: number
}

/**
 * When a guardrail lets a step go: as the decisions have it, latency gates the last step alone unless it is named, and
 * the last step asks for the whole rollout's proof as well.
 */
function gateSeconds(policy: Policy, step: Step, comparison: Comparison, moments: Moments): number {
  if (step === policy.steps.at(-1)) return Math.max(moments.proof, moments.finalProof)
  return isGate(comparison, step.gates) ? moments.proof : 0
}

function stepPlan(
  { intervalMs }: Policy,
  { weightBp, minDurationMs }: Step,
  waits: readonly Wait[],
): Pick<StepPlan, 'weightBp' | 'durationSeconds' | 'slowest'> {
  const minimum = minDurationMs / 1000
  const tick = intervalMs / 1000
  const longest = waits.reduce((a, b) => (b.seconds > a.seconds ? b : a))
  const seconds = Math.max(minimum, longest.seconds)
  return {
    weightBp,
    ...(Number.isFinite(seconds) && { durationSeconds: Math.ceil(seconds / tick - 1e-6) * tick }),
    ...(longest.seconds > minimum && { slowest: waitName(longest) }),
  }
}

function comparisonPlan(
  { guardrails }: Policy,
  comparison: Comparison,
  steps: readonly ComparisonNeeds[],
  shift: ScoreShift | undefined,
): ComparisonPlan {
  const { name, metric } = comparison
  const expectedShift = shiftOf(comparison, shift)
  return {
    name,
    metric,
    guardrail: guardrails.some((guardrail) => guardrail.name === name),
    steps,
    ...(expectedShift !== undefined && { expectedShift }),
  }
}

function needsOf(moments: Moments, startSeconds: number, traffic: Traffic): ComparisonNeeds {
  const { proof, finalProof, atMargin, atTwiceMargin } = moments
  const entries = Object.entries({ proof, finalProof, atMargin, atTwiceMargin })
    .filter(([, seconds]) => Number.isFinite(seconds))
    .map(([key, seconds]) => [key, needOf(seconds - startSeconds, traffic)])
  return Object.fromEntries(entries)
}

function needOf(seconds: number, { requestsPerSecond }: Traffic): Need {
  return { seconds, requests: Math.ceil(seconds * requestsPerSecond) }
}

/** Why a guardrail can never be proven, whatever the time. */
function unprovable(
  guardrail: Comparison,
  policy: Policy,
  traffic: Traffic,
  shift: ScoreShift | undefined,
  untestable: string | undefined,
): string | undefined {
  const never = (why: string) => `${guardrail.name} can never be proven: ${why}`
  switch (guardrail.metric) {
    case 'accuracy':
      if (!isLabelled(traffic)) return never('nobody tells what the right answers were')
      if (guardrail.class !== undefined && classShare(guardrail.class, traffic) === 0)
        return never(`in training no answer was of class ${guardrail.class}`)
      break
    case 'latency': {
      if (traffic.latency === undefined)
        return `${guardrail.name} cannot be planned: nothing is known of the stable version's latency`
      const { weightBp } = policy.steps.at(-1)!
      if (hasBaseline(policy) && weightBp > 5000)
        return never(
          `the last step (${percentText(weightBp)}) leaves the stable version less than the canary has, and versions ` +
            'under unequal load cannot be compared',
        )
      break
    }
    case 'score_distribution': {
      const expected = shiftOf(guardrail, shift)
      if (expected !== undefined && expected >= guardrail.margin)
        return never(
          `the scores of the two versions are expected to differ by ${figure(expected)}, and the margin is ` +
            figure(guardrail.margin),
        )
    }
  }
  return untestable && never(untestable)
}

/** The first step that waits for a guardrail beyond the deadline, which each step has anew. */
function late(waits: readonly Wait[], policy: Policy, traffic: Traffic): string | undefined {
  const deadline = policy.progressDeadlineMs / 1000
  const wait = waits.find(({ seconds }) => seconds > deadline)
  if (wait === undefined) return undefined
  const { weightBp } = policy.steps[wait.step]!
  const where = `step ${wait.step + 1} (${percentText(weightBp)})`
  if (!Number.isFinite(wait.seconds)) return `${waitName(wait)} is never proven in ${where}`
  const { requests } = needOf(wait.seconds, traffic)
  return (
    `${waitName(wait)} needs about ${grouped(requests)} requests in ${where} = ${span(wait.seconds)} at ` +
    `${figure(traffic.requestsPerSecond)} a second, after the deadline of ${span(deadline)}`
  )
}

function shiftWarnings({ guardrails, signals }: Policy, shift: ScoreShift | undefined): string[] {
  const warn = (comparison: Comparison, expect: string) => {
    const expected = shiftOf(comparison, shift)
    if (comparison.metric !== 'score_distribution' || expected === undefined) return []
    if (expected <= comparison.tolerate) return []
    return [
      `${comparison.name}: the scores of the two versions are expected to differ by ${figure(expected)}, more than ` +
        `the ${figure(comparison.tolerate)} that is tolerated; ${expect}`,
    ]
  }
  return [
    ...guardrails.flatMap((guardrail) => warn(guardrail, 'expect a rollback')),
    ...signals.flatMap((signal) => warn(signal, 'expect an alarm')),
  ]
}

/** Guardrails that would not even notice a version far beyond their margin. */
function blindSpots({ guardrails }: Policy, needs: readonly (readonly ComparisonNeeds[])[]): string[] {
  return guardrails.flatMap(({ name }, i) =>
    needs[i]!.every(({ atTwiceMargin }) => atTwiceMargin === undefined)
      ? [`${name} would not notice a canary that is twice as bad as its margin`]
      : [],
  )
}

/** The expected shift in the units of a comparison of scores. */
function shiftOf(comparison: Comparison, shift: ScoreShift | undefined): number | undefined {
  if (comparison.metric !== 'score_distribution' || shift === undefined) return undefined
  switch (comparison.distance) {
    case 'ks':
      return shift.ks
    case 'mean':
      return Math.abs(shift.mean)
    case 'class_shares':
      return shift.classShares
  }
}

/** `latency p95`: of the other metrics a person knows no tests by name. */
function waitName({ comparison: { name, metric }, slowest }: Wait): string {
  return metric === 'latency' ? `${name} ${slowest}` : name
}

/** `67,000`: two digits, as more would promise too much. */
function grouped(count: number): string {
  return String(Number(count.toPrecision(2))).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Without seconds where they do not matter. */
function span(seconds: number): string {
  return duration(seconds < 120 ? seconds * 1000 : Math.round(seconds / 60) * 60_000)
}

const figure = (value: number) => String(Number(value.toPrecision(3)))
