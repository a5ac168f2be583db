import type { Comparison } from './comparison.ts'
import type { ComparisonTests } from './fed-bets.ts'
import { latencyTests } from './latency-tests.ts'
import { accuracyTests, errorTests, rejectedTests } from './rate-tests.ts'
import type { References } from './references.ts'
import { scoreTests } from './score-tests.ts'

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
