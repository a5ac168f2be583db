import { policyFaults } from '@coalmine/core/rollout/policy-faults.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parsePolicy } from './parse-policy.ts'
import { policyText } from './testing/policy-text.ts'

describe('whatever the file says', () => {
  /** One of the good values, or now and then one that is bad, here or beside the others. */
  const mostly = <T>(good: readonly T[], ...bad: readonly T[]) =>
    fc.oneof(
      { weight: 19, arbitrary: fc.constantFrom(...good) },
      { weight: 1, arbitrary: fc.constantFrom(...bad) },
    )
  const tolerate = mostly<unknown>(['0pp', '0.1pp', '0%', '10%'], '5pp', 0.1)
  const margin = mostly<unknown>(['1pp', '200%'], '0pp', '1')
  const named = <T extends Record<string, fc.Arbitrary<unknown>>>(fields: T) =>
    fc.record({ ...fields, name: fc.constantFrom(...'abcdefghij') })
  const comparison = fc.oneof(
    named({ metric: fc.constantFrom('error_rate', 'accuracy'), tolerate, margin }),
    named({
      metric: fc.constant('latency'),
      quantiles: mostly([['p50', 'p99.9'], ['p95']], []),
      tolerate: fc.record({ relative: mostly(['0%', '5%'], '20%'), atLeast: mostly(['0ms', '1ms'], '1s') }),
      margin: fc.record({ relative: mostly(['10%'], '1%'), atLeast: mostly(['2ms'], '0.5ms') }),
    }),
    named({
      metric: fc.constant('score_distribution'),
      distance: fc.constantFrom('ks', 'mean'),
      tolerate: mostly<unknown>([0, '10%'], '40%'),
      margin: mostly<unknown>([0.1, '30%'], 0),
    }),
  )
  const duration = mostly(['1m', '5h'], '100h')
  const steps = fc.subarray([5, 12.5, 50, 60], { minLength: 1 }).chain((weights) =>
    fc.tuple(
      ...weights.map((setWeight) =>
        fc.record({
          setWeight: mostly([setWeight], 5),
          minDuration: duration,
          proof: mostly([0.1, 1], 0),
        }),
      ),
    ),
  )
  const gated = fc.tuple(steps, mostly<string[] | undefined>([undefined, []], ['a']))
  const document = fc.record(
    {
      steps: gated.map(([[first, ...rest], gates]) => [{ ...first, ...(gates && { gates }) }, ...rest]),
      risk: fc.record({ falseRollback: mostly(['1%', '0.1%'], '50%'), falsePromotion: fc.constant('5%') }),
      guardrails: fc.oneof(
        fc.array(comparison, { maxLength: 3 }),
        fc.tuple(comparison, comparison, mostly([0.7], 0.6)).map(([a, b, share]) => [
          { ...a, share: 0.3 },
          { ...b, share },
        ]),
      ),
      signals: fc.array(comparison, { maxLength: 2 }),
      interval: mostly(['1s'], '60s'),
      keepPrevious: duration,
      watch: fc.record({ duration, falseAlarmEvery: duration }, { requiredKeys: [] }),
    },
    { requiredKeys: ['steps', 'risk', 'guardrails'] },
  )

  test('what is accepted has no fault for the core, and what is refused has a problem with its line', () => {
    let accepted = 0
    fc.assert(
      fc.property(document, (value) => {
        const parsed = parsePolicy('churn', JSON.stringify(value))
        if (parsed.ok) {
          accepted++
          expect(policyFaults(parsed.file.policy)).toEqual([])
        } else {
          expect(parsed.problems.length).toBeGreaterThan(0)
          for (const { line, expected } of parsed.problems) {
            expect(line).toBeGreaterThan(0)
            expect(expected).not.toContain('undefined')
          }
        }
      }),
      { numRuns: 1000, seed: 7 },
    )
    expect(accepted).toBeGreaterThan(100)
  })

  test('any text is a policy or a list of problems', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(400), (noise, at) => {
        const good = policyText({ watch: '{}' })
        const parsed = parsePolicy('churn', good.slice(0, at) + noise + good.slice(at))
        if (!parsed.ok) expect(parsed.problems.length).toBeGreaterThan(0)
      }),
    )
  })
})
