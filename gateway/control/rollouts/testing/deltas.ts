import type { FinalCounts, Window } from '@coalmine/core/evidence/counts.ts'
import { fairSecond, together } from '@coalmine/core/rollout/testing/windows.ts'
import type { DeltaMessage } from '../../../messages.ts'
import { packFlush } from '../../../packed-flush.ts'

/** What one delta tells. */
export interface Told {
  readonly incarnation?: string
  readonly sequence: number
  /** The last second that both groups are complete through. */
  readonly through: number
  /** Seconds with requests. */
  readonly seconds?: readonly number[]
  readonly recording?: string
  /** Requests of a second, the canary's share of them in basis points, and the part of those that fail. */
  readonly requests?: number
  readonly weightBp?: number
  readonly failing?: number
}

/** A delta as a data process sends it: early and final counts of the same seconds. */
export function delta({
  incarnation = 'a',
  sequence,
  through,
  seconds = [],
  recording = 'r',
  requests = 100,
  weightBp = 500,
  failing = 0,
}: Told): DeltaMessage {
  const { early, final } = together(
    seconds.map((second) => fairSecond(second, weightBp, requests, { canary: failing })),
  )
  const passed = early.map((window) => ({
    ...window,
    strata: window.strata.map((cell) => ({
      ...cell,
      arms: {
        stable: fast(cell.arms.stable),
        baseline: fast(cell.arms.baseline),
        canary: fast(cell.arms.canary),
      },
    })),
  }))
  return {
    kind: 'delta',
    model: 'churn',
    recording,
    incarnation,
    sequence,
    flush: packFlush({
      early: { through, windows: passed },
      final: { through, windows: final },
    }),
  }
}

/** What failed did so within 5 ms, and the rest was answered. */
function fast<T extends { requests: number; errors: number }>(counts: T): T {
  const at = (count: number) => Array.from({ length: 400 }, (_, bin) => (bin === 395 ? count : 0))
  return { ...counts, latency: at(counts.requests - counts.errors), cut: at(counts.errors) }
}

/** The seconds of windows, in order. */
export function secondsOf(windows: readonly Window[] | undefined): number[] {
  return (windows ?? []).map(({ second }) => second)
}

/** All requests of windows, all arms together. */
export function requestsOf(windows: readonly Window<'final'>[] | undefined): number {
  return (windows ?? [])
    .flatMap(({ strata }) => strata.flatMap(({ arms }): FinalCounts[] => Object.values(arms)))
    .reduce((sum, { requests }) => sum + requests, 0)
}
