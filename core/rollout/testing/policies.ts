import type { Guardrail, Policy, Step } from '../policy.ts'

/** Policies for tests: small, sensible, and changed field by field where a test says so. */

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

export const ERRORS = {
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: 0.001 },
  margin: { kind: 'absolute', value: 0.02 },
  share: 1,
} satisfies Guardrail

export const LATENCY = {
  name: 'latency',
  metric: 'latency',
  quantiles: [0.5, 0.95],
  tolerate: { relative: 0.05, atLeastMs: 1 },
  margin: { relative: 0.1, atLeastMs: 2 },
  share: 1,
} satisfies Guardrail

export const SCORES = {
  name: 'scores',
  metric: 'score_distribution',
  distance: 'ks',
  tolerate: 0.1,
  margin: 0.2,
  share: 1,
} satisfies Guardrail

export const step = (weightBp: number, proof: number, changes: Partial<Step> = {}): Step => ({
  weightBp,
  proof,
  minDurationMs: MINUTE,
  requiresApproval: false,
  ...changes,
})

/** One guardrail on errors; 5, 25 and 50 % for a minute at least each. */
export const POLICY: Policy = {
  name: 'churn',
  hash: 'sha256:churn',
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [ERRORS],
  signals: [],
  steps: [step(500, 0.3), step(2500, 0.15), step(5000, 0.05)],
  intervalMs: 1000,
  progressDeadlineMs: 48 * HOUR,
  onInconclusive: 'hold',
  onNoTraffic: { action: 'hold', afterMs: 15 * MINUTE },
  onSampleRatioMismatch: 'hold',
  shield: true,
  keepPreviousMs: 24 * HOUR,
}

/** Errors, latency and scores, with a signal that can be as bad as it likes. */
export const WIDE_POLICY: Policy = {
  ...POLICY,
  guardrails: [
    { ...ERRORS, share: 0.4 },
    { ...LATENCY, share: 0.4 },
    { ...SCORES, share: 0.2 },
  ],
  signals: [
    {
      name: 'rejected',
      metric: 'rejected_rate',
      tolerate: { kind: 'absolute', value: 0.001 },
      margin: { kind: 'absolute', value: 0.01 },
    },
  ],
}

/** A promoted version is watched for an hour, beside a hundredth on the one before. */
export const WATCHED_POLICY: Policy = {
  ...POLICY,
  watch: { holdBackBp: 100, durationMs: HOUR, falseAlarmEveryMs: 30 * 24 * HOUR },
}
