import {
  addCounts,
  type EarlyCounts,
  GROUPS,
  type Group,
  type Released,
  type Stratum,
  type StratumCell,
  stratumKey,
} from '@coalmine/core/evidence/counts.ts'
import { COLD_SECONDS, type Evidence } from '@coalmine/core/evidence/evidence.ts'
import { STRATA_MAX } from '@coalmine/core/evidence/tally.ts'
import type { MeasuredCounts } from '@coalmine/core/rollout/difference.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'

type Sums<G extends Group> = Map<string, StratumCell<G>>

const ARMS: readonly Arm[] = ['stable', 'baseline', 'canary']

/**
 * Sums of what one rollout has counted since it began, or since this process did: what people are told of latencies and
 * scores, of which the evidence keeps no counts. Decisions do not rest on it. The memory is that of the latest strata.
 */
export class Measured {
  /** The rollout's. */
  readonly serial: number
  /** Counts additions: what was worked out at another number is out of date. */
  additions = 0
  readonly #sums: { readonly [G in Group]: Sums<G> } = {
    early: new Map(),
    final: new Map(),
    labels: new Map(),
  }

  constructor(serial: number) {
    this.serial = serial
  }

  /** Windows that were committed with this evidence. Those without a canary are nothing to compare. */
  add({ fromSecond, firstSecond = Number.NEGATIVE_INFINITY }: CountedFrom, released: Released): void {
    this.additions++
    for (const group of GROUPS)
      for (const { second, strata } of released[group] ?? []) {
        if (second < fromSecond) continue
        const isCold = second < firstSecond + COLD_SECONDS
        for (const cell of strata) if (cell.stratum.canary > 0) this.#addCell(group, cell, isCold)
      }
  }

  #addCell<G extends Group>(group: G, cell: StratumCell<G>, isCold: boolean): void {
    ADD[group](this.#sums[group] as Sums<G>, cell, isCold)
  }

  get counts(): MeasuredCounts {
    const { early, final, labels } = this.#sums
    return { early: [...early.values()], final: [...final.values()], labels: [...labels.values()] }
  }
}

type CountedFrom = Pick<Evidence, 'fromSecond' | 'firstSecond'>

const ADD: {
  readonly [G in Group]: (sums: Sums<G>, cell: StratumCell<G>, isCold: boolean) => void
} = {
  early: (sums, { stratum, arms }, isCold) => {
    const cell = kept(sums, stratum, () => ({ stratum, arms: eachArm(emptyEarly) }))
    for (const arm of ARMS) addEarly(cell.arms[arm] as EarlySums, isCold ? untimed(arms[arm]) : arms[arm])
  },
  final: (sums, cell) => addPlain('final', sums, cell),
  labels: (sums, cell) => addPlain('labels', sums, cell),
}

function addPlain<G extends 'final' | 'labels'>(group: G, sums: Sums<G>, cell: StratumCell<G>): void {
  const { stratum, arms } = cell
  const before = kept(sums, stratum, () => undefined)
  const added = (arm: Arm) =>
    before === undefined ? arms[arm] : addCounts(group, before.arms[arm], arms[arm])
  sums.set(stratumKey(stratum), { stratum, arms: eachArm(added) })
}

/** Older strata make room, as in the tally. */
function kept<G extends Group, T extends StratumCell<G> | undefined>(
  sums: Sums<G>,
  stratum: Stratum,
  make: () => T,
): StratumCell<G> | T {
  const key = stratumKey(stratum)
  const found = sums.get(key)
  if (found !== undefined) return found
  if (sums.size >= STRATA_MAX) sums.delete(sums.keys().next().value!)
  const made = make()
  if (made !== undefined) sums.set(key, made)
  return made
}

function eachArm<T>(of: (arm: Arm) => T): Readonly<Record<Arm, T>> {
  return { stable: of('stable'), baseline: of('baseline'), canary: of('canary') }
}

type EarlySums = { -readonly [K in keyof EarlyCounts]: EarlyCounts[K] extends number ? number : Float64Array }

const BINNED = ['latency', 'cut', 'scores', 'knots', 'classes'] as const
const PLAIN = ['requests', 'errors', 'rejected', 'slow'] as const
const NOTHING = new Float64Array(0)

function emptyEarly(): EarlySums {
  const binned = { latency: NOTHING, cut: NOTHING, scores: NOTHING, knots: NOTHING, classes: NOTHING }
  return { requests: 0, errors: 0, rejected: 0, slow: 0, ...binned }
}

/** In place: a window has thousands of bins, and one comes each second. */
function addEarly(sums: EarlySums, counts: EarlyCounts): void {
  for (const key of PLAIN) sums[key] += counts[key]
  for (const key of BINNED) {
    const added = counts[key]
    if (sums[key].length < added.length) sums[key] = grown(sums[key], added.length)
    const into = sums[key]
    for (let bin = 0; bin < added.length; bin++) into[bin]! += added[bin]!
  }
}

function grown(counts: Float64Array, length: number): Float64Array {
  const longer = new Float64Array(length)
  longer.set(counts)
  return longer
}

/** While the canary is cold its latency says nothing of it. */
function untimed(counts: EarlyCounts): EarlyCounts {
  return { ...counts, latency: NOTHING, cut: NOTHING, slow: 0 }
}
