import type { DriftVerdict, Phase, Reading, Rollout, RolloutBrief } from './views.ts'

/** 90 s, 12 min, 3.5 h, 2 d. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Number((seconds / 3600).toFixed(1))} h`
  return `${Number((seconds / 86_400).toFixed(1))} d`
}

export function age(instant: string, nowMs: number): string {
  return duration(Math.max(0, (nowMs - Date.parse(instant)) / 1000))
}

export function percent(value: number): string {
  return `${Number(value.toFixed(2))} %`
}

/** A difference of shares, as people read it, on one line. */
export function points(value: number): string {
  const text = `${Math.abs(value * 100) < 10 ? (value * 100).toFixed(2) : (value * 100).toFixed(1)}`
  return `${value > 0 ? '+' : ''}${text.replace('-', '−')}\u00a0%`
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export const VERDICTS: Record<Reading['verdict'], { word: string; tone: Tone; says: string }> = {
  breach: { word: 'Worse', tone: 'bad', says: 'certain to be worse than tolerated' },
  proven: { word: 'Fine', tone: 'good', says: 'certain to be within its margin' },
  undecided: { word: 'Not yet', tone: 'calm', says: 'not certain yet' },
  'no-data': { word: 'No data', tone: 'warn', says: 'nothing to compare yet' },
  'not-testable': { word: 'Cannot tell', tone: 'warn', says: 'cannot be compared' },
}

export const DRIFT_VERDICTS: Record<DriftVerdict, { word: string; tone: Tone }> = {
  drifted: { word: 'Drifted', tone: 'warn' },
  moved: { word: 'Moved', tone: 'busy' },
  steady: { word: 'Steady', tone: 'good' },
  'too-few': { word: 'Too few records', tone: 'calm' },
}

export type Tone = 'good' | 'bad' | 'warn' | 'calm' | 'busy'

export const PHASES: Record<string, { word: string; tone: Tone }> = {
  preparing: { word: 'Preparing', tone: 'busy' },
  mirroring: { word: 'Mirroring', tone: 'busy' },
  stepping: { word: 'Comparing', tone: 'busy' },
  'awaiting-approval': { word: 'Waits for approval', tone: 'warn' },
  paused: { word: 'Paused', tone: 'warn' },
  held: { word: 'Held', tone: 'warn' },
  promoting: { word: 'Promoting', tone: 'good' },
  watching: { word: 'Promoted, watched', tone: 'good' },
}

export const OUTCOMES: Record<string, { word: string; tone: Tone }> = {
  promoted: { word: 'Promoted', tone: 'good' },
  measured: { word: 'Measured', tone: 'good' },
  'rolled-back': { word: 'Rolled back', tone: 'bad' },
  aborted: { word: 'Aborted', tone: 'warn' },
  superseded: { word: 'Superseded', tone: 'warn' },
}

/** Phases in which nothing goes on without a person. */
export function waitsForPerson({ kind }: Phase): boolean {
  return kind === 'awaiting-approval' || kind === 'held' || kind === 'paused'
}

/** What a person can do about a rollout that waits for one; undefined where it goes on by itself. */
export function toDo({ kind, cause }: Phase): string | undefined {
  switch (kind) {
    case 'awaiting-approval':
      return 'Approve, and it goes on; or abort.'
    case 'paused':
      return 'Resume, and it goes on; or abort.'
    case 'held':
      switch (cause) {
        case 'no-traffic':
          return 'See why no requests come, then resume; or abort.'
        case 'sample-ratio-mismatch':
          return 'The arms do not get the shares that were drawn, so no comparison is fair: look for what drops or repeats requests before you resume; or abort.'
        default:
          return 'Resume to give it more time, advance without the proof, or abort.'
      }
    default:
      return undefined
  }
}

/** What comes once what is waited for is there, and what comes otherwise. */
export function afterwards({
  phase,
  steps,
  stepsPercent,
  canary,
  measures,
}: RolloutBrief): string | undefined {
  const { kind, step = 0 } = phase
  if (kind !== 'mirroring' && kind !== 'stepping' && kind !== 'awaiting-approval') return undefined
  const then =
    step < steps
      ? `Then ${canary.version} gets ${percent(stepsPercent[step]!)}.`
      : measures
        ? 'Then it is over.'
        : `Then ${canary.version} is promoted and gets everything.`
  return `${then} If it turns out worse than tolerated, it is rolled back at once.`
}

/** What the guardrails say so far; those of the copies while there is a mirror. */
export function judged({ readings, mirror }: Pick<Rollout, 'readings' | 'mirror'>): Judged[] {
  return mirror?.comparisons.map((one) => ({ ...one, acts: true, observed: null })) ?? readings
}

export type Judged = Pick<Reading, 'name' | 'acts' | 'verdict' | 'observed'> & {
  promotion: { log: number; threshold: number } | null
}

/** What a verdict rests on. */
export function evidence({ observed, promotion, verdict }: Judged): string {
  if (observed) {
    const { value, low, high } = observed
    return `${points(value)}, surely ${points(low)} to ${points(high)}`
  }
  if (verdict === 'proven' || promotion === null || promotion.threshold <= 0) return ''
  return `${Math.round(100 * Math.max(0, Math.min(1, promotion.log / promotion.threshold)))} % of its proof`
}

/** Which version is winning, in one sentence. */
export function winning(
  { canary, stable, measures }: RolloutBrief,
  readings: readonly Pick<Reading, 'name' | 'acts' | 'verdict'>[],
): string {
  if (measures) return `${stable.version} is compared with itself`
  const acting = readings.filter(({ acts }) => acts)
  const breached = acting.filter(({ verdict }) => verdict === 'breach')
  const proven = acting.filter(({ verdict }) => verdict === 'proven')
  if (breached.length > 0)
    return `${stable.version} is better: ${names(breached)} of ${canary.version} ${breached.length > 1 ? 'are' : 'is'} worse than tolerated`
  if (acting.length === 0) return `nothing is known of ${canary.version} yet`
  if (proven.length === acting.length)
    return `${canary.version} is as good as ${stable.version} in everything that is compared`
  if (proven.length === 0) return `too early to tell ${canary.version} from ${stable.version}`
  return `${canary.version} looks good so far: ${names(proven)} ${proven.length > 1 ? 'are' : 'is'} proven fine, ${names(acting.filter(({ verdict }) => verdict !== 'proven'))} not yet`
}

export function names(readings: readonly Pick<Reading, 'name'>[]): string {
  const all = readings.map(({ name }) => title(name).toLowerCase())
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`
}

/** `error_rate` is Error rate. */
export function title(name: string): string {
  return upperFirst(name.replaceAll(/[_-]/g, ' '))
}

export function sentence(text: string): string {
  return `${upperFirst(text)}.`
}

export function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
