import type { Comparison, RateBound, ScoreDistribution } from './comparison.ts'
import type { Pair, PairSide } from './pair.ts'
import { mustReach } from './paired-difference.ts'
import type { References, ScoreReference } from './references.ts'
import { declaredEdges } from './score-tests.ts'

/** The mean of a difference between two answers to the same request, against a bound: E d <= bound. */
export interface PairedTest {
  /** What it looks at, for people. */
  readonly label: string
  readonly bound: number
  /** No difference is below -reach. */
  readonly reach: number
  readonly difference: (pair: Pair) => number
}

export interface PairedTests {
  /** Their mean is one e-process against "not worse than tolerated". */
  readonly rollback: readonly PairedTest[]
  /** All must be proven against "at the margin or worse". */
  readonly promotion: readonly PairedTest[]
}

/**
 * What pairs say of a comparison; empty where they say nothing. Latency in a mirror is not the latency of serving: the
 * copy is more load, and whoever is asked second finds warm caches. Truths come too late.
 */
export function pairedTests(comparison: Comparison, { score }: References): PairedTests {
  switch (comparison.metric) {
    case 'error_rate':
      return rateTests('errors', comparison, ({ outcome }) => outcome === 'failed')
    case 'rejected_rate':
      return rateTests('rejected requests', comparison, ({ outcome }) => outcome === 'rejected')
    case 'score_distribution':
      return score === undefined ? NO_TESTS : scoreTests(comparison, score)
    default:
      return NO_TESTS
  }
}

const NO_TESTS: PairedTests = { rollback: [], promotion: [] }

function rateTests(
  label: string,
  { tolerate, margin }: { readonly tolerate: RateBound; readonly margin: RateBound },
  isHit: (side: PairSide) => boolean,
): PairedTests {
  const test = (bound: RateBound, sign: 1 | -1): PairedTest => {
    // A relative bound asks for p_C <= (1 + r) p_S: the mean of hit_C - (1 + r) hit_S is not above 0.
    const slope = bound.kind === 'relative' ? 1 + bound.value : 1
    return checked({
      label,
      bound: bound.kind === 'relative' ? 0 : sign * bound.value,
      reach: sign === 1 ? slope : 1,
      difference: ({ stable, canary }) => sign * ((isHit(canary) ? 1 : 0) - slope * (isHit(stable) ? 1 : 0)),
    })
  }
  return { rollback: [test(tolerate, 1)], promotion: [test(margin, -1)] }
}

/** Part of the score's range beyond which a difference counts no more: a smaller reach finds small ones sooner. */
const MEAN_REACH = 0.25

function scoreTests({ distance, tolerate, margin }: ScoreDistribution, score: ScoreReference): PairedTests {
  switch (distance) {
    case 'mean': {
      const position = ({ position }: PairSide) => position
      // The reach must hold what is proven, or a bet is turned around.
      const reach = Math.min(1, Math.max(MEAN_REACH, 2 * margin))
      return twoSided([{ label: 'mean score', reach, of: position }], tolerate, margin)
    }
    case 'ks':
      return twoSided(
        declaredEdges(score.shares).map(({ bin }) => {
          const edge = score.edges[bin - 1]!
          return { label: `scores of ${edge} or more`, reach: 1, of: atLeast(edge) }
        }),
        tolerate,
        margin,
      )
    case 'class_shares': {
      const classes = score.classes.length === 2 ? [1] : [...score.classes.keys()]
      return twoSided(
        classes.map((index) => ({ label: `class ${index}`, reach: 1, of: isClass(index) })),
        tolerate,
        margin,
      )
    }
  }
}

const atLeast =
  (edge: number) =>
  ({ score }: PairSide) =>
    score === undefined ? undefined : score >= edge ? 1 : 0

const isClass = (index: number) => (side: PairSide) =>
  side.class === undefined ? undefined : side.class === index ? 1 : 0

/** A figure of one answer; undefined where it has none. */
interface Figure {
  readonly label: string
  /** How far two can lie apart, as far as it counts. */
  readonly reach: number
  readonly of: (side: PairSide) => number | undefined
}

function twoSided(figures: readonly Figure[], tolerate: number, margin: number): PairedTests {
  const test = ({ label, reach, of }: Figure, sign: 1 | -1, bound: number, unknown: number): PairedTest =>
    checked({
      label: `${sign === 1 ? 'more' : 'less'}: ${label}`,
      bound,
      reach,
      difference: ({ stable, canary }) => {
        const [a, b] = [of(stable), of(canary)]
        if (a !== undefined && b !== undefined) return Math.max(-reach, Math.min(reach, sign * (b - a)))
        return a === undefined || canary.outcome === 'rejected' ? 0 : unknown
      },
    })
  return {
    // What the canary did not score accuses it of nothing here: it is an error already.
    rollback: figures.flatMap((figure) => [test(figure, 1, tolerate, 0), test(figure, -1, tolerate, 0)]),
    // Where it is to be proven it might have been the worst.
    promotion: figures.flatMap((figure) => [
      { ...test(figure, -1, -margin, -figure.reach), label: `not more: ${figure.label}` },
      { ...test(figure, 1, -margin, -figure.reach), label: `not less: ${figure.label}` },
    ]),
  }
}

function checked(test: PairedTest): PairedTest {
  mustReach(test.bound, test.reach)
  return test
}
