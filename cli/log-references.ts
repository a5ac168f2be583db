import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'
import { type References, referencesBefore } from '@coalmine/core/evidence/references.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { RecordedRequest, ReplaySettings } from '@coalmine/core/rollout/replayed-traffic.ts'

const HORIZONS_MS = [1000, 2000, 5000, 10_000]
/** As late as any gateway counts. */
const DEADLINE_MS = 5_000
const SCORE_BINS = 16

type Foundations = Pick<ReplaySettings, 'references' | 'shape' | 'scoreEdges' | 'scoreRange'>

/** What bets are placed by, out of stable's requests before the ones that are judged: never out of those themselves. */
export function foundationsOf(policy: Policy, before: readonly RecordedRequest[]): Foundations {
  const stable = before.filter(({ arm }) => arm !== 'canary')
  const of = (outcome: RecordedRequest['outcome']) => stable.filter((one) => one.outcome === outcome).length
  const [failed, aborted, rejected] = [of('failed'), of('aborted'), of('rejected')]
  const rate = (hits: number) => Math.min(0.5, (hits + 0.5) / (stable.length + 1))
  const slowest = quantile(
    stable.map(({ elapsedMs }) => elapsedMs).toSorted((a, b) => a - b),
    0.999,
  )
  const horizonMs = HORIZONS_MS.find((horizon) => horizon >= slowest) ?? HORIZONS_MS.at(-1)!
  const truths = stable.flatMap(({ truth }) => truth ?? [])
  const scores = scoresOf(stable)
  const references: References = {
    ...referencesBefore({ horizonMs, ...(scores && { score: scores.reference }) }),
    errorRate: rate(failed),
    unfinishedRate: rate(failed + aborted),
    rejectedRate: rate(rejected),
    ...(truths.length > 0 && {
      wrongRate: (truths.filter(({ wrong }) => wrong).length + 0.5) / (truths.length + 1),
    }),
  }
  const distances = new Set(
    [...policy.guardrails, ...policy.signals].map((one) => ('distance' in one ? one.distance : one.metric)),
  )
  return {
    references,
    shape: {
      ...{ horizonMs, deadlineMs: DEADLINE_MS },
      scores: scores === undefined ? 0 : scores.edges.length + 1,
      knots: scores !== undefined && distances.has('mean') ? KNOTS : 0,
      classes: distances.has('class_shares') ? (scores?.reference.classes.length ?? 0) : 0,
    },
    scoreEdges: scores?.edges ?? [],
    ...(scores && { scoreRange: scores.range }),
  }
}

function scoresOf(stable: readonly RecordedRequest[]) {
  const scores = stable.flatMap(({ score }) => (score === undefined ? [] : [score])).toSorted((a, b) => a - b)
  if (scores.length === 0) return undefined
  const cuts = Array.from({ length: SCORE_BINS - 1 }, (_, i) => quantile(scores, (i + 1) / SCORE_BINS))
  const edges = [...new Set(cuts)].filter((edge) => edge > scores[0]!)
  const shares = new Array<number>(edges.length + 1).fill(0)
  for (const score of scores) shares[edges.findLastIndex((edge) => score >= edge) + 1]! += 1 / scores.length
  const isShare = scores[0]! >= 0 && scores.at(-1)! <= 1
  const range: [number, number] = isShare ? [0, 1] : [scores[0]!, Math.max(scores.at(-1)!, scores[0]! + 1e-9)]
  const mean =
    scores.reduce((sum, score) => sum + (score - range[0]) / (range[1] - range[0]), 0) / scores.length
  const classes: number[] = []
  const classed = stable.flatMap((one) => (one.class === undefined ? [] : [one.class]))
  for (const one of classed) classes[one] = (classes[one] ?? 0) + 1 / classed.length
  return {
    edges,
    range,
    reference: { edges, shares, mean, classes: Array.from(classes, (share) => share ?? 0) },
  }
}

function quantile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? 0
}
