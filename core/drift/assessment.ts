import { jensenShannon, stabilityIndex } from './divergence.ts'

/** What was seen of one feature, or of the scores: counts of records. */
export interface Sample {
  /** Of the bins, in their order. */
  readonly bins: readonly number[]
  /** Values that no bin is for: categories that training had not. */
  readonly unseen: number
  /** Records without the value. */
  readonly missing: number
  /** Values that the contract refused for another reason; they are no part of what was seen. */
  readonly refused: number
}

export const VERDICTS = ['too-few', 'steady', 'moved', 'drifted'] as const
export type Verdict = (typeof VERDICTS)[number]

export interface Drift {
  readonly verdict: Verdict
  /** What made it `moved` or `drifted`, as sentences. */
  readonly because: readonly string[]
  /** Records on each side. */
  readonly records: { readonly live: number; readonly against: number }
  /** The population stability index without its bias; about 0 where nothing moved, below 0 by chance. */
  readonly psi?: number
  readonly psiBias?: number
  readonly jensenShannon?: number
  readonly missing: { readonly live: number; readonly against: number }
  /** Of the records that have the value. */
  readonly unseen: { readonly records: number; readonly share: number }
  readonly refused: { readonly records: number; readonly share: number }
}

/** With fewer records on either side there is a number and no verdict: chance alone makes a PSI of 0.1 of a hundred. */
export const ENOUGH_RECORDS = 500
/** The field's bands of the PSI (Lewis 1994, Siddiqi 2017), of which 0.2 is the usual point to act. */
export const MOVED_PSI = 0.1
export const DRIFTED_PSI = 0.2
/** More of the values missing than before, as a share of the records. */
export const DRIFTED_MISSING = 0.05
/** Of the values, of categories that training had not. */
export const DRIFTED_UNSEEN = 0.01
/** Standard errors that anything has to be more than: a verdict is looked at all day, of many fields. */
const CERTAIN = 4

/** Judges what was seen lately against training, or against what another version saw at the same time. */
export function assess(live: Sample, against: Sample, opponent: string): Drift {
  const records = { live: recordsOf(live), against: recordsOf(against) }
  const [ours, theirs] = [valuesOf(live), valuesOf(against)]
  const index = stabilityIndex(ours, theirs)
  const distance = jensenShannon(ours, theirs)
  const missing = {
    live: share(live.missing, records.live),
    against: share(against.missing, records.against),
  }
  const unseen = { records: live.unseen, share: share(live.unseen, records.live - live.missing) }
  const refused = { records: live.refused, share: share(live.refused, records.live + live.refused) }
  const facts = {
    records,
    ...(index && { psi: index.raw - index.bias, psiBias: index.bias }),
    ...(distance !== undefined && { jensenShannon: distance }),
    ...{ missing, unseen, refused },
  }
  if (Math.min(records.live, records.against) < ENOUGH_RECORDS)
    return { verdict: 'too-few', because: [], ...facts }
  const because: string[] = []
  const drifted = (sentence: string | false) => sentence !== false && because.push(sentence)
  drifted(
    moreMissing(missing, records) &&
      `missing ${percent(missing.live)}, ${percent(missing.against)} ${opponent}`,
  )
  drifted(moreUnseen(live, against) && `${percent(unseen.share)} are of categories unknown ${opponent}`)
  const { psi = 0 } = facts
  const isChance = index === undefined || psi <= CERTAIN * index.deviation
  drifted(!isChance && psi >= DRIFTED_PSI && `PSI ${psi.toFixed(2)}, ${DRIFTED_PSI} or more`)
  if (because.length > 0) return { verdict: 'drifted', because, ...facts }
  if (!isChance && psi >= MOVED_PSI) return { verdict: 'moved', because: [`PSI ${psi.toFixed(2)}`], ...facts }
  return { verdict: 'steady', because: [], ...facts }
}

function moreMissing(missing: Drift['missing'], records: Drift['records']): boolean {
  const difference = missing.live - missing.against
  const pooled =
    (missing.live * records.live + missing.against * records.against) / (records.live + records.against)
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / records.live + 1 / records.against))
  return difference >= DRIFTED_MISSING && difference > CERTAIN * error
}

/** One version has the bins of another: what is unseen by both is new to neither. */
function moreUnseen(live: Sample, against: Sample): boolean {
  const of = (sample: Sample) => share(sample.unseen, recordsOf(sample) - sample.missing)
  return of(live) - of(against) >= DRIFTED_UNSEEN
}

const valuesOf = ({ bins, unseen }: Sample) => [...bins, unseen]

function recordsOf({ bins, unseen, missing }: Sample): number {
  return bins.reduce((sum, count) => sum + count, unseen + missing)
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}
