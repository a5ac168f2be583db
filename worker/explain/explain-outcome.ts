import type { Outcome } from '../metrics.ts'
import type { Attribution, Explanation } from './attribution.ts'

export type Explained = { kind: 'explained'; explanation: Explanation; attributions: readonly Attribution[] }

/** Why there is no explanation. `unavailable`: the version cannot be explained; `not additive`: the parts did not sum. */
export type ExplainFault =
  | { kind: 'busy' }
  | { kind: 'expired' }
  | { kind: 'unavailable'; reason: string }
  | { kind: 'failed' }
  | { kind: 'not additive'; gap: number }

/** What is answered where there is no explanation. */
export function answerOf(fault: ExplainFault): { status: number; error: string; outcome: Outcome } {
  switch (fault.kind) {
    case 'busy':
      return { status: 503, error: 'too many requests to explain are waiting', outcome: 'overloaded' }
    case 'expired':
      return {
        status: 504,
        error: 'the time for this request ran out before its turn came',
        outcome: 'expired',
      }
    case 'unavailable':
      return { status: 501, error: fault.reason, outcome: 'rejected' }
    case 'failed':
      return { status: 500, error: 'the explanation failed', outcome: 'model_error' }
    case 'not additive':
      return {
        status: 500,
        error: `the explanation does not add up to what the model answers, by ${fault.gap.toPrecision(3)}; it is withheld`,
        outcome: 'model_error',
      }
  }
}
