import { describe, expect, test } from 'vitest'
import { assess } from '../evidence/assessment.ts'
import type { EarlyCounts, FinalCounts, LabelCounts, Released } from '../evidence/counts.ts'
import { beginStep, type Evidence, observe, startEvidence } from '../evidence/evidence.ts'
import { LATENCY_BINS, latencyBin } from '../evidence/latency-scale.ts'
import { type Arm, probabilities, thresholds } from '../routing/draw.ts'
import { seededRandom } from '../routing/random.ts'
import {
  type ExpectedArm,
  expectedCanary,
  expectedReferences,
  expectedStable,
  type Traffic,
  worseCanary,
} from './expected-arms.ts'
import { planRollout } from './plan.ts'
import type { Comparison, Guardrail, Policy } from './policy.ts'

/*
 * The plan beside the real evidence: rollouts of one step, window by window and at random, and the middle of when the
 * assessment first says what was planned. Everything is counted at once, so that ages are out of the way.
 */

const HORIZON_MS = 1000
const ERRORS: Guardrail = {
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: 0 },
  margin: { kind: 'absolute', value: 0.005 },
  share: 1,
}
const LATENCY: Guardrail = {
  name: 'latency',
  metric: 'latency',
  quantiles: [0.5, 0.95],
  tolerate: { relative: 0.05, atLeastMs: 0 },
  margin: { relative: 0.2, atLeastMs: 0 },
  share: 1,
}
const SCORES: Guardrail = {
  name: 'scores',
  metric: 'score_distribution',
  distance: 'ks',
  tolerate: 0.02,
  margin: 0.1,
  share: 1,
}
const tenths = {
  edges: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  shares: new Array(10).fill(0.1),
  mean: 0.5,
  classes: [0.5, 0.5],
}
const SCORED: Partial<Traffic> = { score: { stable: tenths, canary: tenths, range: [0, 1] } }
const TRAFFIC: Traffic = {
  requestsPerSecond: 500,
  errorRate: 0.001,
  agesMs: { early: HORIZON_MS, final: 0, labels: 0 },
}

/** Log-normal around 20 ms: Box-Muller, 20,000 draws. */
function someLatencies(): Float64Array {
  const random = uniform(5)
  const counts = new Float64Array(LATENCY_BINS)
  for (let i = 0; i < 20_000; i++) {
    const deviate = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    counts[latencyBin(20 * Math.exp(0.5 * deviate))]!++
  }
  return counts
}

function policyOf(guardrail: Guardrail, weightBp: number): Policy {
  return {
    name: 'simulated',
    hash: '',
    risk: { falseRollback: 0.01, falsePromotion: 0.05 },
    guardrails: [guardrail],
    signals: [],
    steps: [{ weightBp, minDurationMs: 0, proof: 0.2, requiresApproval: false }],
    intervalMs: 1000,
    progressDeadlineMs: 86_400_000,
    onInconclusive: 'hold',
    onNoTraffic: { action: 'hold', afterMs: 900_000 },
    onSampleRatioMismatch: 'hold',
    shield: true,
    keepPreviousMs: 0,
  }
}

interface Case {
  readonly name: string
  readonly guardrail: Guardrail
  readonly weightBp: number
  readonly traffic?: Partial<Traffic>
  /** How many times its margin worse the canary is. */
  readonly times: number
  readonly question: 'proof' | 'finalProof' | 'atMargin' | 'atTwiceMargin'
}

const CASES: Case[] = [
  {
    name: 'errors of 0.1 % within 0.5 points',
    guardrail: ERRORS,
    weightBp: 500,
    times: 0,
    question: 'finalProof',
  },
  {
    name: 'errors of 0.1 % at a step of 20 %',
    guardrail: ERRORS,
    weightBp: 2500,
    times: 0,
    question: 'proof',
  },
  {
    name: 'errors from 0.1 to 1 %',
    guardrail: { ...ERRORS, margin: { kind: 'absolute', value: 0.009 } },
    weightBp: 500,
    times: 1,
    question: 'atMargin',
  },
  {
    name: 'latencies that are equal, p50 and p95',
    guardrail: LATENCY,
    weightBp: 5000,
    traffic: { latency: someLatencies(), requestsPerSecond: 100 },
    times: 0,
    question: 'finalProof',
  },
  {
    name: 'latencies that are 20 % longer',
    guardrail: LATENCY,
    weightBp: 5000,
    traffic: { latency: someLatencies(), requestsPerSecond: 100 },
    times: 1,
    question: 'atMargin',
  },
  {
    name: 'equal scores',
    guardrail: SCORES,
    weightBp: 500,
    traffic: SCORED,
    times: 0,
    question: 'finalProof',
  },
  {
    name: 'scores at the margin',
    guardrail: SCORES,
    weightBp: 500,
    traffic: SCORED,
    times: 1,
    question: 'atMargin',
  },
  {
    name: 'scores at twice the margin',
    guardrail: SCORES,
    weightBp: 2500,
    traffic: { ...SCORED, requestsPerSecond: 50 },
    times: 2,
    question: 'atTwiceMargin',
  },
  {
    name: 'equal mean scores',
    guardrail: { ...SCORES, distance: 'mean' },
    weightBp: 500,
    traffic: SCORED,
    times: 0,
    question: 'finalProof',
  },
  {
    name: 'class shares at the margin',
    guardrail: { ...SCORES, distance: 'class_shares' },
    weightBp: 500,
    traffic: SCORED,
    times: 1,
    question: 'atMargin',
  },
  {
    name: 'labels of 10 % wrong answers',
    guardrail: { ...ERRORS, metric: 'accuracy', margin: { kind: 'absolute', value: 0.03 } } as Guardrail,
    weightBp: 500,
    traffic: { labelledShare: 0.8, wrongRate: 0.1 },
    times: 0,
    question: 'finalProof',
  },
  {
    name: 'rejections of 0.5 %',
    guardrail: { ...ERRORS, metric: 'rejected_rate' } as Guardrail,
    weightBp: 500,
    traffic: { rejectedRate: 0.005 },
    times: 0,
    question: 'finalProof',
  },
]

const RUNS = 21

describe('the plan says when the evidence will be there, to a factor of about one and a half', () => {
  test.each(CASES)('$name: $question', ({ guardrail, weightBp, traffic, times, question }) => {
    const policy = policyOf(guardrail, weightBp)
    const known = { ...TRAFFIC, ...traffic }
    const planned = planRollout(policy, known).comparisons[0]!.steps[0]![question]!.seconds
    const usual = middleOf(simulated(policy, known, times, question))
    expect(planned / usual).toBeGreaterThan(0.6)
    expect(planned / usual).toBeLessThan(1.6)
  })
})

/** Seconds until the assessment first says what was asked, of each run. */
function simulated(policy: Policy, traffic: Traffic, times: number, question: Case['question']): number[] {
  const comparison: Comparison = policy.guardrails[0]!
  const stable = expectedStable(traffic)
  const canary =
    times === 0 ? expectedCanary(stable, traffic) : worseCanary(comparison, times, stable, traffic)
  const references = expectedReferences(traffic, stable)
  return Array.from({ length: RUNS }, (_, run) => {
    const random = uniform(run + 1)
    let evidence = beginStep(policy, startEvidence(policy, references, 1), 0)
    for (let second = 0; second < 5000; second++) {
      evidence = observe(policy, evidence, windowsOf(policy, traffic, stable, canary, second, random))
      if (answered(policy, evidence, question)) return second + 1
    }
    return Number.POSITIVE_INFINITY
  })
}

function answered(policy: Policy, evidence: Evidence, question: Case['question']): boolean {
  const { logPromotion, logStepPromotion, logRollback } = assess(policy, evidence).comparisons[0]!
  switch (question) {
    case 'proof':
      return logStepPromotion! >= Math.log(1 / policy.steps[0]!.proof)
    case 'finalProof':
      return logPromotion! >= Math.log(1 / policy.risk.falsePromotion)
    default:
      return logRollback >= Math.log(1 / policy.risk.falseRollback)
  }
}

function windowsOf(
  policy: Policy,
  { requestsPerSecond }: Traffic,
  stable: ExpectedArm,
  canary: ExpectedArm,
  second: number,
  random: () => number,
): Released {
  const [{ weightBp }] = policy.steps as [Policy['steps'][0]]
  const stratum = probabilities(
    thresholds(weightBp, policy.guardrails[0]!.metric === 'latency' ? weightBp : 0),
  )
  const early = {} as Record<Arm, EarlyCounts>
  const final = {} as Record<Arm, FinalCounts>
  const labels = {} as Record<Arm, LabelCounts>
  for (const arm of ['stable', 'baseline', 'canary'] as const) {
    const expected = arm === 'canary' ? canary : stable
    const requests = poisson(stratum[arm] * requestsPerSecond, random)
    const errors = poisson(requests * expected.final.errors, random)
    early[arm] = {
      requests,
      errors,
      rejected: poisson(requests * expected.early.rejected, random),
      latency: drawn(expected.early.latency, requests - errors, random),
      cut: [errors],
      slow: 0,
      scores: drawn(expected.early.scores, requests - errors, random),
      knots: drawn(expected.early.knots, requests - errors, random),
      classes: drawn(expected.early.classes, requests - errors, random),
    }
    final[arm] = { requests, errors, aborted: 0 }
    const labelled = poisson(requests * expected.labels.labelled, random)
    labels[arm] = {
      labelled,
      wrong: poisson(labelled * (expected.labels.wrong / expected.labels.labelled || 0), random),
    }
  }
  return {
    early: [{ second, strata: [{ stratum, arms: early }] }],
    final: [{ second, strata: [{ stratum, arms: final }] }],
    labels: [{ second, strata: [{ stratum, arms: labels }] }],
  }
}

/** So many draws from shares that need not sum to 1, counted. */
function drawn(shares: ArrayLike<number>, draws: number, random: () => number): Float64Array {
  const sums: number[] = []
  let total = 0
  for (let i = 0; i < shares.length; i++) {
    total += shares[i]!
    sums.push(total)
  }
  const counts = new Float64Array(shares.length)
  for (let i = 0; i < (total > 0 ? draws : 0); i++) {
    const point = random() * total
    let [low, high] = [0, sums.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! > point) high = middle
      else low = middle + 1
    }
    counts[low]!++
  }
  return counts
}

function poisson(rate: number, random: () => number): number {
  // In parts, as e^-rate must not vanish.
  let count = 0
  for (let left = rate; left > 0; left -= 50) {
    const limit = Math.exp(-Math.min(50, left))
    for (let product = random(); product > limit; product *= random()) count++
  }
  return count
}

function uniform(seed: number): () => number {
  const draw = seededRandom(new Uint8Array(16).fill(seed))
  return () => draw() / 2 ** 32
}

/** The mean of the middle half: where few events decide, a median jumps between one number of them and the next. */
function middleOf(values: readonly number[]): number {
  const quarter = values.length >> 2
  const middle = [...values].sort((a, b) => a - b).slice(quarter, values.length - quarter)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}
