import type { Fault } from '../../test/faults/fault.ts'

/** A world before and after something happens to the canary's worker. */
export interface Scenario {
  readonly name: string
  /** The comparison that is looked at; the policy has nothing else to roll back for but errors. */
  readonly guardrails: string
  /** On every arm, all the time. */
  readonly before: Fault
  /** On the canary from some instant on. */
  readonly after: Fault
  /** Seconds in which a canary has to be known before it is harmed: latency is learned first. */
  readonly settleSeconds: number
  readonly limitSeconds: number
}

const NOTHING: Fault = { kind: 'none' }
const errors = (rate: number): Fault => ({ kind: 'errors', rate })
const slow = (addMs: number): Fault => ({ kind: 'slow', rate: 1, factor: 1, addMs })

const ERRORS = '{ metric: error_rate, tolerate: 0.1pp, margin: 0.5pp, share: 0.4 }'
const REST = `
  - { metric: latency, quantiles: [p50, p95], tolerate: { relative: 5%, atLeast: 1ms }, margin: { relative: 10%, atLeast: 2ms }, share: 0.4 }
  - { metric: score_distribution, distance: ks, tolerate: 0.2, margin: 0.3, share: 0.2 }`

/** Each with the shares of a whole policy: what is proven about one comparison must not cost the others theirs. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'errors 0.1 to 1 %, 0.1 points tolerated',
    guardrails: `  - ${ERRORS}${REST}`,
    before: errors(0.001),
    after: errors(0.01),
    settleSeconds: 3,
    limitSeconds: 50,
  },
  {
    name: 'errors 0.1 to 1 %, nothing tolerated',
    guardrails: `  - ${ERRORS.replace('0.1pp', '0pp')}${REST}`,
    before: errors(0.001),
    after: errors(0.01),
    settleSeconds: 3,
    limitSeconds: 32,
  },
  {
    name: 'errors 0.1 to 10 %',
    guardrails: `  - ${ERRORS}${REST}`,
    before: errors(0.001),
    after: errors(0.1),
    settleSeconds: 3,
    limitSeconds: 5,
  },
  {
    name: 'errors 0.1 to 50 %',
    guardrails: `  - ${ERRORS}${REST}`,
    before: errors(0.001),
    after: errors(0.5),
    settleSeconds: 3,
    limitSeconds: 5,
  },
  {
    name: 'mean score + 0.05, a distance (ks) of 0.02 tolerated',
    guardrails: `  - ${ERRORS}
  - { metric: score_distribution, distance: ks, tolerate: 0.02, margin: 0.1, share: 0.6 }`,
    before: NOTHING,
    after: { kind: 'shift', rate: 1, by: 0.05 },
    settleSeconds: 3,
    limitSeconds: 20,
  },
  {
    name: 'mean score + 0.05, 0.02 in the mean tolerated',
    guardrails: `  - ${ERRORS}
  - { metric: score_distribution, distance: mean, tolerate: 0.02, margin: 0.04, share: 0.6 }`,
    before: NOTHING,
    after: { kind: 'shift', rate: 1, by: 0.05 },
    settleSeconds: 3,
    limitSeconds: 20,
  },
  {
    name: 'latency x 1.5 (10 to 15 ms)',
    guardrails: `  - ${ERRORS}${REST}`,
    before: slow(10),
    after: slow(15),
    settleSeconds: 75,
    limitSeconds: 30,
  },
]

export function policyOf({ guardrails }: Scenario): string {
  return `
steps: [{ setWeight: 5, minDuration: 10m }]
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
${guardrails}
`
}
