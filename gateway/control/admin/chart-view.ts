import { latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import type { MeasuredCounts } from '@coalmine/core/rollout/difference.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { Charts } from '../charts.ts'
import { iso, percent, percentOf } from './units.ts'

const ARMS: readonly Arm[] = ['stable', 'baseline', 'canary']
/** The evidence's bins grow by 1 %; an eye tells bins of 10 % apart. */
const MERGED_BINS = 10
const QUANTILES = [0.5, 0.95, 0.99]

/** What the pictures of a rollout are drawn from. */
export function chartView(rollout: Rollout, charts: Charts, counts: MeasuredCounts | undefined) {
  const kept = charts.of(rollout.model, rollout.serial)
  const early = counts?.early ?? []
  return {
    serial: rollout.serial,
    weights: (kept?.weights.points ?? []).map(({ atMs, configured, observed }) => ({
      at: iso(atMs),
      configured: percent(configured),
      observed: percentOf(observed),
    })),
    comparisons: [...(kept?.comparisons ?? [])].map(([name, series]) => ({
      name,
      points: series.points.map(({ atMs, observed, rollback, promotion }) => ({
        at: iso(atMs),
        observed: observed ?? null,
        rollback,
        promotion: promotion ?? null,
      })),
    })),
    latency: latencyView(early),
    scores: scoresView(rollout, early),
  }
}

type Early = MeasuredCounts['early']

function latencyView(early: Early) {
  const all = ARMS.map((arm) => ({ arm, bins: summed(early, arm, 'latency') }))
  const arms = all.filter(({ bins }) => total(bins) > 0)
  if (arms.length === 0) return null
  const used = arms.flatMap(({ bins }) => [bins.findIndex((n) => n > 0), bins.findLastIndex((n) => n > 0)])
  const from = Math.floor(Math.min(...used) / MERGED_BINS)
  const to = Math.floor(Math.max(...used) / MERGED_BINS)
  const edges = Array.from({ length: to - from + 1 }, (_, i) => latencyEdgeMs((from + i) * MERGED_BINS))
  return {
    edgesMs: edges,
    arms: arms.map(({ arm, bins }) => ({
      arm,
      counts: edges.map((_, i) => total(bins.slice((from + i) * MERGED_BINS, (from + i + 1) * MERGED_BINS))),
      quantiles: QUANTILES.map((share) => ({ share, ms: quantile(bins, share) })),
    })),
  }
}

/** The lower edge of the bin in which the quantile lies, in ms. */
function quantile(bins: readonly number[], share: number): number {
  const wanted = share * total(bins)
  let seen = 0
  const bin = bins.findIndex((n) => {
    seen += n
    return seen >= wanted
  })
  return latencyEdgeMs(Math.max(0, bin))
}

/** Canary beside all of stable, in the bins of the evidence. */
function scoresView({ evidence: { references } }: Rollout, early: Early) {
  const edges = references.score?.edges
  if (edges === undefined) return null
  const canary = summed(early, 'canary', 'scores')
  const [stable, baseline] = [summed(early, 'stable', 'scores'), summed(early, 'baseline', 'scores')]
  const control = Array.from({ length: edges.length + 1 }, (_, i) => (stable[i] ?? 0) + (baseline[i] ?? 0))
  if (total(canary) === 0 || total(control) === 0) return null
  return {
    edges: [...edges],
    canary: control.map((_, i) => canary[i] ?? 0),
    stable: control,
    gap: largestGap(canary, control, edges),
  }
}

/** Where the distribution functions are farthest apart; `by` is canary minus stable, a share of the requests. */
function largestGap(canary: readonly number[], control: readonly number[], edges: ArrayLike<number>) {
  const [canaries, controls] = [total(canary), total(control)]
  let [below, belowControl] = [0, 0]
  let gap = { at: edges[0] ?? 0, by: 0 }
  for (let i = 0; i < edges.length; i++) {
    below += canary[i] ?? 0
    belowControl += control[i] ?? 0
    const by = below / canaries - belowControl / controls
    if (Math.abs(by) > Math.abs(gap.by)) gap = { at: edges[i]!, by }
  }
  return gap
}

function summed(early: Early, arm: Arm, what: 'latency' | 'scores'): number[] {
  const sums: number[] = []
  for (const { arms } of early) {
    const bins = arms[arm][what]
    for (let i = 0; i < bins.length; i++) sums[i] = (sums[i] ?? 0) + bins[i]!
  }
  return sums
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, n) => sum + n, 0)
}
