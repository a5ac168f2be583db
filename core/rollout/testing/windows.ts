import {
  type EarlyCounts,
  type FinalCounts,
  NO_EARLY_COUNTS,
  type Released,
  type Window,
} from '../../evidence/counts.ts'
import { type Arm, probabilities, thresholds } from '../../routing/draw.ts'

/** Requests of an arm in one second, and how many of them failed at once. */
export interface Seen {
  readonly requests: number
  readonly errors?: number
}

/** Without a baseline. */
export const stratumAt = (weightBp: number) => probabilities(thresholds(weightBp, 0))

/** What one second at this weight showed, known early and in the end. */
export function aSecond(second: number, weightBp: number, canary: Seen, stable: Seen): Required<TwoGroups> {
  const stratum = stratumAt(weightBp)
  const seen = (arm: Arm): Seen => ({ stable, canary, baseline: { requests: 0 } })[arm]
  const early = (arm: Arm): EarlyCounts => ({
    ...NO_EARLY_COUNTS,
    requests: seen(arm).requests,
    errors: seen(arm).errors ?? 0,
  })
  const final = (arm: Arm): FinalCounts => ({
    requests: seen(arm).requests,
    errors: seen(arm).errors ?? 0,
    aborted: 0,
  })
  const arms = <T>(of: (arm: Arm) => T) => ({
    stable: of('stable'),
    baseline: of('baseline'),
    canary: of('canary'),
  })
  return {
    early: [{ second, strata: [{ stratum, arms: arms(early) }] }],
    final: [{ second, strata: [{ stratum, arms: arms(final) }] }],
  }
}

/** Early and final windows; labels come in no test here. */
export type TwoGroups = Pick<Released, 'early' | 'final'>

/** A second of so many requests in exactly the shares of this weight, of which these parts fail. */
export function fairSecond(
  second: number,
  weightBp: number,
  requests: number,
  failing: { readonly canary?: number; readonly stable?: number } = {},
): Required<TwoGroups> {
  const toCanary = Math.round((requests * weightBp) / 10_000)
  const of = (count: number, part = 0): Seen => ({ requests: count, errors: Math.round(count * part) })
  return aSecond(second, weightBp, of(toCanary, failing.canary), of(requests - toCanary, failing.stable))
}

/** The windows of several seconds as one release. */
export function together(seconds: readonly TwoGroups[]): Required<TwoGroups> {
  return {
    early: seconds.flatMap(({ early = [] }): readonly Window<'early'>[] => early),
    final: seconds.flatMap(({ final = [] }): readonly Window<'final'>[] => final),
  }
}
