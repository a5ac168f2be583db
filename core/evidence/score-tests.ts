import {
  EDGE_EFFECTS,
  EDGE_NUISANCE,
  type Line,
  promotionBets,
  rollbackBets,
  WIDE_NUISANCE,
} from './bernoulli.ts'
import type { ScoreDistribution } from './comparison.ts'
import { type ComparisonTests, mixture, provable, type Test, writeHits } from './fed-bets.ts'
import type { LinearBets } from './linear-bets.ts'
import { KNOT_VALUES, meanDifferenceBets } from './mean-difference.ts'
import { pooledPi, type ScoreReading } from './reading.ts'
import type { References, ScoreReference } from './references.ts'

export function scoreTests(comparison: ScoreDistribution, { score }: References): ComparisonTests {
  if (score === undefined)
    return { rollback: [], promotion: [], untestable: 'the stable version gives no scores' }
  switch (comparison.distance) {
    case 'ks':
      return edgeTests(comparison, score)
    case 'mean':
      return meanTests(comparison, score)
    case 'class_shares':
      return classTests(comparison, score)
  }
}

/** Edges at which distribution functions are compared: nearest to the deciles, each once. */
export function declaredEdges(shares: readonly number[]): { readonly bin: number; readonly above: number }[] {
  const edges: { bin: number; above: number }[] = []
  let above = 1
  for (let bin = 1; bin < shares.length; bin++) {
    above -= shares[bin - 1]!
    if (above > 1e-9 && above < 1 - 1e-9) edges.push({ bin, above })
  }
  const nearest = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1].map((decile) =>
    edges.reduce<(typeof edges)[number] | undefined>(
      (best, edge) =>
        best === undefined || Math.abs(edge.above - decile) < Math.abs(best.above - decile) ? edge : best,
      undefined,
    ),
  )
  return [...new Set(nearest)].filter((edge) => edge !== undefined)
}

/** An event among scored requests: how many of an arm had it, and how often it was known to occur. */
interface ScoreEvent {
  readonly label: string
  readonly share: number
  readonly hits: (arm: ScoreReading) => number
}

function edgeTests({ tolerate, margin }: ScoreDistribution, score: ScoreReference): ComparisonTests {
  const events = declaredEdges(score.shares).flatMap(({ bin, above }): ScoreEvent[] => [
    {
      label: `scores of ${score.edges[bin - 1]} or more`,
      share: above,
      hits: ({ scoredFrom }) => from(scoredFrom, bin),
    },
    {
      label: `scores below ${score.edges[bin - 1]}`,
      share: 1 - above,
      hits: ({ scoredFrom }) => from(scoredFrom, 0) - from(scoredFrom, bin),
    },
  ])
  return shareTests(events, tolerate, margin, score)
}

function classTests({ tolerate, margin }: ScoreDistribution, score: ScoreReference): ComparisonTests {
  // Of two classes one says it all.
  const classes = score.classes.length === 2 ? [1] : score.classes.keys().toArray()
  const scored = ({ scoredFrom, counts }: ScoreReading) =>
    counts.classes.length > 0 ? sum(counts.classes) : from(scoredFrom, 0)
  const events = classes.flatMap((index): ScoreEvent[] => {
    const share = score.classes[index]!
    const hits = ({ counts }: ScoreReading) => counts.classes[index] ?? 0
    return [
      { label: `more of class ${index}`, share, hits },
      { label: `less of class ${index}`, share: 1 - share, hits: (arm) => scored(arm) - hits(arm) },
    ]
  })
  return shareTests(events, tolerate, margin, score, scored)
}

/** Requests of which nobody knows what their score would have been: not scored, and not refused either. */
function unscored({ counts }: ScoreReading, scored: number): number {
  return Math.max(0, counts.requests - scored - counts.rejected)
}

/**
 * Two-sided comparison of shares. What has no score speaks for the canary where it is accused and against it where it
 * is to be proven: an event of the control's for rollback, of the canary's for promotion, and none otherwise. So
 * neither an outage nor a stable version that fails changes the scores.
 */
function shareTests(
  events: readonly ScoreEvent[],
  tolerate: number,
  margin: number,
  reference: ScoreReference,
  scored: (arm: ScoreReading) => number = ({ scoredFrom }) => from(scoredFrom, 0),
): ComparisonTests {
  if (events.length === 0)
    return { rollback: [], promotion: [], untestable: 'the reference has one value of the score only' }
  const test = (
    { label, hits }: ScoreEvent,
    bets: LinearBets,
    unknownOf: 'canary' | 'control',
  ): Test<'early'> => ({
    label,
    group: 'early',
    bets,
    windowed: false,
    read: ({ stratum, canary, control }, out) => {
      const unknown = (arm: ScoreReading) => unscored(arm, scored(arm))
      writeHits(
        out,
        hits(canary) + (unknownOf === 'canary' ? unknown(canary) : 0),
        canary.counts.requests,
        hits(control) + (unknownOf === 'control' ? unknown(control) : 0),
        control.counts.requests,
      )
      return pooledPi(stratum)
    },
  })
  const line = (offset: number): Line => ({ slope: 1, offset })
  const known = 1 - reference.unscored
  return {
    rollback: [
      mixture(
        'early',
        1,
        events.map((event) => {
          const share = inside(event.share * known + reference.unscored)
          const bets = rollbackBets(share, line(tolerate), EDGE_NUISANCE, EDGE_EFFECTS)
          return test(event, bets, 'control')
        }),
      ),
    ],
    ...provable(
      events.map((event) =>
        test(event, promotionBets(inside(event.share * known), line(margin), WIDE_NUISANCE), 'canary'),
      ),
    ),
  }
}

/**
 * Two-sided comparison of means. A score that nobody knows is the one that speaks for the canary where it is accused,
 * and the one that speaks against it where it is to be proven. A refused request has none and counts as the centre.
 */
function meanTests({ tolerate, margin }: ScoreDistribution, { mean }: ScoreReference): ComparisonTests {
  const n = KNOT_VALUES.length
  const [lowest, highest] = [0, n - 1]
  const test = (label: string, sign: 1 | -1, bound: number, unknownOfCanary: number): Test<'early'> => ({
    label,
    group: 'early',
    bets: meanDifferenceBets([...KNOT_VALUES, mean], mean, bound, sign),
    windowed: false,
    read: ({ stratum, canary, control }, out) => {
      writeKnots(out, 0, canary, unknownOfCanary)
      writeKnots(out, n + 1, control, unknownOfCanary === lowest ? highest : lowest)
      return pooledPi(stratum)
    },
  })
  return {
    rollback: [
      mixture('early', 1, [
        test('higher mean score', 1, tolerate, lowest),
        test('lower mean score', -1, tolerate, highest),
      ]),
    ],
    promotion: [
      test('mean score not higher by the margin', -1, -margin, highest),
      test('mean score not lower by the margin', 1, -margin, lowest),
    ],
  }
}

/** One cell a knot, and one for refused requests. */
function writeKnots(out: Float64Array, at: number, arm: ScoreReading, unknownKnot: number): void {
  const n = KNOT_VALUES.length
  const { knots, rejected } = arm.counts
  let scored = 0
  for (let i = 0; i < n; i++) {
    const count = knots[i] ?? 0
    out[at + i] = count
    scored += count
  }
  out[at + unknownKnot]! += unscored(arm, scored)
  out[at + n] = rejected
}

function from(sums: readonly number[], bin: number): number {
  return sums[Math.min(bin, sums.length - 1)] ?? 0
}

/** Where bets can be placed. */
function inside(share: number): number {
  return Math.min(0.999, Math.max(0.001, share))
}

function sum(counts: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < counts.length; i++) total += counts[i]!
  return total
}
