import type { DriftVerdict, Phase, Reading, RolloutBrief } from './views.ts'

/** 90 s, 12 min, 3.5 h, 2.0 d. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`
  return `${(seconds / 86_400).toFixed(1)} d`
}

export function age(instant: string, nowMs: number): string {
  return duration(Math.max(0, (nowMs - Date.parse(instant)) / 1000))
}

export function percent(value: number): string {
  return `${Number(value.toFixed(2))} %`
}

/** A difference of shares, as people read it. */
export function points(value: number): string {
  const text = `${Math.abs(value * 100) < 10 ? (value * 100).toFixed(2) : (value * 100).toFixed(1)}`
  return `${value > 0 ? '+' : ''}${text.replace('-', '−')} ${'%'}`
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

export function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
