import { labelWindowOf } from '../evidence/comparison.ts'
import { quantileName, TAIL_QUANTILES } from '../evidence/latency-reference.ts'
import { isWeight } from '../routing/draw.ts'
import type { Comparison, Policy, RateBound } from './policy.ts'
import { percent } from './sentences.ts'

export interface PolicyFault {
  /** Where, by the keys of a policy file: `['steps', 1, 'setWeight']`. */
  readonly path: readonly (string | number)[]
  readonly sentence: string
  /** What the value at the path must do, as the end of a sentence: `be above the one before`. */
  readonly must: string
}

/** Everything that makes a policy impossible to follow or its proof void, as sentences; empty for a good one. */
export function policyFaults(policy: Policy): string[] {
  return locatedPolicyFaults(policy).map(({ sentence }) => sentence)
}

/** The same, each with its place. */
export function locatedPolicyFaults(policy: Policy): PolicyFault[] {
  return [
    ...riskFaults(policy),
    ...mirrorFaults(policy),
    ...lastStepFaults(policy),
    ...stepFaults(policy),
    ...guardrailFaults(policy),
    ...(['guardrails', 'signals'] as const).flatMap((list) =>
      policy[list].flatMap((comparison, i) => comparisonFaults(comparison, [list, i])),
    ),
    ...labelWindowFaults(policy),
    ...operationalFaults(policy),
  ]
}

type Path = PolicyFault['path']

/** A fault where a condition does not hold. NaN fails every comparison, so a figure that is none is a fault. */
function unless(holds: boolean, path: Path, subject: string, must: string, is?: string): PolicyFault[] {
  if (holds) return []
  return [{ path, must, sentence: `${subject} must ${must}${is === undefined ? '' : `, ${is}`}` }]
}

function riskFaults({ risk }: Policy): PolicyFault[] {
  return Object.entries(risk).flatMap(([key, value]) =>
    unless(
      value > 0 && value < 0.5,
      ['risk', key],
      `risk.${key}`,
      'be above 0 and below 50 %',
      `it is ${percent(value)}`,
    ),
  )
}

function stepFaults({ steps, guardrails, mirror }: Policy): PolicyFault[] {
  const names = new Set(guardrails.map(({ name }) => name))
  if (steps.length === 0)
    return [{ path: ['steps'], sentence: 'steps: at least one is needed', must: 'have at least one entry' }]
  return steps.flatMap(({ weightBp, minDurationMs, proof, gates }, i) => {
    const at = placeOf(mirror, i)
    const check = (holds: boolean, key: string, must: string, is?: string) =>
      unless(holds, ['steps', at, key], `steps[${at}].${key}`, must, is)
    return [
      ...check(
        isWeight(weightBp) && weightBp > 0 && weightBp < 10_000,
        'setWeight',
        'be above 0 % and below 100 %, so that there is something to compare',
      ),
      ...check(i === 0 || !(steps[i - 1]!.weightBp >= weightBp), 'setWeight', 'be above the one before'),
      ...check(minDurationMs >= 0, 'minDuration', 'not be negative'),
      ...check(proof > 0 && proof <= 1, 'proof', 'be above 0 and at most 1', `it is ${proof}`),
      ...(gates ?? []).flatMap((gate, j) =>
        names.has(gate)
          ? []
          : [
              {
                path: ['steps', at, 'gates', j],
                sentence: `steps[${at}].gates names "${gate}", which is no guardrail`,
                must: 'name a guardrail',
              },
            ],
      ),
    ]
  })
}

/** Where a step stands in the file: after the mirror, if there is one. */
function placeOf(mirror: Policy['mirror'], step: number): number {
  return mirror === undefined ? step : step + 1
}

function mirrorFaults({ mirror }: Policy): PolicyFault[] {
  if (mirror === undefined) return []
  const { mirrorBp, minDurationMs, proof } = mirror
  const check = (holds: boolean, key: string, must: string) =>
    unless(holds, ['steps', 0, key], `steps[0].${key}`, must)
  return [
    ...check(isWeight(mirrorBp) && mirrorBp > 0, 'mirror', 'copy more than 0 % and at most 100 %'),
    ...check(minDurationMs >= 0, 'minDuration', 'not be negative'),
    ...check(proof > 0 && proof <= 1, 'proof', 'be above 0 and at most 1'),
  ]
}

/** Above one half the baseline has no room for an equal share, and latency, which the last step proves, has no pair. */
function lastStepFaults({ steps, guardrails, mirror }: Policy): PolicyFault[] {
  const last = steps.at(-1)
  return unless(
    last === undefined || !(last.weightBp > 5000) || !guardrails.some(({ metric }) => metric === 'latency'),
    ['steps', placeOf(mirror, steps.length - 1), 'setWeight'],
    'the last step',
    'be at 50 % at most while latency is a guardrail, as it is compared at equal shares',
  )
}

function guardrailFaults({ guardrails, signals }: Policy): PolicyFault[] {
  if (guardrails.length === 0)
    return [
      {
        path: ['guardrails'],
        sentence: 'guardrails: at least one is needed; without one nothing is proven and nothing rolls back',
        must: 'have at least one entry',
      },
    ]
  const total = guardrails.reduce((sum, { share }) => sum + share, 0)
  const named = [
    ...guardrails.map(({ name }, i) => ({ name, path: ['guardrails', i, 'name'] })),
    ...signals.map(({ name }, i) => ({ name, path: ['signals', i, 'name'] })),
  ]
  return [
    ...guardrails.flatMap(({ name, share }, i) =>
      unless(
        share > 0 && share <= 1,
        ['guardrails', i, 'share'],
        `${name}: share`,
        'be above 0 and at most 1',
        `it is ${share}`,
      ),
    ),
    ...unless(
      Math.abs(total - 1) < 1e-9,
      ['guardrails'],
      'the shares of the guardrails',
      'sum to 1',
      `they sum to ${Number(total.toPrecision(6))}`,
    ),
    ...named
      .filter(({ name }, i) => named.findIndex((other) => other.name === name) !== i)
      .map(({ name, path }) => ({
        path,
        sentence: `two comparisons are called "${name}"`,
        must: 'be a name of its own',
      })),
  ]
}

function comparisonFaults(comparison: Comparison, path: Path): PolicyFault[] {
  const subject = (key: string) => `${comparison.name}: ${key}`
  const check = (holds: boolean, key: string, must: string) =>
    unless(holds, [...path, key], subject(key), must)
  switch (comparison.metric) {
    case 'latency': {
      const { tolerate, margin, quantiles } = comparison
      const known = TAIL_QUANTILES.map(quantileName).join(', ')
      return [
        ...(quantiles.length > 0
          ? []
          : [
              {
                path: [...path, 'quantiles'],
                sentence: `${comparison.name}: quantiles: at least one is needed`,
                must: 'have at least one entry',
              },
            ]),
        ...quantiles
          .filter((p) => !TAIL_QUANTILES.includes(p))
          .map((p) => ({
            path: [...path, 'quantiles'],
            sentence: `${comparison.name}: quantiles are among ${known}, not ${quantileName(p)}`,
            must: `be among ${known}`,
          })),
        ...(['relative', 'atLeastMs'] as const).flatMap((part) => {
          const at = (bound: 'tolerate' | 'margin') => [...path, bound, LATENCY_KEYS[part]]
          return [
            ...unless(tolerate[part] >= 0, at('tolerate'), subject('tolerate'), 'not be negative'),
            ...unless(
              margin[part] >= tolerate[part],
              at('margin'),
              subject('margin'),
              'not be below tolerate',
            ),
          ]
        }),
        ...unless(
          margin.relative >= LATENCY_MARGIN_MIN,
          [...path, 'margin', 'relative'],
          subject('margin'),
          `allow at least ${percent(LATENCY_MARGIN_MIN)}, as latency is counted in bins of 1 %`,
        ),
      ]
    }
    case 'score_distribution': {
      const { tolerate, margin } = comparison
      return [
        ...check(tolerate >= 0, 'tolerate', 'not be negative'),
        ...check(margin > 0 && margin < 1, 'margin', 'be above 0 and below 1'),
        ...check(margin >= tolerate, 'margin', 'not be below tolerate'),
      ]
    }
    default:
      return rateFaults(comparison.tolerate, comparison.margin, check)
  }
}

function labelWindowFaults(policy: Policy): PolicyFault[] {
  const { labelWindowMs, progressDeadlineMs, guardrails } = policy
  const check = (holds: boolean, must: string) => unless(holds, ['labelWindow'], 'labelWindow', must)
  const windowMs = labelWindowOf(policy)
  if (windowMs === undefined)
    return check(labelWindowMs === undefined, 'not be there while no accuracy is compared')
  const waits = guardrails.some(({ metric }) => metric === 'accuracy')
  return [
    ...check(windowMs >= 1000, 'be at least 1s'),
    // A step is proven by its own requests, and the youngest that count are as old as the window.
    ...check(
      !waits || windowMs < progressDeadlineMs,
      'be shorter than progressDeadline, or no step could be proven in time',
    ),
  ]
}

const LATENCY_MARGIN_MIN = 0.02
const LATENCY_KEYS = { relative: 'relative', atLeastMs: 'atLeast' } as const

function rateFaults(
  tolerate: RateBound,
  margin: RateBound,
  check: (holds: boolean, key: string, must: string) => PolicyFault[],
): PolicyFault[] {
  const isShare = ({ kind, value }: RateBound) => kind === 'relative' || !(value >= 1)
  return [
    ...check(tolerate.value >= 0, 'tolerate', 'not be negative'),
    ...check(isShare(tolerate), 'tolerate', 'be below 100 %'),
    // A margin asks how much worse is acceptable; one that asks for an improvement would be bet on the wrong side.
    ...check(margin.value > 0, 'margin', 'be above 0: it is how much worse may be promoted'),
    ...check(isShare(margin), 'margin', 'be below 100 %'),
    ...check(
      tolerate.kind !== margin.kind || !(margin.value < tolerate.value),
      'margin',
      'not be below tolerate',
    ),
  ]
}

function operationalFaults(policy: Policy): PolicyFault[] {
  const { intervalMs, progressDeadlineMs, onNoTraffic, keepPreviousMs, watch } = policy
  const check = (holds: boolean, path: string[], must: string) => unless(holds, path, path.join('.'), must)
  return [
    ...check(intervalMs >= 100, ['interval'], 'be at least 100 ms'),
    ...check(progressDeadlineMs > 0, ['progressDeadline'], 'be above 0'),
    ...check(onNoTraffic.afterMs > 0, ['onNoTraffic', 'after'], 'be above 0'),
    ...check(keepPreviousMs >= 0, ['keepPrevious'], 'not be negative'),
    ...(watch === undefined
      ? []
      : [
          ...check(
            isWeight(watch.holdBackBp) && watch.holdBackBp > 0 && watch.holdBackBp < 5000,
            ['watch', 'holdBack'],
            'be above 0 % and below 50 %',
          ),
          ...check(watch.durationMs > 0, ['watch', 'duration'], 'be above 0'),
          ...check(
            watch.durationMs <= keepPreviousMs,
            ['watch', 'duration'],
            'not be longer than keepPrevious, or there is no way back',
          ),
          ...check(
            watch.falseAlarmEveryMs >= watch.durationMs,
            ['watch', 'falseAlarmEvery'],
            'not be shorter than watch.duration, or a false alarm is to be expected',
          ),
          ...check(
            watch.falseAlarmEveryMs >= intervalMs * 100,
            ['watch', 'falseAlarmEvery'],
            'be at least a hundred intervals',
          ),
        ]),
  ]
}
