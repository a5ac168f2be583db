import { describe, expect, test } from 'vitest'
import { assess, LOG_OF_NOTHING, loudestGroup } from './assessment.ts'
import type { StatisticalPolicy } from './comparison.ts'
import { GROUPS, type Group } from './counts.ts'
import { type Evidence, observe, startEvidence } from './evidence.ts'
import { evidencePlan } from './evidence-plan.ts'
import { aSecond, HEALTHY, healthyReferences, uniform, WIDEST_POLICY } from './testing/traffic.ts'

const REFERENCES = healthyReferences()
const AT_5 = { canaryBp: 500, baselineBp: 500 }
const BREACH = Math.log(1 / WIDEST_POLICY.risk.falseRollback)
const PROOF = Math.log(1 / WIDEST_POLICY.risk.falsePromotion)

/** Evidence of one second; what its bets are worth is then set by hand. */
const seen = (policy = WIDEST_POLICY, references = REFERENCES): Evidence => {
  const { early, final, labels } = aSecond(uniform(1), 0, AT_5, 500, HEALTHY)
  return observe(policy, startEvidence(policy, references, 1), {
    early: [early],
    final: [final],
    labels: [labels],
  })
}

const NO_CASH = { early: 0, final: 0, labels: 0 }

/** All capital is on the bets, and each bet of a comparison is worth e^x. */
function worth(
  evidence: Evidence,
  ln: { rollback?: Record<string, number>; promotion?: Record<string, number> },
) {
  const wealth = evidence.wealth.slice()
  for (const { comparison, rollback, promotion } of evidencePlan(WIDEST_POLICY, evidence.references)
    .comparisons) {
    for (const { at, size } of rollback)
      wealth.fill(Math.exp(ln.rollback?.[comparison.name] ?? 0), at, at + size)
    for (const { at, size } of promotion) wealth.fill(ln.promotion?.[comparison.name] ?? 0, at, at + size)
  }
  return { ...evidence, wealth, cash: NO_CASH }
}

const named = (policy: StatisticalPolicy, evidence: Evidence, name: string) =>
  assess(policy, evidence).comparisons.find((comparison) => comparison.name === name)!

describe('a verdict', () => {
  const share = Math.log(0.1)

  test.each([
    [BREACH - share + 1e-9, 'breach'],
    [BREACH - share - 1e-9, 'undecided'],
  ])('ln %d of the rollback evidence, its share counted: %s', (x, verdict) => {
    const evidence = worth(seen(), { rollback: { accuracy: x } })
    expect(named(WIDEST_POLICY, evidence, 'accuracy')).toMatchObject({
      verdict,
      logRollback: expect.closeTo(x + share, 9),
    })
  })

  test.each([
    [PROOF + 1e-9, 'proven'],
    [PROOF - 1e-9, 'undecided'],
  ])('ln %d of the promotion evidence: %s', (x, verdict) => {
    const evidence = worth(seen(), { promotion: { scores: x } })
    expect(named(WIDEST_POLICY, evidence, 'scores')).toMatchObject({
      verdict,
      logPromotion: expect.closeTo(x, 9),
    })
  })

  test('of a breach stands whatever was proven', () => {
    const evidence = worth(seen(), { rollback: { errors: 20 }, promotion: { errors: 20 } })
    expect(named(WIDEST_POLICY, evidence, 'errors').verdict).toBe('breach')
  })

  test('is never a pass without a request of the canary', () => {
    const evidence = { ...worth(seen(), { promotion: { errors: 20 } }), tally: [] }
    expect(named(WIDEST_POLICY, evidence, 'errors').verdict).toBe('no-data')
  })

  test('is never a pass where nothing can be proven, and says why', () => {
    const { score: _, ...none } = REFERENCES
    expect(named(WIDEST_POLICY, seen(WIDEST_POLICY, none), 'scores')).toMatchObject({
      verdict: 'not-testable',
      untestable: 'the stable version gives no scores',
      worst: 'nothing',
    })
    const noQuantiles: StatisticalPolicy = {
      ...WIDEST_POLICY,
      guardrails: WIDEST_POLICY.guardrails.map((guardrail) =>
        guardrail.metric === 'latency' ? { ...guardrail, quantiles: [] } : guardrail,
      ),
    }
    expect(named(noQuantiles, seen(noQuantiles), 'latency')).toMatchObject({
      verdict: 'not-testable',
      untestable: 'there is nothing to prove',
    })
  })
})

describe('the rollback evidence', () => {
  test('is the sum of the guardrails in each group; the shares of all groups make 1', () => {
    const { logRollback } = assess(WIDEST_POLICY, worth(seen(), {}))
    const shares = GROUPS.map((group) => Math.exp(logRollback[group]))
    // Three quarters of the errors' 0.3, all of what is seen early; the rest of the errors; accuracy.
    expect(shares).toEqual([0.825, 0.075, 0.1].map((share) => expect.closeTo(share, 12)))
  })

  test('of two guardrails that are each too little can be enough', () => {
    const x = BREACH - Math.log(0.1) - Math.log(2) + 1e-6
    const evidence = worth(seen(), { rollback: { scores: x, classes: x } })
    const { comparisons, logRollback } = assess(WIDEST_POLICY, evidence)
    expect(comparisons.some(({ verdict }) => verdict === 'breach')).toBe(false)
    expect(logRollback.early).toBeGreaterThanOrEqual(BREACH)
  })

  test('never has a signal in it, however bad', () => {
    const evidence = worth(seen(), { rollback: { rejected: 600 } })
    expect(assess(WIDEST_POLICY, evidence).logRollback).toEqual(
      assess(WIDEST_POLICY, worth(seen(), {})).logRollback,
    )
    expect(named(WIDEST_POLICY, evidence, 'rejected')).toMatchObject({ verdict: 'breach' })
    expect(named(WIDEST_POLICY, evidence, 'rejected').share).toBeUndefined()
  })

  test('counts capital that waits as what it is', () => {
    const lost = worth(seen(), { rollback: { accuracy: Number.NEGATIVE_INFINITY } })
    const half = { ...lost, cash: { ...NO_CASH, labels: 0.5 } }
    expect(named(WIDEST_POLICY, half, 'accuracy').logRollback).toBeCloseTo(Math.log(0.1 * 0.5), 12)
    expect(named(WIDEST_POLICY, lost, 'accuracy').logRollback).toBe(LOG_OF_NOTHING)
  })

  test.each([
    [{ errors: 3 }, 'early'],
    [{ accuracy: 9 }, 'labels'],
  ] as const)('with bets worth %o is loudest in the group %s', (rollback, group) => {
    const assessment = assess(WIDEST_POLICY, worth(seen(), { rollback }))
    expect(loudestGroup(assessment)).toEqual({ group, log: assessment.logRollback[group as Group] })
  })
})

test('every comparison is assessed, also when one of them is a breach', () => {
  const evidence = worth(seen(), { rollback: { errors: 50 }, promotion: { accuracy: 5 } })
  const { comparisons } = assess(WIDEST_POLICY, evidence)
  expect(comparisons.map(({ name, verdict }) => [name, verdict])).toEqual([
    ['errors', 'breach'],
    ['latency', 'undecided'],
    ['scores', 'undecided'],
    ['mean score', 'undecided'],
    ['classes', 'undecided'],
    ['accuracy', 'proven'],
    ['rejected', 'undecided'],
  ])
})

test('a comparison names the test that speaks loudest for a rollback and the one that promotion waits for', () => {
  const evidence = worth(seen(), { promotion: { latency: 9 } })
  const { wealth } = evidence
  const { rollback, promotion } = evidencePlan(WIDEST_POLICY, evidence.references).comparisons[1]!
  const p95 = rollback[0]!.tests.find(({ test }) => test.label === 'p95')!
  wealth.fill(Math.E, p95.at, p95.at + p95.size)
  const p99 = promotion.find(({ test }) => test.label === 'p99')!
  wealth.fill(-2, p99.at, p99.at + p99.size)
  expect(named(WIDEST_POLICY, evidence, 'latency')).toMatchObject({
    worst: 'p95',
    slowest: 'p99',
    logPromotion: expect.closeTo(-2, 12),
  })
})

test('where no worse rate is left there are no bets, and the rollback evidence is 1', () => {
  const tolerant: StatisticalPolicy = {
    ...WIDEST_POLICY,
    guardrails: [
      {
        name: 'errors',
        metric: 'error_rate',
        tolerate: { kind: 'absolute', value: 1 },
        margin: { kind: 'absolute', value: 0.005 },
        share: 1,
      },
    ],
  }
  const { logRollback } = assess(tolerant, seen(tolerant))
  expect(Math.exp(logRollback.early) + Math.exp(logRollback.final)).toBeCloseTo(1, 12)
})

test('a draw that is not the configured one is found from the counts of the arms', () => {
  const random = uniform(2)
  const mismatch = (drawnBp: number) => {
    let evidence = startEvidence(WIDEST_POLICY, REFERENCES, 1)
    for (let second = 0; second < 60; second++) {
      const drawn = aSecond(random, second, { canaryBp: drawnBp, baselineBp: 500 }, 500, HEALTHY).early
      const recorded = aSecond(random, second, AT_5, 1, HEALTHY).early.strata[0]!.stratum
      const window = { second, strata: [{ ...drawn.strata[0]!, stratum: recorded }] }
      evidence = observe(WIDEST_POLICY, evidence, { early: [window] })
    }
    return assess(WIDEST_POLICY, evidence).logMismatch
  }
  expect(mismatch(500)).toBeLessThan(Math.log(10))
  expect(mismatch(700)).toBeGreaterThan(Math.log(1e4))
})
