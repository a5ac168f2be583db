import {
  EDGE_EFFECTS,
  EDGE_NUISANCE,
  IDENTITY,
  type Line,
  promotionBets,
  rollbackBets,
  shiftedPromotionBets,
  WIDE_NUISANCE,
} from './bernoulli.ts'
import type { Comparison, Latency, RateBound, ScoreDistribution } from './comparison.ts'
import type { Group, StratumCell } from './counts.ts'
import { normalScores, TAIL_QUANTILES } from './latency-reference.ts'
import { binBeyond, binWithin, LATENCY_BINS, unshiftedBins } from './latency-scale.ts'
import type { LinearBets } from './linear-bets.ts'
import { KNOT_VALUES, meanDifferenceBets } from './mean-difference.ts'
import {
  controlOf,
  countFrom,
  pooledPi,
  type Reading,
  type ScoreReading,
  type TimeReading,
  writeBins,
} from './reading.ts'
import type { References, ScoreReference } from './references.ts'
import { stochasticOrderBets } from './stochastic-order.ts'

/** What a test is fed with: a reading of early counts, or a cell of another group. */
export interface Feed {
  readonly early: Reading
  readonly final: StratumCell<'final'>
  readonly labels: StratumCell<'labels'>
}

/**
 * Bets and how they are fed. `read` writes a stratum's counts, cell by cell, and returns the canary's probability in
 * what is compared; 0 means that the stratum says nothing here.
 */
export interface Test<G extends Group> {
  /** What it looks at, for people: `p95`, `scores of 0.31 or more`. */
  readonly label: string
  readonly group: G
  readonly bets: LinearBets
  /** One factor a window in place of one a request. */
  readonly windowed: boolean
  readonly read: (feed: Feed[G], out: Float64Array) => number
}

export type AnyTest = { [G in Group]: Test<G> }[Group]

/** Tests whose mixture is one e-process against "not worse than tolerated". */
export interface RollbackMixture {
  readonly group: Group
  /** Its part of the comparison's share. */
  readonly part: number
  readonly tests: readonly { readonly test: AnyTest; readonly weight: number }[]
}

export interface ComparisonTests {
  readonly rollback: readonly RollbackMixture[]
  /** All must be proven against "at the margin or worse". */
  readonly promotion: readonly AnyTest[]
  /** Why promotion cannot be proven at all; then it is never a pass. */
  readonly untestable?: string
}

/**
 * Errors are seen early (failed within the horizon) and in the end (no good answer by the deadline). Each look is an
 * e-process of its own filtration, so they share the guardrail's risk instead of spending it twice.
 */
const EARLY_PART = 0.75

/** Every test of a comparison. Pure; rebuilt when a reference changes. */
export function comparisonTests(
  comparison: Comparison,
  references: References,
  /** Compare latency with the rest of stable where there is no baseline: not load-fair, so for signals alone. */
  { latencyWithoutBaseline }: { readonly latencyWithoutBaseline: boolean },
): ComparisonTests {
  switch (comparison.metric) {
    case 'error_rate':
      return errorTests(comparison, references)
    case 'rejected_rate':
      return rejectedTests(comparison, references)
    case 'accuracy':
      return accuracyTests(comparison, references)
    case 'latency':
      return latencyTests(comparison, references, latencyWithoutBaseline)
    case 'score_distribution':
      return scoreTests(comparison, references)
  }
}

/** The boundary that a bound draws: how high the canary's rate may be at each of stable's. */
export function lineOf({ kind, value }: RateBound): Line {
  return kind === 'relative' ? { slope: 1 + value, offset: 0 } : { slope: 1, offset: value }
}

type RateComparison = Extract<Comparison, { tolerate: RateBound }>

function errorTests({ tolerate, margin }: RateComparison, references: References): ComparisonTests {
  const bets = rollbackBets(references.errorRate, lineOf(tolerate))
  const early: Test<'early'> = {
    label: 'errors within the horizon',
    group: 'early',
    bets,
    windowed: false,
    read: ({ stratum, canary, control }, out) => {
      writeHits(
        out,
        canary.counts.errors,
        canary.counts.requests,
        control.counts.errors,
        control.counts.requests,
      )
      return pooledPi(stratum)
    },
  }
  const final: Test<'final'> = {
    label: 'requests without a good answer at the deadline',
    group: 'final',
    bets,
    windowed: false,
    read: (cell, out) => {
      const { canary } = cell.arms
      const control = controlOf('final', cell)
      writeHits(out, canary.errors, canary.requests, control.errors, control.requests)
      return pooledPi(cell.stratum)
    },
  }
  // What a caller gave up might have failed: unknown counts as bad where a promotion rests on it.
  const promotion: Test<'final'> = {
    label: 'requests without a good answer',
    group: 'final',
    bets: promotionBets(references.unfinishedRate, lineOf(margin)),
    windowed: true,
    read: (cell, out) => {
      const { canary } = cell.arms
      const control = controlOf('final', cell)
      writeHits(
        out,
        canary.errors + canary.aborted,
        canary.requests,
        control.errors + control.aborted,
        control.requests,
      )
      return pooledPi(cell.stratum)
    },
  }
  return {
    rollback: [mixture('early', EARLY_PART, [early]), mixture('final', 1 - EARLY_PART, [final])],
    ...provable([promotion]),
  }
}

function rejectedTests({ tolerate, margin }: RateComparison, references: References): ComparisonTests {
  const test = (bets: LinearBets, windowed: boolean, unknown: boolean): Test<'early'> => ({
    label: 'rejected requests',
    group: 'early',
    bets,
    windowed,
    read: ({ stratum, canary, control }, out) => {
      // Open at the horizon or given up by their callers: nobody knows what would have come, and that proves nothing.
      const open = unknown ? canary.notAnswered - canary.counts.errors : 0
      writeHits(
        out,
        canary.counts.rejected + open,
        canary.counts.requests,
        control.counts.rejected,
        control.counts.requests,
      )
      return pooledPi(stratum)
    },
  })
  const { rejectedRate } = references
  return {
    rollback: [mixture('early', 1, [test(rollbackBets(rejectedRate, lineOf(tolerate)), false, false)])],
    ...provable([test(promotionBets(rejectedRate, lineOf(margin)), true, true)]),
  }
}

function accuracyTests({ tolerate, margin }: RateComparison, { wrongRate }: References): ComparisonTests {
  const test = (bets: LinearBets): Test<'labels'> => ({
    label: 'wrong answers among the labelled',
    group: 'labels',
    bets,
    windowed: false,
    read: (cell, out) => {
      const { canary } = cell.arms
      const control = controlOf('labels', cell)
      writeHits(out, canary.wrong, canary.labelled, control.wrong, control.labelled)
      return pooledPi(cell.stratum)
    },
  })
  return {
    rollback: [mixture('labels', 1, [test(rollbackBets(wrongRate, lineOf(tolerate)))])],
    ...provable([test(promotionBets(wrongRate, lineOf(margin)))]),
  }
}

/** Of quantiles the rates are known by construction, so that their bets are the same for all rollouts. */
const STEP_BETS = TAIL_QUANTILES.map((p) => rollbackBets(1 - p, IDENTITY, EDGE_NUISANCE))
const GATE_BETS = TAIL_QUANTILES.map((p) => shiftedPromotionBets(1 - p))

/**
 * Half on the whole distribution, half on steps at the tail quantiles: steps find pure tail regressions, the whole
 * distribution finds shifts sooner. In windows, because endpoints stall. A request that failed or was given up is as
 * slow as can be for promotion. For rollback, where errors are another guardrail's, a canary's has its elapsed time and
 * a control's is as slow as can be: a canary must not look slow beside a version that fails fast.
 */
function latencyTests(
  { quantiles, tolerate, margin }: Latency,
  { latency: reference }: References,
  withoutBaseline: boolean,
): ComparisonTests {
  // Unequal shares are unequal loads, and a lightly loaded version is not what it will be under load.
  const pairOf = ({ stratum, baseline, rest }: Reading): readonly [number, TimeReading] => {
    if (stratum.baseline === stratum.canary) return [stratum.canary > 0 ? 0.5 : 0, baseline]
    return withoutBaseline && stratum.baseline === 0 ? [pooledPi(stratum), rest] : [0, baseline]
  }
  const silent = reference === undefined
  const levels = silent ? new Float64Array(LATENCY_BINS) : normalScores(reference)
  const whole: Test<'early'> = {
    label: 'the whole distribution',
    group: 'early',
    bets: stochasticOrderBets(levels, unshiftedBins(tolerate)),
    windowed: true,
    read: (reading, out) => {
      const [pi, control] = pairOf(reading)
      if (silent || pi === 0) return 0
      writeBins(reading.canary.elapsed, out, 0)
      writeBins(control.timed, out, LATENCY_BINS)
      out[2 * LATENCY_BINS - 1]! += cutShort(control)
      return pi
    },
  }
  /** A canary's bins from `canary` on beside a control's from `control` on; silent while the quantile is unknown. */
  const atQuantile = (
    p: number,
    bets: LinearBets,
    { canary, control }: { readonly canary: number; readonly control: number },
    beyond: { readonly [arm in 'canary' | 'control']: (reading: TimeReading, bin: number) => number },
  ): Test<'early'> => ({
    label: quantileName(p),
    group: 'early',
    bets,
    windowed: true,
    read: (reading, out) => {
      const [pi, pair] = pairOf(reading)
      if (control < 0 || pi === 0) return 0
      writeHits(
        out,
        beyond.canary(reading.canary, canary),
        reading.canary.counts.requests,
        beyond.control(pair, control),
        pair.counts.requests,
      )
      return pi
    },
  })
  const steps = TAIL_QUANTILES.map((p, i) => {
    const control = reference?.quantiles[i] ?? -1
    const canary = control < 0 ? 0 : binBeyond(tolerate, control)
    return atQuantile(
      p,
      STEP_BETS[i]!,
      { canary, control },
      {
        canary: ({ elapsed }, bin) => countFrom(elapsed, bin),
        control: (arm, bin) => countFrom(arm.timed, bin) + cutShort(arm),
      },
    )
  })
  const gates = quantiles.map((p) => {
    const i = TAIL_QUANTILES.indexOf(p)
    const control = reference?.quantiles[i] ?? -1
    const canary = control < 0 ? 0 : binWithin(margin, control)
    return atQuantile(p, GATE_BETS[i]!, { canary, control }, { canary: unproven, control: unproven })
  })
  return {
    rollback: [
      {
        group: 'early',
        part: 1,
        tests: [{ test: whole, weight: 0.5 }, ...steps.map((test) => ({ test, weight: 0.5 / steps.length }))],
      },
    ],
    promotion: gates,
  }
}

/** Failed and given up: of a control as late as can be. */
function cutShort({ notAnswered, counts }: TimeReading): number {
  return notAnswered - counts.slow
}

/** How many were answered at this bin or above, or not at all. */
function unproven({ answered, notAnswered }: TimeReading, bin: number): number {
  return countFrom(answered, bin) + notAnswered
}

function scoreTests(comparison: ScoreDistribution, { score }: References): ComparisonTests {
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

function writeHits(
  out: Float64Array,
  canary: number,
  ofCanary: number,
  control: number,
  ofControl: number,
): void {
  out[0] = canary
  out[1] = ofCanary - canary
  out[2] = control
  out[3] = ofControl - control
}

/** One e-process of tests that weigh the same. */
function mixture(group: Group, part: number, tests: readonly AnyTest[]): RollbackMixture {
  return { group, part, tests: tests.map((test) => ({ test, weight: 1 / tests.length })) }
}

/** Without bets nothing can be proven, and that is said. */
function provable(promotion: readonly AnyTest[]): Pick<ComparisonTests, 'promotion' | 'untestable'> {
  const without = promotion.find(({ bets }) => bets.logWeights.length === 0)
  return without === undefined
    ? { promotion }
    : { promotion, untestable: `the margin leaves no room: ${without.label} can hardly get worse` }
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

/** `p95`, `p99.9` */
export function quantileName(p: number): string {
  return `p${Number((p * 100).toFixed(3))}`
}
