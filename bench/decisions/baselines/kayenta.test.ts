import { expect, test } from 'vitest'
import { Sampler, seedBytes } from '../sample.ts'
import { isHigh, kayenta, Series } from './kayenta.ts'

function series(points: readonly number[]): Series {
  const all = new Series()
  for (const point of points) all.add(point)
  return all
}

const tick = (canaryErrors: number, stableErrors: number) => ({
  pi: 0.5,
  canary: { requests: 100, errors: canaryErrors },
  stable: { requests: 100, errors: stableErrors },
})

test('judges nothing before it has fifty points', () => {
  const rollout = kayenta.start()
  const verdicts = Array.from({ length: 50 }, (_, i) => rollout.see(tick(20 + (i % 7), 5 + (i % 5))))
  expect(verdicts.indexOf('rollback')).toBe(49)
})

test('fails for what is higher, not for what is lower', () => {
  const rollout = kayenta.start()
  const verdicts = Array.from({ length: 60 }, (_, i) => rollout.see(tick(5 + (i % 5), 20 + (i % 7))))
  expect(verdicts).not.toContain('rollback')
})

test('series that are all alike pass', () => {
  const rollout = kayenta.start()
  const verdicts = Array.from({ length: 60 }, () => rollout.see(tick(0, 0)))
  expect(verdicts).not.toContain('rollback')
})

test('a series keeps its points in order and leaves out what is no number', () => {
  expect(series([3, 1, Number.NaN, 2, 1]).sorted).toEqual([1, 1, 2, 3])
})

/**
 * The judge's rule by its definition: all differences in order give the estimate and the lower end of its
 * interval.
 */
function highByDefinition(x: readonly number[], y: readonly number[]): boolean {
  const differences = x.flatMap((a) => y.map((b) => a - b)).sort((a, b) => a - b)
  const pairs = differences.length
  const estimate = (differences[pairs / 2 - 1]! + differences[pairs / 2]!) / 2
  const deviation = Math.sqrt((pairs / 12) * (x.length + y.length + 1))
  // With k differences at or below a shift, pairs - k are wins: the test's z there is this.
  const z = (k: number) => (pairs / 2 - k - Math.sign(pairs / 2 - k) / 2) / deviation
  const lower = differences.findIndex((_, i) => z(i + 1) <= 2.3263478740408408)
  return differences[lower]! > 0.25 * Math.abs(estimate)
}

test('is high exactly when the lower end of the interval is beyond a quarter of the estimate', () => {
  const sampler = new Sampler(seedBytes('kayenta by definition'))
  const outcomes = { high: 0, within: 0 }
  for (let run = 0; run < 100; run++) {
    const x = Array.from({ length: 50 }, () => 100 + 0.62 + sampler.normal())
    const y = Array.from({ length: 60 }, () => 100 + sampler.normal())
    const high = highByDefinition(x, y)
    expect(isHigh({ canary: series(x), stable: series(y) })).toBe(high)
    outcomes[high ? 'high' : 'within']++
  }
  expect(Math.min(outcomes.high, outcomes.within)).toBeGreaterThan(20)
})
