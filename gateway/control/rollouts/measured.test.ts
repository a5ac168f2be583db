import { NO_EARLY_COUNTS, type Released, type Window } from '@coalmine/core/evidence/counts.ts'
import { COLD_SECONDS } from '@coalmine/core/evidence/evidence.ts'
import { STRATA_MAX } from '@coalmine/core/evidence/tally.ts'
import { fairSecond, stratumAt, together } from '@coalmine/core/rollout/testing/windows.ts'
import { expect, test } from 'vitest'
import { Measured } from './measured.ts'

const ALL = { fromSecond: Number.NEGATIVE_INFINITY }

/** A second in which the canary answered as many requests in the third bin as it has. */
function answered(second: number, requests: number): Released {
  const arm = {
    ...NO_EARLY_COUNTS,
    requests,
    latency: [0, 0, requests],
    cut: [1],
    slow: 2,
    scores: [requests],
  }
  const arms = { stable: NO_EARLY_COUNTS, baseline: NO_EARLY_COUNTS, canary: arm }
  const window: Window<'early'> = { second, strata: [{ stratum: stratumAt(500), arms }] }
  return { early: [window] }
}

const summed = (from: Parameters<Measured['add']>[0], ...released: Released[]) => {
  const measured = new Measured(1)
  for (const windows of released) measured.add(from, windows)
  return measured.counts
}

test('seconds of one stratum add up, however they were released', () => {
  const seconds = [1, 2, 3].map((second) => fairSecond(second, 500, 1000, { canary: 0.1 }))
  const apart = summed(ALL, ...seconds)
  expect(apart).toEqual(summed(ALL, together(seconds)))
  expect(apart.final).toEqual([
    {
      stratum: stratumAt(500),
      arms: {
        stable: { requests: 2850, errors: 0, aborted: 0 },
        baseline: { requests: 0, errors: 0, aborted: 0 },
        canary: { requests: 150, errors: 15, aborted: 0 },
      },
    },
  ])
  expect(apart.early[0]!.arms.canary).toMatchObject({ requests: 150, errors: 15 })
})

test('bins add up', () => {
  const { canary } = summed(ALL, answered(1, 5), answered(2, 7)).early[0]!.arms
  expect(canary).toMatchObject({ requests: 12, slow: 4 })
  expect(Array.from(canary.latency)).toEqual([0, 0, 12])
  expect(Array.from(canary.scores)).toEqual([12])
})

test('what was added before is not changed by what comes', () => {
  const released = answered(1, 5)
  const copy = structuredClone(released)
  summed(ALL, released, answered(2, 7))
  expect(released).toEqual(copy)
})

test('weights are strata of their own, and without a canary there is nothing to compare', () => {
  const { early, final } = summed(
    ALL,
    fairSecond(1, 0, 1000),
    fairSecond(2, 500, 1000),
    fairSecond(3, 2500, 1000),
  )
  expect([early.length, final.length]).toEqual([2, 2])
})

test('while the canary is cold its requests count and their time does not', () => {
  const from = { ...ALL, firstSecond: 100 }
  const cold = summed(from, answered(100 + COLD_SECONDS - 1, 5)).early[0]!.arms.canary
  expect(cold).toMatchObject({ requests: 5, slow: 0 })
  expect([Array.from(cold.latency), Array.from(cold.cut), Array.from(cold.scores)]).toEqual([[], [], [5]])
  const warm = summed(from, answered(100 + COLD_SECONDS, 5)).early[0]!.arms.canary
  expect(Array.from(warm.latency)).toEqual([0, 0, 5])
})

test('seconds of before a restart are of another proof', () => {
  expect(summed({ fromSecond: 10 }, answered(9, 5)).early).toEqual([])
  expect(summed({ fromSecond: 10 }, answered(10, 5)).early).toHaveLength(1)
})

test('however often the weight is moved, the latest strata are kept', () => {
  const measured = new Measured(1)
  for (let i = 1; i <= STRATA_MAX + 3; i++) measured.add(ALL, fairSecond(i, i * 100, 1000))
  const weights = measured.counts.early.map(({ stratum }) => Math.round(stratum.canary * 100))
  expect(weights).toEqual(Array.from({ length: STRATA_MAX }, (_, i) => i + 4))
})

test('each addition is told, so that what was worked out before is known to be old', () => {
  const measured = new Measured(1)
  measured.add(ALL, {})
  expect(measured.additions).toBe(1)
})
