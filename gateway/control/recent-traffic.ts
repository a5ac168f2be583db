import { OUTCOMES } from '../data/recorder.ts'
import type { ArmCounts, Snapshot, TruthCounts } from '../snapshot.ts'

const WINDOW_MS = 60_000
const DRAWN = ['stable', 'baseline', 'canary']

/** What arms of one model did in the last minute, added up, and in how many seconds. */
export interface RecentArms {
  readonly seconds: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly latencyBuckets: readonly number[]
  readonly scoreBuckets: readonly number[]
  readonly scoreSum: number
  readonly scoreRange?: readonly [number, number]
  readonly truths: SeenTruths
}

/** Truths about a version since the processes began: they come by the night as well as by the second, and hours later. */
export interface SeenTruths {
  /** Answered in the same time. */
  readonly requests: number
  readonly right: number
  readonly wrong: number
  /** By the bounds of DELAY_BOUNDS_SECONDS. */
  readonly delayBuckets: readonly number[]
}

/** The last minute of what the data processes counted, from the running totals that arrive each second. */
export class RecentTraffic {
  readonly #totals: { atMs: number; arms: ReadonlyMap<string, ArmCounts> }[] = []
  #truths: readonly TruthCounts[] = []

  add({ arms, truths }: Pick<Snapshot, 'arms' | 'truths'>, nowMs: number): void {
    this.#truths = truths
    this.#totals.push({ atMs: nowMs, arms: new Map(arms.map((arm) => [keyOf(arm), arm])) })
    // The youngest total older than the window is where the window begins.
    while (this.#totals.length > 1 && this.#totals[1]!.atMs <= nowMs - WINDOW_MS) this.#totals.shift()
  }

  /** A process was met whose totals are of before: nothing of what is added next has grown since. */
  beginAnew(): void {
    this.#totals.length = 0
  }

  /** @returns share 0 to 1 of an arm's version among all draws of its model; undefined without draws */
  share(model: string, arm: string, version: string): number | undefined {
    const drawn = this.#grown().filter((a) => a.model === model && DRAWN.includes(a.arm))
    const draws = (arms: readonly ArmCounts[]) => arms.reduce((sum, { outcomes }) => sum + total(outcomes), 0)
    const all = draws(drawn)
    return all > 0 ? draws(drawn.filter((a) => a.arm === arm && a.version === version)) / all : undefined
  }

  /** What a version did where it was drawn as stable or baseline. */
  stable(model: string, version: string): RecentArms | undefined {
    const [first, last] = [this.#totals[0], this.#totals.at(-1)]
    const isOf = (a: { model: string; version: string; arm: string }) =>
      a.model === model && a.version === version && (a.arm === 'stable' || a.arm === 'baseline')
    const arms = this.#grown().filter(isOf)
    if (!first || !last || arms.length === 0) return undefined
    const sum = (of: (arm: ArmCounts) => readonly number[]) => sumOf(arms.map(of))
    const truths = this.#truths.filter(isOf)
    const scoreRange = arms.find((arm) => arm.scoreRange)?.scoreRange
    return {
      seconds: (last.atMs - first.atMs) / 1000,
      outcomes: Object.fromEntries(
        OUTCOMES.map((outcome) => [outcome, arms.reduce((n, arm) => n + (arm.outcomes[outcome] ?? 0), 0)]),
      ),
      latencyBuckets: sum((arm) => arm.latencyBuckets),
      scoreBuckets: sum((arm) => arm.scoreBuckets),
      scoreSum: arms.reduce((n, arm) => n + arm.scoreSum, 0),
      ...(scoreRange && { scoreRange }),
      truths: {
        requests: [...last.arms.values()].filter(isOf).reduce((n, { outcomes }) => n + total(outcomes), 0),
        right: truths.reduce((n, { right }) => n + right, 0),
        wrong: truths.reduce((n, { wrong }) => n + wrong, 0),
        delayBuckets: sumOf(truths.map(({ delayBuckets }) => delayBuckets)),
      },
    }
  }

  /** What each arm counted within the window. */
  #grown(): ArmCounts[] {
    const [first, last] = [this.#totals[0], this.#totals.at(-1)]
    // The first totals that control hears may be of days: nothing has grown yet.
    if (!first || !last || first === last) return []
    return [...last.arms].map(([key, arm]) => {
      const before = first.arms.get(key)
      return before === undefined ? arm : difference(arm, before)
    })
  }
}

function sumOf(lists: readonly (readonly number[])[]): readonly number[] {
  return lists.reduce(
    (a, b) => Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] ?? 0) + (b[i] ?? 0)),
    [],
  )
}

function difference(arm: ArmCounts, before: ArmCounts): ArmCounts {
  const minus = (a: readonly number[], b: readonly number[]) => a.map((n, i) => n - (b[i] ?? 0))
  return {
    ...arm,
    outcomes: Object.fromEntries(
      OUTCOMES.map((o) => [o, (arm.outcomes[o] ?? 0) - (before.outcomes[o] ?? 0)]),
    ),
    latencyBuckets: minus(arm.latencyBuckets, before.latencyBuckets),
    latencySumSeconds: arm.latencySumSeconds - before.latencySumSeconds,
    scoreBuckets: minus(arm.scoreBuckets, before.scoreBuckets),
    scoreSum: arm.scoreSum - before.scoreSum,
  }
}

function total(outcomes: Readonly<Record<string, number>>): number {
  return OUTCOMES.reduce((sum, outcome) => sum + (outcomes[outcome] ?? 0), 0)
}

function keyOf({ model, arm, version }: ArmCounts): string {
  return `${model}\n${arm}\n${version}`
}
