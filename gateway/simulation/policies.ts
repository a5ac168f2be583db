import type { Guardrail, Policy, Step } from '@coalmine/core/rollout/policy.ts'

/*
 * Policies that come to an end within minutes: wide margins, few steps, short ones.
 */

const SECOND_MS = 1000

const ERRORS: Guardrail = {
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: 0.01 },
  margin: { kind: 'absolute', value: 0.06 },
  share: 1,
}
const SCORES: Guardrail = {
  name: 'scores',
  metric: 'score_distribution',
  distance: 'ks',
  tolerate: 0.05,
  margin: 0.25,
  share: 1,
}
const LATENCY: Guardrail = {
  name: 'latency',
  metric: 'latency',
  quantiles: [0.5],
  tolerate: { relative: 0.1, atLeastMs: 1 },
  margin: { relative: 0.6, atLeastMs: 5 },
  share: 1,
}

const step = (weightBp: number, proof: number, changes: Partial<Step> = {}): Step => ({
  weightBp,
  proof,
  minDurationMs: 6 * SECOND_MS,
  requiresApproval: false,
  ...changes,
})

const ERRORS_ALONE: Policy = {
  name: 'errors',
  hash: 'errors',
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [ERRORS],
  signals: [],
  steps: [step(1000, 0.3), step(2500, 0.2), step(5000, 0.1)],
  intervalMs: SECOND_MS,
  progressDeadlineMs: 30 * 60 * SECOND_MS,
  onInconclusive: 'hold',
  onNoTraffic: { action: 'hold', afterMs: 40 * SECOND_MS },
  onSampleRatioMismatch: 'hold',
  shield: true,
  keepPreviousMs: 600 * SECOND_MS,
}

export const POLICIES: readonly [Policy, ...Policy[]] = [
  ERRORS_ALONE,
  {
    ...ERRORS_ALONE,
    name: 'watched',
    hash: 'watched',
    guardrails: [
      { ...ERRORS, share: 0.5 },
      { ...SCORES, share: 0.5 },
    ],
    steps: [step(500, 1), step(3000, 0.2, { requiresApproval: true }), step(7000, 0.05)],
    intervalMs: 2 * SECOND_MS,
    onInconclusive: 'rollback',
    onNoTraffic: { action: 'rollback', afterMs: 60 * SECOND_MS },
    onSampleRatioMismatch: 'rollback',
    shield: false,
    watch: { holdBackBp: 500, durationMs: 40 * SECOND_MS, falseAlarmEveryMs: 30 * 86_400 * SECOND_MS },
  },
  {
    ...ERRORS_ALONE,
    name: 'paired',
    hash: 'paired',
    guardrails: [
      { ...ERRORS, share: 0.5 },
      { ...LATENCY, share: 0.5 },
    ],
    steps: [step(2000, 0.2), step(4000, 0.1)],
    watch: { holdBackBp: 1000, durationMs: 20 * SECOND_MS, falseAlarmEveryMs: 30 * 86_400 * SECOND_MS },
  },
]

/** The same questions by other rules of conduct. */
export function otherConduct(policy: Policy): Policy {
  return {
    ...policy,
    hash: `${policy.hash}+`,
    steps: policy.steps.map((one) => ({ ...one, minDurationMs: 2 * SECOND_MS })),
    shield: !policy.shield,
  }
}

/** Other questions. */
export function otherQuestions(policy: Policy): Policy {
  return {
    ...policy,
    hash: `${policy.hash}?`,
    risk: { ...policy.risk, falsePromotion: policy.risk.falsePromotion === 0.05 ? 0.04 : 0.05 },
  }
}
