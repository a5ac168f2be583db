import { describe, expect, test } from 'vitest'
import { assessMirror, observeMirror, startMirror } from '../evidence/mirror-evidence.ts'
import type { Pair, PairSide } from '../evidence/pair.ts'
import { seededRandom } from '../routing/random.ts'
import { quantilesOf } from './expected-answers.ts'
import { expectedReferences, expectedStable, type Traffic } from './expected-arms.ts'
import { expectedMirror } from './expected-mirror.ts'
import { planRollout } from './plan.ts'
import type { Guardrail, Policy } from './policy.ts'
import { POLICY, SCORES } from './testing/policies.ts'

const errors: Guardrail = {
  ...{ name: 'errors', metric: 'error_rate', share: 1 },
  ...{ tolerate: { kind: 'absolute', value: 0.001 }, margin: { kind: 'absolute', value: 0.01 } },
}
const scores: Guardrail = { ...SCORES, share: 1, tolerate: 0.15, margin: 0.2 } as Guardrail
const tenths = {
  edges: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  shares: new Array<number>(10).fill(0.1),
  ...{ mean: 0.5, classes: [0.5, 0.5] },
}
/** A quarter of the lowest 40 % lies higher: 0.1 apart at most. */
const higher = {
  ...tenths,
  shares: tenths.shares.map((share, i) => (i < 4 ? share * 0.75 : share + 0.1 / 6)),
}
const TRAFFIC: Traffic = {
  requestsPerSecond: 400,
  errorRate: 0.002,
  rejectedRate: 0.01,
  score: { stable: tenths, canary: tenths, range: [0, 1] },
  agesMs: { early: 1000, final: 5000, labels: 0 },
}
const policyOf = (guardrail: Guardrail, changes: Partial<Policy['mirror'] & object> = {}): Policy => ({
  ...POLICY,
  guardrails: [guardrail],
  mirror: { mirrorBp: 2_500, minDurationMs: 0, proof: 0.05, ...changes },
})

const uniform = (seed: number) => {
  const draw = seededRandom(new Uint8Array(16).fill(seed))
  return () => draw() / 2 ** 32
}

/** Seconds until copies prove the guardrail, of each of a few mirrors that go by chance; seeds 1 to 21. */
function simulated(policy: Policy, traffic: Traffic, inputsPerSecond: number): number[] {
  const references = expectedReferences(traffic, expectedStable(traffic))
  const ranks = quantilesOf(traffic.score!, 500)
  return Array.from({ length: 21 }, (_, run) => {
    const random = uniform(run + 1)
    const side = (answered: PairSide): PairSide =>
      random() < traffic.errorRate ? { outcome: 'failed' } : answered
    let mirror = startMirror(policy, references)
    for (let second = 1; second < 2000; second++) {
      const pairs = Array.from({ length: Math.round(inputsPerSecond) }, (): Pair => {
        if (random() < traffic.rejectedRate!)
          return { stable: { outcome: 'rejected' }, canary: { outcome: 'rejected' } }
        const { stable, canary } = ranks[Math.floor(random() * ranks.length)]!
        return { stable: side(stable), canary: side(canary) }
      })
      mirror = observeMirror(policy, references, mirror, { pairs, floor: [] })
      if (assessMirror(policy, references, mirror).comparisons[0]!.verdict === 'proven') return second
    }
    return Number.POSITIVE_INFINITY
  })
}

describe('what is foretold of a mirror is about what it takes, to a factor of one and a half', () => {
  test.each<[string, Guardrail, Partial<Traffic>]>([
    ['errors', errors, {}],
    ['errors that never come', errors, { errorRate: 0 }],
    ['equal scores, by ks', scores, {}],
    ['scores that are apart, by ks', scores, { score: { ...TRAFFIC.score!, canary: higher } }],
    ['equal mean scores', { ...scores, distance: 'mean' } as Guardrail, {}],
    ['equal shares of classes', { ...scores, distance: 'class_shares' } as Guardrail, { errorRate: 0.05 }],
  ])('%s', (_, guardrail, changes) => {
    const traffic = { ...TRAFFIC, ...changes }
    const policy = policyOf(guardrail)
    const { waits, inputsPerSecond } = expectedMirror(policy, traffic)
    // A quarter is copied, and of those one in eight to stable itself.
    expect(inputsPerSecond).toBeCloseTo(87.5, 9)
    const took = simulated(policy, traffic, inputsPerSecond).toSorted((a, b) => a - b)
    const { seconds } = waits[0]!
    expect(seconds / took[10]!).toBeGreaterThan(1 / 1.6)
    expect(seconds / took[10]!).toBeLessThan(1.6)
  })
})

describe('the plan of a rollout with a mirror', () => {
  const plan = (policy: Policy, traffic = TRAFFIC) => planRollout(policy, traffic)

  test('has the mirror before the steps, as long as its proof or its least duration takes', () => {
    const { mirror, steps } = plan(policyOf(errors))
    expect(mirror).toMatchObject({ slowest: 'errors' })
    expect(mirror!.inputs).toBe(Math.ceil(mirror!.durationSeconds! * 87.5))
    expect(steps[0]!.startSeconds).toBe(mirror!.durationSeconds)
    const { durationSeconds } = plan(policyOf(errors, { minDurationMs: 7_200_000 })).mirror!
    expect(durationSeconds).toBe(7_200)
    expect(plan(policyOf(errors, { proof: 1 })).mirror).toEqual({ durationSeconds: 0, inputs: 0 })
    expect(plan(POLICY).mirror).toBeUndefined()
  })

  test('waits for none of what copies say nothing of, and copies less where a baseline takes its share', () => {
    const withLatency: Guardrail = {
      ...{ name: 'latency', metric: 'latency', quantiles: [0.5], share: 0.5 },
      ...{ tolerate: { relative: 0.1, atLeastMs: 1 }, margin: { relative: 0.2, atLeastMs: 2 } },
    }
    const policy = { ...policyOf(errors), guardrails: [{ ...errors, share: 0.5 }, withLatency] }
    const { waits, inputsPerSecond } = expectedMirror(policy, TRAFFIC)
    expect(waits.map(({ guardrail }) => guardrail.name)).toEqual(['errors'])
    expect(inputsPerSecond).toBeCloseTo(87.5 * (1 - policy.steps[0]!.weightBp / 10_000), 9)
  })

  test('says that the deadline comes before the proof, or that there is none', () => {
    const slow = { ...policyOf(errors), progressDeadlineMs: 5_000 }
    expect(plan(slow).cannotDecide[0]).toMatch(
      /^errors needs about [\d,]+ distinct inputs in the mirror = .* at 87\.5 a second, after the deadline of 5 s$/,
    )
    const apart = { ...TRAFFIC, errorRate: 0.3, score: { ...TRAFFIC.score!, canary: higher } }
    const never = plan(policyOf({ ...scores, tolerate: 0.1, margin: 0.11 } as Guardrail), apart)
    expect(never.mirror).toEqual({ slowest: 'scores' })
    expect(never.steps).toEqual([])
    expect(never.expected).toBeUndefined()
    expect(never.cannotDecide).toContain('scores is never proven in the mirror')
  })
})
