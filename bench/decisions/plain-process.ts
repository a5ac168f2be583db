import { comparisonTests } from '@coalmine/core/evidence/comparison-tests.ts'
import type { Released } from '@coalmine/core/evidence/counts.ts'
import type { AnyTest, Feed } from '@coalmine/core/evidence/fed-bets.ts'
import { addLogFactors, logMixture } from '@coalmine/core/evidence/linear-bets.ts'
import { readEarly } from '@coalmine/core/evidence/reading.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import { windowed } from '@coalmine/core/evidence/window.ts'
import type { Comparison } from '@coalmine/core/rollout/policy.ts'

/** How the factor of a second is made. */
export type Counting = 'request-level' | 'windowed'

/**
 * One comparison alone with all of its capital from the start: how good a kernel is, apart from what restarts,
 * shares and several guardrails cost. Latency is compared with all of stable where there is no baseline.
 */
export function plainProcess(
  comparison: Comparison,
  references: References,
  kind: 'rollback' | 'promotion',
  counting: Counting,
  looksAt: (test: AnyTest) => boolean = () => true,
) {
  const { rollback, promotion } = comparisonTests(comparison, references, { latencyWithoutBaseline: true })
  // One group is enough: early errors and late ones are the same in a sampled stream.
  const mixture = rollback[0]?.tests ?? []
  const tests = (kind === 'rollback' ? mixture : promotion.map((test) => ({ test, weight: 1 }))).filter(
    ({ test }) => looksAt(test),
  )
  const wealth = tests.map(({ test }) => new Float64Array(test.bets.logWeights.length))
  const cells = new Float64Array(Math.max(4, ...tests.map(({ test }) => test.bets.cells)))
  const latency = comparison.metric === 'latency'

  function see({ early = [], final = [], labels = [] }: Released): number {
    const feeds = {
      early: early[0]?.strata.map((cell) => readEarly(cell, references.horizonMs, { latency })) ?? [],
      final: final[0]?.strata ?? [],
      labels: labels[0]?.strata ?? [],
    } satisfies { [G in keyof Feed]: readonly Feed[G][] }
    for (const [i, { test }] of tests.entries()) {
      const factors = new Float64Array(wealth[i]!.length)
      for (const feed of feeds[test.group])
        addLogFactors(test.bets, test.read(feed as never, cells), cells, factors)
      if (counting === 'windowed') windowed(factors)
      for (let bet = 0; bet < factors.length; bet++) wealth[i]![bet]! += factors[bet]!
    }
    const logs = tests.map(({ test }, i) => logMixture(test.bets.logWeights, wealth[i]!))
    if (kind === 'promotion') return Math.min(...logs)
    const total = tests.reduce((sum, { weight }) => sum + weight, 0)
    return logs.reduce((sum, log, i) => {
      const x = log + Math.log(tests[i]!.weight / total)
      const [high, low] = x > sum ? [x, sum] : [sum, x]
      return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high))
    }, Number.NEGATIVE_INFINITY)
  }

  /** ln E after one more batch of requests. */
  return { see }
}
