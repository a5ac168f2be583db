import {
  binsOf,
  EXTRA,
  type Layout,
  misfits,
  type Series,
  type Unmeasured,
  valuesPerRecord,
} from '@coalmine/contract/distribution/layout.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import {
  assess,
  type Drift,
  ENOUGH_RECORDS,
  type Sample,
  VERDICTS,
  type Verdict,
} from '@coalmine/core/drift/assessment.ts'
import type { DriftBooks, TrainedVersion } from './drift-book.ts'

const HOUR_MS = 60 * 60_000
/** The shortest one that has enough records is looked at. */
export const WINDOWS_MS = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS] as const

/** One series of a comparison: what came out, and the shares of its bins on both sides. */
export interface Compared extends Drift {
  readonly series: Series
  readonly bins: readonly { readonly bin: string; readonly live: number; readonly against: number }[]
}

export type Comparison =
  | {
      readonly measured: true
      readonly windowMs: number
      /** The worst of the series. */
      readonly verdict: Verdict
      /** The worst first. */
      readonly series: readonly Compared[]
      readonly unmeasured: readonly Unmeasured[]
    }
  | { readonly measured: false; readonly because: string }

/** A version as it is compared: what its contract says of its fields. */
export interface ComparedVersion {
  readonly version: string
  readonly manifest: Manifest
  /** Why its workers tell nothing, where that was found out. */
  readonly silent?: string
}

/** What a version saw lately against what it saw in training. */
export function againstTraining(books: DriftBooks, of: ComparedVersion, nowMs: number): Comparison {
  const trained = known(books, of)
  if ('measured' in trained) return trained
  const { layout, unmeasured } = trained
  const book = books.book(of.version, of.version)
  if (book === undefined) return none(`no worker of ${of.version} has been asked yet`)
  const training = trainingSamples(trained)
  return compared(layout, unmeasured, 'in training', (windowMs) => ({
    live: samplesOf(book.counts.within(windowMs, nowMs), layout, of.manifest),
    against: training,
  }))
}

/** What a version saw lately against what the stable version saw at the same time, in the bins of the latter. */
export function againstStable(
  books: DriftBooks,
  of: ComparedVersion,
  stable: ComparedVersion | undefined,
  nowMs: number,
): Comparison {
  if (stable === undefined) return none('no version is stable')
  if (stable.version === of.version) return none(`${of.version} is the stable version`)
  if (of.silent !== undefined) return none(of.silent)
  const trained = known(books, stable)
  if ('measured' in trained) return trained
  const { layout } = trained
  const [ours, theirs] = [books.book(of.version, stable.version), books.book(stable.version, stable.version)]
  if (ours === undefined) return none(`no worker of ${of.version} has been asked yet`)
  if (theirs === undefined) return none(`no worker of ${stable.version} has been asked yet`)
  const unfit = misfits(layout, of.manifest)
  return compared(
    layout,
    [...trained.unmeasured, ...unfit],
    `with ${stable.version}`,
    (windowMs) => ({
      live: samplesOf(ours.counts.within(windowMs, nowMs), layout, of.manifest),
      against: samplesOf(theirs.counts.within(windowMs, nowMs), layout, stable.manifest),
    }),
    new Set(unfit.map(({ name }) => name)),
  )
}

function known(books: DriftBooks, { version, silent }: ComparedVersion): TrainedVersion | Comparison {
  if (silent !== undefined) return none(silent)
  const trained = books.trained(version)
  if (trained === undefined) return none(`no worker of ${version} has been asked yet`)
  if (trained === 'no reference')
    return none(`${version} has no reference.json, so there are no bins to count in`)
  if (trained.layout.series.length === 0) return none(`the reference.json of ${version} has no bins`)
  return trained
}

function compared(
  { series }: Layout,
  unmeasured: readonly Unmeasured[],
  opponent: string,
  samplesIn: (windowMs: number) => { live: Sample[]; against: Sample[] },
  left: ReadonlySet<string> = new Set(),
): Comparison {
  let found: { windowMs: number; series: Compared[] } | undefined
  for (const windowMs of WINDOWS_MS) {
    const { live, against } = samplesIn(windowMs)
    const drifts = series.flatMap((one, i): Compared[] => {
      if (one.kind === 'feature' && left.has(one.name)) return []
      return [
        {
          series: one,
          bins: sharesOf(one, live[i]!, against[i]!),
          ...assess(live[i]!, against[i]!, opponent),
        },
      ]
    })
    found = { windowMs, series: drifts.sort(byWorst) }
    const enough = ({ records }: Drift) => Math.min(records.live, records.against) >= ENOUGH_RECORDS
    if (drifts.some(enough)) break
  }
  const worst = Math.max(0, ...found!.series.map(({ verdict }) => VERDICTS.indexOf(verdict)))
  return { measured: true, ...found!, verdict: VERDICTS[worst]!, unmeasured }
}

const byWorst = (a: Drift, b: Drift) =>
  VERDICTS.indexOf(b.verdict) - VERDICTS.indexOf(a.verdict) || (b.psi ?? 0) - (a.psi ?? 0)

/** The training rows, by series. */
export function trainingSamples({ trained, rows }: TrainedVersion): Sample[] {
  return trained.map(({ shares, missing }) => ({
    bins: shares.map((share) => share * rows * (1 - missing)),
    unseen: 0,
    missing: rows * missing,
    refused: 0,
  }))
}

/** Counts of values as counts of records, by series: the values of a field with a shape are parts of one. */
export function samplesOf(counts: ArrayLike<number>, { series }: Layout, manifest: Manifest): Sample[] {
  let first = 0
  return series.map((one) => {
    const values = valuesPerRecord(one, manifest)
    const bins = Array.from({ length: binsOf(one) }, (_, i) => counts[first + i]! / values)
    const [unseen, missing, refused] = EXTRA.map((_, i) => counts[first + bins.length + i]!)
    first += bins.length + EXTRA.length
    return { bins, unseen: unseen! / values, missing: missing! / values, refused: refused! }
  })
}

/** The bins in words: `<4.5`, `>=4.5`, or the category. */
export function binNames(series: Series): string[] {
  if ('categories' in series) return [...series.categories]
  const last = series.edges.at(-1)
  return last === undefined ? ['any'] : [...series.edges.map((edge) => `<${edge}`), `>=${last}`]
}

function sharesOf(series: Series, live: Sample, against: Sample): Compared['bins'] {
  const total = ({ bins, unseen }: Sample) => bins.reduce((sum, count) => sum + count, unseen)
  const of = (count: number, whole: number) => (whole > 0 ? count / whole : 0)
  const [n, m] = [total(live), total(against)]
  return binNames(series).map((bin, i) => ({
    bin,
    live: of(live.bins[i]!, n),
    against: of(against.bins[i]!, m),
  }))
}

const none = (because: string): Comparison => ({ measured: false, because })
