import { describe, expect, test } from 'vitest'
import { NO_EARLY_COUNTS, type Window } from '../evidence/counts.ts'
import { beginStep, observe, startEvidence } from '../evidence/evidence.ts'
import { LATENCY_BINS, latencyBin } from '../evidence/latency-scale.ts'
import { probabilities, thresholds } from '../routing/draw.ts'
import { expectedReferences, expectedStable, type Scores, type Traffic } from './expected-arms.ts'
import { type Plan, planRollout } from './plan.ts'
import type { Guardrail, Latency, Policy, ScoreDistribution, Step } from './policy.ts'

const step = (weightBp: number, minutes: number, proof: number): Step => ({
  weightBp,
  minDurationMs: minutes * 60_000,
  proof,
  requiresApproval: false,
})

const errors: Guardrail = {
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: 0.001 },
  margin: { kind: 'absolute', value: 0.005 },
  share: 0.4,
}
const latency: Guardrail & Latency = {
  name: 'latency',
  metric: 'latency',
  quantiles: [0.5, 0.95],
  tolerate: { relative: 0.05, atLeastMs: 1 },
  margin: { relative: 0.1, atLeastMs: 2 },
  share: 0.4,
}
const scores: Guardrail & ScoreDistribution = {
  name: 'scores',
  metric: 'score_distribution',
  distance: 'ks',
  tolerate: 0.1,
  margin: 0.2,
  share: 0.2,
}
const accuracy: Guardrail = {
  name: 'accuracy',
  metric: 'accuracy',
  tolerate: { kind: 'absolute', value: 0.01 },
  margin: { kind: 'absolute', value: 0.03 },
  share: 1,
}

const ofChurn = { ...accuracy, class: 'churn' } as Guardrail

const policy: Policy = {
  name: 'careful',
  hash: '',
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [errors, latency, scores],
  signals: [],
  steps: [step(500, 2, 0.3), step(2500, 5, 0.15), step(5000, 5, 0.05)],
  intervalMs: 1000,
  progressDeadlineMs: 48 * 3_600_000,
  onInconclusive: 'hold',
  onNoTraffic: { action: 'hold', afterMs: 900_000 },
  onSampleRatioMismatch: 'hold',
  shield: true,
  keepPreviousMs: 0,
}

/** Evenly over [0, 1], by `bins` bins. */
const even = (bins: number): Scores => ({
  edges: Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins),
  shares: new Array(bins).fill(1 / bins),
  mean: 0.5,
  classes: [0.5, 0.5],
})
/** Evenly over [0, 1] but for a share that is moved from the lower to the upper half. */
const moved = (by: number): Scores => ({
  edges: [0.5],
  shares: [0.5 - by, 0.5 + by],
  mean: 0.5 + by / 2,
  classes: [0.5 - by, 0.5 + by],
})

/** From 10 to 40 ms, falling. */
function someLatency(): Float64Array {
  const counts = new Float64Array(LATENCY_BINS)
  for (let bin = latencyBin(10), left = 1; bin < latencyBin(40); bin++, left *= 0.97) counts[bin] = left
  return counts
}

const traffic: Traffic = {
  requestsPerSecond: 100,
  errorRate: 0.001,
  unfinishedRate: 0.0015,
  rejectedRate: 0.002,
  latency: someLatency(),
  score: { stable: even(20), canary: even(20), range: [0, 1] },
  agesMs: { early: 1000, final: 5000, labels: 600_000 },
}

const alone = (guardrail: Guardrail): Pick<Policy, 'guardrails'> => ({
  guardrails: [{ ...guardrail, share: 1 }],
})
const needsOf = (plan: Plan, name: string) => plan.comparisons.find((found) => found.name === name)!.steps

describe('the schedule', () => {
  const plan = planRollout(policy, traffic)

  test('steps follow each other, and the last one ends in the promotion', () => {
    expect(plan.steps.map(({ weightBp }) => weightBp)).toEqual([500, 2500, 5000])
    let start = 0
    for (const { startSeconds, durationSeconds } of plan.steps) {
      expect(startSeconds).toBe(start)
      start += durationSeconds!
    }
    expect(plan.expected).toEqual({ seconds: start, requests: start * 100 })
    expect(plan.cannotDecide).toEqual([])
    expect(plan.warnings).toEqual([])
  })

  test('a step lasts its minimum, or as long as its slowest guardrail takes; latency gates the last one alone', () => {
    const [first, , last] = plan.steps
    expect(first).toMatchObject({ durationSeconds: 120, warmUpSeconds: 60 })
    expect(needsOf(plan, 'latency')[0]!.proof!.seconds).toBeGreaterThan(120)
    expect(first!.slowest).toBeUndefined()
    const brief = planRollout(
      { ...policy, steps: policy.steps.map((s) => ({ ...s, minDurationMs: 0 })) },
      traffic,
    )
    expect(brief.steps[0]!.slowest).toBe('errors')
    expect(brief.steps[2]!.slowest).toMatch(/^latency p(50|95)$/)
    expect(last!.warmUpSeconds).toBe(30)
  })

  test('a step can name its gates', () => {
    const [first, ...others] = policy.steps
    const gated = { ...policy, steps: [{ ...first!, gates: ['latency'] }, ...others] }
    expect(planRollout(gated, traffic).steps[0]!.slowest).toMatch(/^latency /)
  })

  test('more traffic takes less time and about as many requests', () => {
    const slow = needsOf(planRollout(policy, { ...traffic, requestsPerSecond: 50 }), 'errors')[0]!.finalProof!
    const fast = needsOf(planRollout(policy, { ...traffic, requestsPerSecond: 200 }), 'errors')[0]!
      .finalProof!
    expect(fast.seconds).toBeLessThan(0.4 * slow.seconds)
    expect(fast.requests / slow.requests).toBeGreaterThan(0.7)
    expect(fast.requests / slow.requests).toBeLessThan(1.5)
  })

  test('what is counted late is proven as much later', () => {
    const late = { ...traffic, agesMs: { ...traffic.agesMs, final: 65_000 } }
    const [soon] = needsOf(planRollout({ ...policy, ...alone(errors) }, traffic), 'errors')
    const [later] = needsOf(planRollout({ ...policy, ...alone(errors) }, late), 'errors')
    expect(later!.proof!.seconds - soon!.proof!.seconds).toBeCloseTo(60, 0)
  })

  test('a canary twice as bad as the margin is found sooner than one at the margin', () => {
    for (const { steps } of plan.comparisons)
      for (const { atMargin, atTwiceMargin } of steps)
        expect(atTwiceMargin!.seconds).toBeLessThan(atMargin!.seconds)
  })

  test('what earlier steps have proven counts for the rollout, and not for the step', () => {
    const [, second, third] = needsOf(plan, 'errors')
    expect(second!.finalProof!.seconds).toBeLessThan(needsOf(plan, 'errors')[0]!.finalProof!.seconds)
    expect(third!.finalProof!.seconds).toBe(0)
    expect(third!.proof!.seconds).toBeGreaterThan(0)
  })
})

test.each([
  [50, 500, [0.5, 0.95]],
  [500, 5000, [0.5, 0.95]],
  [500, 2500, [0.99]],
])(
  'latency is learned as long as the evidence learns it: %i a second, %i basis points, %j',
  (requestsPerSecond, weightBp, quantiles) => {
    const one = { ...policy, ...alone({ ...latency, quantiles }), steps: [step(weightBp, 0, 0.2)] }
    const known = { ...traffic, requestsPerSecond }
    const stratum = probabilities(thresholds(weightBp, weightBp))
    const references = expectedReferences(known, expectedStable(known))
    let evidence = beginStep(one, startEvidence(one, references, 1), 0)
    let second = 0
    while (evidence.learning !== undefined) {
      const arm = (probability: number) => {
        // Whole requests at an even pace.
        const pace = probability * requestsPerSecond
        const requests = Math.floor((second + 1) * pace + 1e-6) - Math.floor(second * pace + 1e-6)
        const counts = new Float64Array(LATENCY_BINS)
        counts[latencyBin(20)] = requests
        return { ...NO_EARLY_COUNTS, requests, latency: counts }
      }
      const arms = {
        stable: arm(stratum.stable),
        baseline: arm(stratum.baseline),
        canary: arm(stratum.canary),
      }
      const window: Window<'early'> = { second, strata: [{ stratum, arms }] }
      evidence = observe(one, evidence, { early: [window] })
      second++
    }
    expect(planRollout(one, known).steps[0]!.warmUpSeconds).toBe(second)
  },
)

describe('the scores that the two versions are expected to give', () => {
  test('the same distribution by other edges is no shift', () => {
    const { scoreShift } = planRollout(policy, {
      ...traffic,
      score: { stable: even(20), canary: even(7), range: [0, 1] },
    })
    expect(scoreShift!.ks).toBeLessThan(1e-9)
    expect(scoreShift).toMatchObject({ mean: 0, classShares: 0 })
  })

  test('without a limit of the scores the outermost bins are as wide as their neighbours', () => {
    const { scoreShift } = planRollout(policy, {
      ...traffic,
      score: {
        stable: even(20),
        canary: even(10),
        range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      },
    })
    expect(scoreShift!.ks).toBeLessThan(1e-9)
  })

  test.each([
    ['ks', 0.15],
    ['mean', 0.075],
    ['class_shares', 0.15],
  ] as const)('more than tolerated: a rollback is to be expected (%s)', (distance, shift) => {
    const drifting = { ...traffic, score: { stable: even(20), canary: moved(0.15), range: [0, 1] as const } }
    const guardrail = { ...scores, distance, tolerate: 0.05, share: 1 }
    const plan = planRollout({ ...policy, guardrails: [guardrail] }, drifting)
    expect(plan.comparisons[0]!.expectedShift).toBeCloseTo(shift, 9)
    expect(plan.warnings).toEqual([
      `scores: the scores of the two versions are expected to differ by ${shift}, more than the 0.05 that is tolerated; expect a rollback`,
    ])
    expect(plan.cannotDecide).toEqual([])
  })

  test('of a signal, an alarm', () => {
    const drifting = { ...traffic, score: { stable: even(20), canary: moved(0.15), range: [0, 1] as const } }
    const { warnings } = planRollout(
      { ...policy, ...alone(errors), signals: [{ ...scores, name: 'drift' }] },
      drifting,
    )
    expect(warnings).toEqual([expect.stringMatching(/^drift: .*expect an alarm$/)])
  })

  test('at the margin or beyond: never proven, and the plan ends with the step that waits for it', () => {
    const other = { ...traffic, score: { stable: even(20), canary: moved(0.25), range: [0, 1] as const } }
    const plan = planRollout(policy, other)
    expect(plan.cannotDecide).toEqual([
      'scores can never be proven: the scores of the two versions are expected to differ by 0.25, and the margin is 0.2',
    ])
    expect(plan.expected).toBeUndefined()
    expect(plan.steps).toEqual([{ weightBp: 500, startSeconds: 0, warmUpSeconds: 60, slowest: 'scores' }])
    expect(needsOf(plan, 'scores')).toHaveLength(1)
    expect(needsOf(plan, 'scores')[0]!.finalProof).toBeUndefined()
  })
})

describe('what cannot be decided', () => {
  const reasons = (change: Partial<Policy>, known: Partial<Traffic> = {}) =>
    planRollout({ ...policy, ...change }, { ...traffic, ...known }).cannotDecide

  test('without traffic, nothing', () => {
    expect(planRollout(policy, { ...traffic, requestsPerSecond: 0 })).toEqual({
      steps: [],
      comparisons: [],
      cannotDecide: ['there is no traffic, and without requests nothing is decided'],
      warnings: [],
    })
  })

  test('a policy that has faults, such as a gate that does not exist', () => {
    const steps = [{ ...step(5000, 1, 0.1), gates: ['latncy'] }]
    expect(reasons({ steps })).toEqual([expect.stringContaining('latncy')])
  })

  test('before the deadline: how many requests and how long it takes', () => {
    const change = { ...alone({ ...latency, quantiles: [0.99] }), progressDeadlineMs: 30 * 60_000 }
    expect(reasons(change, { requestsPerSecond: 10 })).toEqual([
      expect.stringMatching(
        /^latency p99 needs about \d\d,000 requests in step 3 \(50 %\) = (\d+ h )?\d+ min at 10 a second, after the deadline of 30 min$/,
      ),
    ])
    expect(reasons(change, { requestsPerSecond: 1000 })).toEqual([])
  })

  test('a deadline is each step’s own: three steps of 20 minutes pass one of 30', () => {
    const steps = [500, 2500, 5000].map((weightBp) => step(weightBp, 20, 0.1))
    expect(reasons({ steps, progressDeadlineMs: 30 * 60_000 })).toEqual([])
  })

  test('accuracy without labels', () => {
    expect(reasons(alone(accuracy))).toEqual([
      'accuracy can never be proven: nobody tells what the right answers were',
    ])
    expect(reasons(alone(accuracy), { labelledShare: 0.5, wrongRate: 0.1 })).toEqual([])
  })

  test('accuracy of a class that never was', () => {
    expect(reasons(alone(ofChurn), { labelledShare: 0.5, classShares: { stay: 1 } })).toEqual([
      'accuracy can never be proven: in training no answer was of class churn',
    ])
  })

  test('latency of a stable version that nobody has measured', () => {
    const { latency: _, ...unmeasured } = traffic
    expect(planRollout({ ...policy, ...alone(latency) }, unmeasured).cannotDecide).toEqual([
      "latency cannot be planned: nothing is known of the stable version's latency",
    ])
  })

  test('latency in a last step that leaves no baseline of the same share', () => {
    expect(reasons({ ...alone(latency), steps: [step(6000, 1, 0.1)] })).toEqual([
      'the last step must be at 50 % at most while latency is a guardrail, as it is compared at equal shares',
    ])
  })

  test('scores that the stable version does not give, or that are all the same', () => {
    const { score: _, ...unscored } = traffic
    expect(planRollout({ ...policy, ...alone(scores) }, unscored).cannotDecide).toEqual([
      expect.stringMatching(/^scores can never be proven: the stable version gives no scores/),
    ])
    const constant = { edges: [0.5], shares: [1, 0], mean: 0.2, classes: [1, 0] }
    expect(reasons(alone(scores), { score: { stable: constant, canary: constant, range: [0, 1] } })).toEqual([
      expect.stringMatching(/^scores can never be proven: the reference has one value/),
    ])
  })
})

describe('warnings', () => {
  test('a signal that can only alarm', () => {
    const { score: _, ...unscored } = traffic
    const { warnings } = planRollout({ ...policy, ...alone(errors), signals: [scores] }, unscored)
    expect(warnings).toEqual([
      expect.stringMatching(/^scores says nothing about being good enough: the stable/),
    ])
  })

  test('what is taken for granted of the truths of one class, and of losses', () => {
    const labelled = { ...traffic, labelledShare: 0.5, wrongRate: 0.1 }
    const warned = (guardrail: Guardrail, known: Partial<Traffic> = {}) =>
      planRollout({ ...policy, ...alone(guardrail) }, { ...labelled, ...known }).warnings
    expect(warned(accuracy)).toEqual([])
    expect(warned(ofChurn)).toEqual([
      'accuracy is planned as if every truth were of class churn: nothing tells how many are',
    ])
    expect(warned(ofChurn, { classShares: { stay: 0.75, churn: 0.25 } })).toEqual([
      'accuracy is planned for 25 % of the truths, as training has class churn, and as wrong there as everywhere',
    ])
    expect(warned({ ...accuracy, loss: 'log' } as Guardrail)).toEqual([
      'accuracy is planned as if its loss were the share of wrong answers',
    ])
  })

  test('a guardrail that would not notice a bad canary', () => {
    const { latency: _, ...unmeasured } = traffic
    expect(planRollout({ ...policy, ...alone(latency) }, unmeasured).warnings).toEqual([
      'latency would not notice a canary that is twice as bad as its margin',
    ])
  })
})

test('accuracy of a class waits for the truths of that class: a tenth of them takes ten times as many requests', () => {
  const unhurried = { ...policy, ...alone(ofChurn), steps: [step(5000, 0, 0.05)] }
  const labelled = { ...traffic, labelledShare: 0.5, wrongRate: 0.1 }
  const requests = (share: number) =>
    planRollout(unhurried, {
      ...labelled,
      classShares: { churn: share, stay: 1 - share },
      agesMs: { ...traffic.agesMs, labels: 0 },
    }).expected!.requests
  expect(requests(0.1) / requests(1)).toBeCloseTo(10, 0)
})

test('latency as a signal alone needs no baseline: it is compared with the rest of stable', () => {
  const plan = planRollout({ ...policy, ...alone(errors), signals: [latency] }, traffic)
  expect(plan.comparisons[1]).toMatchObject({ name: 'latency', guardrail: false })
  expect(plan.comparisons[1]!.steps[2]!.finalProof).toBeDefined()
  expect(plan.steps[2]!.slowest).toBeUndefined()
})
