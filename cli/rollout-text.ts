import { columns, durationText, paint, percentText, since } from './text.ts'
import type {
  DecisionRow,
  Mirror,
  Reading,
  Rollout,
  RolloutBrief,
  RolloutSummary,
  Split,
  Traffic,
} from './views.ts'

const GLYPHS: Record<string, string> = {
  breach: paint('red', '✖ breach'),
  proven: paint('green', '✔ proven'),
  undecided: '● undecided',
  'no-data': paint('yellow', '○ no data'),
  'not-testable': paint('yellow', '○ not testable'),
}

/** What is served of a model, as people read it: one line to a question. */
export function trafficLines(traffic: Traffic, nowMs: number): string[] {
  const { model, stable, previous, split, rollout, last, frozen } = traffic
  const lines = [paint('bold', model)]
  const facts: string[][] = [['stable', stable?.version ?? paint('yellow', 'none: nothing is deployed yet')]]
  if (previous) facts.push(['previous', previousText(previous, nowMs)])
  if (frozen) facts.push(['brake', paint('yellow', 'on: no weight rises')])
  lines.push(...columns(facts).map((line) => `  ${line}`))
  if (split) lines.push(...splitLines(split, nowMs))
  if (rollout) lines.push(...rolloutLines(rollout, nowMs))
  else if (last) lines.push('', ...lastLines(last))
  return lines
}

function previousText({ version, warmUntil }: NonNullable<Traffic['previous']>, nowMs: number): string {
  if (warmUntil === null) return `${version}, its workers run`
  const leftS = (Date.parse(warmUntil) - nowMs) / 1000
  return leftS > 0 ? `${version}, its workers run for ${durationText(leftS)} more` : version
}

function splitLines({ canary, weightPercent, phase, startedAt, startedBy }: Split, nowMs: number): string[] {
  return [
    '',
    `  split by hand: ${canary.version} gets ${weightText(weightPercent)}${phase === 'preparing' ? ', once it is ready' : ''}`,
    `  by ${startedBy}, ${since(startedAt, nowMs)} ago`,
  ]
}

export function rolloutLines(rollout: Rollout, nowMs: number): string[] {
  const { serial, canary, stable, policy, weightPercent, counts, waitsFor, readings, measures, mirror } =
    rollout
  const { startedAt, startedBy, attempt } = rollout
  const arms = ['stable', 'baseline', 'canary'] as const
  const versionOf = (arm: (typeof arms)[number]) => (arm === 'canary' ? canary : stable).version
  return [
    '',
    `  ${paint('bold', `rollout ${serial}`)}: ${measures ? `${stable.version} beside itself` : `${canary.version} beside ${stable.version}`}, by policy ${policy.name}, started by ${startedBy} ${since(startedAt, nowMs)} ago${attempt > 1 ? `, attempt ${attempt}` : ''}`,
    `  ${phaseText(rollout, nowMs)}`,
    ...(waitsFor ? [`  ${paint('dim', 'next:')} ${waitsFor}`] : []),
    '',
    ...columns([
      ['arm', 'version', 'weight', 'requests', 'errors'],
      ...arms
        .filter((arm) => weightPercent[arm].configured > 0 || counts[arm].requests > 0)
        .map((arm) => [
          arm,
          versionOf(arm),
          weightText(weightPercent[arm]),
          // Stable's counts hold the baseline's: it is the same version.
          `${counts[arm].requests - (arm === 'stable' ? counts.baseline.requests : 0)}`,
          `${counts[arm].errors - (arm === 'stable' ? counts.baseline.errors : 0)}`,
        ]),
    ]).map((line) => `  ${line}`),
    ...(mirror ? mirrorLines(mirror) : []),
    ...(readings.length === 0 || mirror
      ? []
      : [
          '',
          ...columns([
            ['guardrail', '', 'canary minus stable', 'samples', 'decided in'],
            ...readings.map(readingRow),
          ]).map((line) => `  ${line}`),
        ]),
  ]
}

/** What copies of requests show, while nobody gets the canary's answers. */
function mirrorLines({ percent, pairs, floor, latency, comparisons }: Mirror): string[] {
  const differ = ({ pairs, different }: typeof floor) =>
    pairs === 0
      ? 'nothing compared yet'
      : `${percentText(Number(((different / pairs) * 100).toFixed(2)))} of ${pairs} differ`
  const part = ({ log, threshold }: { log: number; threshold: number }) =>
    threshold === 0 ? '' : `${Math.round(Math.max(0, Math.min(1, log / threshold)) * 100)} %`
  return [
    '',
    `  copies of ${percentText(percent)} of the requests: ${differ(pairs)}; stable beside itself: ${differ(floor)}`,
    ...(latency
      ? [
          `  medians: ${milliseconds(latency.canaryMs)} beside ${milliseconds(latency.stableMs)} of stable (not judged)`,
        ]
      : []),
    '',
    ...columns([
      ['guardrail', '', 'to its proof', 'to a rollback'],
      ...comparisons.map(({ name, verdict, promotion, rollback }) => [
        name,
        GLYPHS[verdict] ?? verdict,
        part(promotion),
        part(rollback),
      ]),
    ]).map((line) => `  ${line}`),
  ]
}

const milliseconds = (ms: number) => `${Number(ms.toPrecision(2))} ms`

function readingRow({ name, acts, verdict, observed, samples, secondsToDecide, metric }: Reading): string[] {
  const share = (value: number) =>
    `${value >= 0 ? '+' : ''}${(value * 100).toFixed(metric === 'error_rate' ? 2 : 1)}`
  return [
    acts ? name : `${name} ${paint('dim', '(signal)')}`,
    GLYPHS[verdict] ?? verdict,
    observed === null ? '' : `${share(observed.value)} % (${share(observed.low)} to ${share(observed.high)})`,
    `${Math.round(samples.canary)} / ${Math.round(samples.control)}`,
    verdict !== 'undecided' || secondsToDecide === null ? '' : durationText(secondsToDecide),
  ]
}

/** Why somebody did something: a person's own words; of the controller, what it found. */
export function whyOf({ actor, reason, because }: Pick<DecisionRow, 'actor' | 'reason' | 'because'>): string {
  return actor === 'controller' ? because : reason || because
}

/** In which phase a rollout is, with its step where it has one. */
export function phaseText({ phase, steps }: RolloutBrief, nowMs: number): string {
  const { kind, step, weightPercent, reason, actor, until } = phase
  const at =
    step === undefined
      ? ''
      : step === 0
        ? ' in the mirror'
        : ` at step ${step} of ${steps} (${percentText(weightPercent ?? 0)})`
  const age = `for ${since(phase.since, nowMs)}`
  switch (kind) {
    case 'mirroring':
      return `${paint('cyan', '◇ mirroring')}: copies of requests, whose answers nobody gets, ${age}`
    case 'stepping':
      return `${paint('cyan', '▶ stepping')}${at}, ${age}`
    case 'awaiting-approval':
      return `${paint('yellow', '‖ waits for approval')}${at}, ${age}`
    case 'paused':
      return `${paint('yellow', '‖ paused')}${at} by ${actor}, ${age}: ${reason}`
    case 'held':
      return `${paint('yellow', '‖ held')}${at}, ${age}: ${reason}`
    case 'promoting':
      return `${paint('green', '▲ promoting')}, ${age}`
    case 'watching':
      return `${paint('green', '✔ promoted')}, watched ${until === undefined ? '' : `for ${durationText(Math.max(0, (Date.parse(until) - nowMs) / 1000))} more`}`
    default:
      return `${kind}, ${age}`
  }
}

const OUTCOMES: Record<string, string> = {
  promoted: paint('green', '✔ promoted'),
  measured: paint('green', '✔ measured'),
  'rolled-back': paint('red', '✖ rolled back'),
}

export function lastLines({
  serial,
  canary,
  stable,
  outcome,
  because,
  finishedAt,
  durationSeconds,
}: RolloutSummary): string[] {
  return [
    `  last rollout ${serial}: ${canary.version} beside ${stable.version}, ${OUTCOMES[outcome ?? ''] ?? outcome} at ${finishedAt} after ${durationText(durationSeconds)}`,
    ...(because ? [`  ${because}`] : []),
  ]
}

export function weightText({
  configured,
  observed,
}: {
  configured: number
  observed: number | null
}): string {
  return observed === null || Math.abs(observed - configured) < 0.05
    ? percentText(configured)
    : `${percentText(configured)} (${percentText(observed)} of the last minute)`
}
