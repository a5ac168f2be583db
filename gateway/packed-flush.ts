import {
  type EarlyCounts,
  type FinalCounts,
  GROUPS,
  type Group,
  type GroupCounts,
  type LabelCounts,
  NO_EARLY_COUNTS,
  type Stratum,
  type StratumCell,
  type Window,
} from '@coalmine/core/evidence/counts.ts'
import type { Flush, Flushed } from '@coalmine/core/evidence/recorder.ts'

/** A flush as it travels between processes: plain JSON, without the zeros of thousands of bins. Exact. */
export type PackedFlush = { readonly [G in Group]?: PackedGroup }

interface PackedGroup {
  readonly through: number
  readonly windows: readonly PackedWindow[]
}

interface PackedWindow {
  readonly second: number
  readonly strata: readonly PackedCell[]
  readonly stalled?: true
}

interface PackedCell {
  /** Probability of stable, baseline and canary. */
  readonly stratum: readonly number[]
  /** Counts of stable, baseline and canary. */
  readonly arms: readonly PackedCounts[]
}

/** Numbers in the order of the group; an early arm ends with its bins. 0: an early arm without requests. */
type PackedCounts = readonly (number | PackedBins)[] | 0

/** How many bins there are, and then place and count of each that is not empty. */
type PackedBins = readonly number[]

/** More bins than any shape has; what says more is no flush, and would only take memory. */
const BINS_MAX = 65_536

export function packFlush(flush: Flush): PackedFlush {
  const packed: { [G in Group]?: PackedGroup } = {}
  for (const group of GROUPS) {
    const flushed = flush[group]
    if (flushed !== undefined) packed[group] = packGroup(group, flushed as Flushed<typeof group>)
  }
  return packed
}

/** The flush that was packed. Throws a RangeError that names the field for anything else. */
export function unpackFlush(packed: unknown): Flush {
  const groups = object(packed, 'flush')
  const flush: { [G in Group]?: Flushed<G> } = {}
  for (const group of Object.keys(groups)) {
    if (!isGroup(group)) throw fault('flush', `the groups ${GROUPS.join(', ')}`, group)
    ;(flush[group] as Flushed) = unpackGroup(group, groups[group], `flush.${group}`)
  }
  return flush
}

function isGroup(name: string): name is Group {
  return (GROUPS as readonly string[]).includes(name)
}

function packGroup<G extends Group>(group: G, { through, windows }: Flushed<G>): PackedGroup {
  const pack = PACK[group]
  return {
    through,
    windows: windows.map(({ second, strata, stalled }) => ({
      second,
      ...(stalled && { stalled }),
      strata: strata.map(({ stratum, arms }) => ({
        stratum: [stratum.stable, stratum.baseline, stratum.canary],
        arms: [pack(arms.stable), pack(arms.baseline), pack(arms.canary)],
      })),
    })),
  }
}

const PACK: { readonly [G in Group]: (counts: GroupCounts[G]) => PackedCounts } = {
  early: ({ requests, errors, rejected, slow, latency, cut, scores, knots, classes }) =>
    requests === 0
      ? 0
      : [requests, errors, rejected, slow, ...[latency, cut, scores, knots, classes].map(packBins)],
  final: ({ requests, errors, aborted }) => [requests, errors, aborted],
  labels: ({ labelled, wrong }) => [labelled, wrong],
}

function packBins(counts: ArrayLike<number>): PackedBins {
  const packed = [counts.length]
  for (let bin = 0; bin < counts.length; bin++) if (counts[bin] !== 0) packed.push(bin, counts[bin]!)
  return packed
}

function unpackGroup<G extends Group>(group: G, packed: unknown, at: string): Flushed<G> {
  const { through, windows } = object(packed, at)
  return {
    through: whole(through, `${at}.through`, Number.MIN_SAFE_INTEGER),
    windows: list(windows, `${at}.windows`).map((window, i) =>
      unpackWindow(group, window, `${at}.windows[${i}]`),
    ),
  }
}

function unpackWindow<G extends Group>(group: G, packed: unknown, at: string): Window<G> {
  const { second, strata, stalled } = object(packed, at)
  if (stalled !== undefined && stalled !== true) throw fault(`${at}.stalled`, 'true, or nothing', stalled)
  return {
    second: whole(second, `${at}.second`, Number.MIN_SAFE_INTEGER),
    ...(stalled && { stalled }),
    strata: list(strata, `${at}.strata`).map((cell, i) => unpackCell(group, cell, `${at}.strata[${i}]`)),
  }
}

function unpackCell<G extends Group>(group: G, packed: unknown, at: string): StratumCell<G> {
  const cell = object(packed, at)
  const arms = list(cell.arms, `${at}.arms`, 3)
  const unpack = (arm: number) => UNPACK[group](arms[arm], `${at}.arms[${arm}]`)
  return {
    stratum: unpackStratum(cell.stratum, `${at}.stratum`),
    arms: { stable: unpack(0), baseline: unpack(1), canary: unpack(2) },
  }
}

function unpackStratum(packed: unknown, at: string): Stratum {
  const [stable, baseline, canary] = list(packed, at, 3).map((share, i) => {
    if (typeof share === 'number' && share >= 0 && share <= 1) return share
    throw fault(`${at}[${i}]`, 'a probability', share)
  }) as [number, number, number]
  // Multiples of 2^-32 add up exactly.
  if (stable + baseline + canary !== 1) throw fault(at, 'probabilities that make 1', packed)
  return { stable, baseline, canary }
}

const UNPACK: { readonly [G in Group]: (packed: unknown, at: string) => GroupCounts[G] } = {
  early: unpackEarly,
  final: (packed, at): FinalCounts => {
    const [requests, errors, aborted] = wholes(packed, at, 3)
    return partsOf({ requests: requests!, errors: errors!, aborted: aborted! }, errors! + aborted!, at)
  },
  labels: (packed, at): LabelCounts => {
    const [labelled, wrong] = wholes(packed, at, 2)
    if (wrong! > labelled!) throw fault(at, `at most ${labelled} wrong`, wrong)
    return { labelled: labelled!, wrong: wrong! }
  },
}

function unpackEarly(packed: unknown, at: string): EarlyCounts {
  if (packed === 0) return NO_EARLY_COUNTS
  const fields = list(packed, at, 9)
  const [requests, errors, rejected, slow] = wholes(fields.slice(0, 4), at, 4)
  const bins = (index: number) => unpackBins(fields[index], `${at}[${index}]`)
  const [latency, cut, scores, knots, classes] = [bins(4), bins(5), bins(6), bins(7), bins(8)]
  const counts = { requests: requests!, errors: errors!, rejected: rejected!, slow: slow! }
  const [inTime, cutOff] = [sum(latency), sum(cut)]
  if (counts.errors > cutOff) throw fault(`${at}[1]`, `at most the ${cutOff} without an answer`, errors)
  if (counts.rejected > inTime) throw fault(`${at}[2]`, `at most the ${inTime} answered`, rejected)
  return partsOf({ ...counts, latency, cut, scores, knots, classes }, inTime + cutOff + counts.slow, at)
}

/** A request has one end, so that its kinds of end are never more than there are requests. */
function partsOf<T extends { readonly requests: number }>(counts: T, ended: number, at: string): T {
  if (ended > counts.requests) throw fault(at, `at most ${counts.requests} that ended`, ended)
  return counts
}

function unpackBins(packed: unknown, at: string): number[] {
  const [length, ...filled] = wholes(packed, at)
  if (length === undefined || length > BINS_MAX || filled.length % 2 !== 0)
    throw fault(at, 'a number of bins, and then place and count of each', packed)
  const counts = new Array<number>(length).fill(0)
  for (let i = 0; i < filled.length; i += 2) {
    const bin = filled[i]!
    if (bin >= length || (i > 0 && bin <= filled[i - 2]!))
      throw fault(`${at}[${i + 1}]`, `a bin below ${length}, in order`, bin)
    counts[bin] = filled[i + 1]!
  }
  return counts
}

function wholes(value: unknown, at: string, length?: number): number[] {
  return list(value, at, length).map((one, i) => whole(one, `${at}[${i}]`, 0))
}

function whole(value: unknown, at: string, min: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min) return value as number
  throw fault(at, min === 0 ? 'a count' : 'a whole number', value)
}

function list(value: unknown, at: string, length?: number): readonly unknown[] {
  if (Array.isArray(value) && (length === undefined || value.length === length)) return value
  throw fault(at, length === undefined ? 'a list' : `a list of ${length}`, value)
}

function object(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw fault(at, 'an object', value)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function fault(at: string, expected: string, found: unknown): RangeError {
  return new RangeError(`${at}: expected ${expected}, got ${shown(found)}`)
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
