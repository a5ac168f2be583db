import { describe, expect, test } from 'vitest'
import type { AnyTest } from '../evidence/fed-bets.ts'
import { windowLogFactor } from '../evidence/window.ts'
import { ExpectedWealth, evenGrowth, expectedGrowth, growthByHits } from './expected-wealth.ts'

/** A test of one bet that wins so much with each event of a cell. */
const betting = (coefficients: number[], windowed: boolean): AnyTest => ({
  label: 'a bet',
  group: 'early',
  bets: {
    logWeights: Float64Array.of(0),
    cells: coefficients.length,
    coefficients: () => Float64Array.from(coefficients),
  },
  windowed,
  read: () => 0.5,
})

/** The expectation over independent Poisson counts of four cells, term by term. */
function exactWindow(coefficients: readonly number[], rates: readonly number[]): number {
  const over = (cell: number, sum: number): number => {
    if (cell === rates.length) return windowLogFactor(sum)
    let chance = Math.exp(-rates[cell]!)
    let total = 0
    for (let count = 0; count < 60; count++) {
      if (chance > 1e-12) total += chance * over(cell + 1, sum + count * coefficients[cell]!)
      chance *= rates[cell]! / (count + 1)
    }
    return total
  }
  return over(0, 0)
}

describe('expected growth', () => {
  test('request by request: counts times constants', () => {
    const growth = expectedGrowth(betting([2, -0.5, 1, 0.25], false), 0.5, Float64Array.of(1, 2, 3, 4))
    expect(growth[0]).toBeCloseTo(5, 12)
  })

  test.each([
    [
      [-1.8, 0.005, 0.04, -0.00004],
      [0.025, 10, 0.4, 20],
    ],
    [
      [0.4, -0.6, -0.9, 0.3],
      [1.5, 1.5, 1, 2],
    ],
    [
      [0.2, -0.25, -0.2, 0.15],
      [8, 10, 9, 8],
    ],
    [
      [1.2, -0.05, -1.5, 0.04],
      [3, 12, 2, 14],
    ],
  ])('window by window: as the sum over all counts has it (%j, %j)', (coefficients, rates) => {
    const growth = expectedGrowth(betting(coefficients, true), 0.5, Float64Array.from(rates))[0]!
    const exact = exactWindow(coefficients, rates)
    expect(Math.abs(growth - exact)).toBeLessThan(0.002 + 0.03 * Math.abs(exact))
  })

  test('a stratum with one arm alone is no evidence', () => {
    for (const windowed of [true, false])
      for (const pi of [0, 1])
        expect(expectedGrowth(betting([1, 1, 1, 1], windowed), pi, Float64Array.of(1, 1, 1, 1))[0]).toBe(0)
  })

  test('what hits do is kept apart, and both parts make the whole', () => {
    const cells = Float64Array.of(0.1, 5, 0.2, 9)
    const bet = betting([-1.5, 0.01, 0.3, 0], true)
    const { withoutHits, byHits, hits } = growthByHits(bet, 0.5, cells)
    expect(hits).toBe(0.1)
    expect(byHits[0]).toBeLessThan(0)
    expect(withoutHits[0]! + byHits[0]!).toBeCloseTo(expectedGrowth(bet, 0.5, cells)[0]!, 12)
  })
})

describe('when a level is reached', () => {
  const steady = (growth: number) => evenGrowth(Float64Array.of(growth))

  test('at once, after a while, through a standstill, or never', () => {
    const wealth = new ExpectedWealth(Float64Array.of(0))
    expect(wealth.log(5)).toBe(0)
    wealth.grow(10, steady(0.5))
    wealth.grow(12, steady(0))
    wealth.grow(20, steady(0.1))
    expect(wealth.reaches(0, 3)).toBe(3)
    expect(wealth.reaches(0.75, 0)).toBeCloseTo(11.5, 1)
    expect(wealth.reaches(2, 0)).toBeCloseTo(30, 1)
    wealth.grow(40, steady(-1))
    expect(wealth.reaches(5, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  test('a mixture is carried by its best bet', () => {
    const wealth = new ExpectedWealth(Float64Array.of(Math.log(0.1), Math.log(0.9)))
    wealth.grow(0, evenGrowth(Float64Array.of(1, -1)))
    expect(wealth.reaches(3, 0)).toBeCloseTo(3 + Math.log(10), 1)
  })

  // A hit costs 2 and comes every 100 s on average; 2.5 are won in 25 s without one.
  const growth = { withoutHits: Float64Array.of(0.1), byHits: Float64Array.of(-0.02), hits: 0.01 }

  test('rare hits delay some, each by the time that makes up for it', () => {
    const wealth = new ExpectedWealth(Float64Array.of(0))
    wealth.grow(0, growth)
    expect(wealth.log(30)).toBeCloseTo(2.4, 12)
    // Three quarters need no more than 25 s and have no hit until then; a hit takes 20 s.
    expect(wealth.reaches(2.5, 0)).toBeCloseTo(25, 1)
    expect(wealth.reaches(5, 0)).toBeGreaterThan(51)
    expect(wealth.reaches(5, 0)).toBeLessThan(65)
  })

  test('where hits cost more than is won between them, the lucky do not count for all', () => {
    const wealth = new ExpectedWealth(Float64Array.of(0))
    wealth.grow(0, { withoutHits: Float64Array.of(0.1), byHits: Float64Array.of(-0.2), hits: 0.01 })
    expect(wealth.reaches(8, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  test('hits of the past are as many as expected for what is measured from later on', () => {
    const wealth = new ExpectedWealth(Float64Array.of(0))
    wealth.grow(0, growth)
    const start = wealth.log(1000)
    expect(start).toBeCloseTo(80, 9)
    expect(wealth.reaches(start + 2.5, 1000, 1000)).toBeCloseTo(1025, 1)
  })

  test('many hits do not scatter', () => {
    const wealth = new ExpectedWealth(Float64Array.of(0))
    wealth.grow(0, { ...growth, hits: 10 })
    expect(wealth.reaches(3, 0)).toBeCloseTo(3 / 0.08, 1)
  })
})
