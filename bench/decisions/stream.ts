import type {
  EarlyCounts,
  FinalCounts,
  LabelCounts,
  Released,
  Stratum,
} from '@coalmine/core/evidence/counts.ts'
import { LATENCY_BINS } from '@coalmine/core/evidence/latency-scale.ts'
import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'
import { type Arm, probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import type { AliasTable, Sampler } from './sample.ts'

/** What is true of a version at an instant. What is left out is not generated. */
export interface Truth {
  readonly errorRate: number
  /** Over the bins of the latency scale. */
  readonly latency?: AliasTable
  readonly scores?: AliasTable
  readonly knots?: AliasTable
  readonly classes?: AliasTable
  /** Of the labelled requests. */
  readonly wrongRate?: number
}

/** Two versions under open-loop traffic. */
export interface World {
  readonly ratePerSecond: number
  readonly stable: (second: number, weightBp: number) => Truth
  readonly canary: (second: number, weightBp: number) => Truth
  /** Bins of the scores and classes that are generated. */
  readonly scoreBins: number
  readonly classes: number
  readonly labelledShare: number
  /** Latencies of all of stable, for methods that compare with it; the baseline's are always there. */
  readonly latencyOfStable: boolean
  /** How many times the canary's recorded probability it really gets: 1 unless the router is broken. */
  readonly bias: number
}

/** The windows of one second, as all processes together would release them, by sampled counts. */
export function secondOf(
  sampler: Sampler,
  world: World,
  second: number,
  weightBp: number,
  baselineBp: number,
): Required<Released> {
  const stratum = probabilities(thresholds(weightBp, baselineBp))
  const canary = sampler.binomial(world.ratePerSecond, Math.min(1, stratum.canary * world.bias))
  const rest = world.ratePerSecond - canary
  const baseline = sampler.binomial(rest, stratum.baseline / (stratum.baseline + stratum.stable))
  const requests: Record<Arm, number> = { canary, baseline, stable: rest - baseline }
  const [early, final, labels] = [{}, {}, {}] as [
    Record<Arm, EarlyCounts>,
    Record<Arm, FinalCounts>,
    Record<Arm, LabelCounts>,
  ]
  for (const arm of ['stable', 'baseline', 'canary'] as const) {
    const truth = (arm === 'canary' ? world.canary : world.stable)(second, weightBp)
    const n = requests[arm]
    const errors = sampler.binomial(n, truth.errorRate)
    const good = n - errors
    const latency = arm !== 'stable' || world.latencyOfStable ? truth.latency : undefined
    early[arm] = {
      requests: n,
      errors,
      rejected: 0,
      latency: drawn(sampler, latency, good, LATENCY_BINS),
      cut: latency === undefined ? NOTHING : drawn(sampler, latency, errors, LATENCY_BINS),
      slow: 0,
      scores: drawn(sampler, truth.scores, good, world.scoreBins),
      knots: drawn(sampler, truth.knots, good, KNOTS),
      classes: drawn(sampler, truth.classes, good, world.classes),
    }
    final[arm] = { requests: n, errors, aborted: 0 }
    const labelled = sampler.binomial(good, world.labelledShare)
    labels[arm] = { labelled, wrong: sampler.binomial(labelled, truth.wrongRate ?? 0) }
  }
  const windows = <C>(arms: Record<Arm, C>) => [{ second, strata: [{ stratum, arms }] }]
  return { early: windows(early), final: windows(final), labels: windows(labels) }
}

/** All windows of several seconds. */
export function joined(seconds: readonly Required<Released>[]): Released {
  return {
    early: seconds.flatMap(({ early }) => early),
    final: seconds.flatMap(({ final }) => final),
    labels: seconds.flatMap(({ labels }) => labels),
  }
}

/** The probabilities of a weight, as tables have them. */
export function stratumOf(weightBp: number, baselineBp: number): Stratum {
  return probabilities(thresholds(weightBp, baselineBp))
}

const NOTHING: readonly number[] = []

function drawn(sampler: Sampler, table: AliasTable | undefined, n: number, bins: number): ArrayLike<number> {
  if (table === undefined || bins === 0) return NOTHING
  const counts = new Uint32Array(bins)
  for (let i = 0; i < n; i++) counts[sampler.pick(table)]!++
  return counts
}
