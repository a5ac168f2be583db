import { expect, test } from 'vitest'
import { enumerate, type Game, ORDERS, permute } from './coalitions.ts'

/** 3 for the first, 5 for the second and third together, the fourth is worth nothing. */
const game: Game = async (coalitions) =>
  Float64Array.from(coalitions, ([a, b, c]) => 1 + 3 * a! + 5 * b! * c! + 2 * a! * b!)

test('all coalitions give the values of the definition', async () => {
  const { base, contributions } = await enumerate(game, 4)
  expect(base).toBe(1)
  for (const [i, value] of [4, 3.5, 2.5, 0].entries()) expect(contributions[i]).toBeCloseTo(value, 12)
})

test('an estimate sums to the same, and is as near as its standard error says', async () => {
  const { base, contributions, standardErrors } = await permute(game, 4, 17)
  expect(base + contributions.reduce((a, b) => a + b, 0)).toBeCloseTo(11, 12)
  for (const [i, value] of [4, 3.5, 2.5, 0].entries())
    expect(Math.abs(contributions[i]! - value)).toBeLessThanOrEqual(4 * standardErrors![i]! + 1e-12)
})

test('interactions of two are exact in an order and its reverse', async () => {
  const { standardErrors } = await permute(game, 4, 18)
  for (const each of standardErrors!) expect(each).toBeLessThan(1e-12)
})

test('the same seed gives the same estimate; each order is walked forwards and backwards', async () => {
  const three: Game = async (coalitions) => Float64Array.from(coalitions, ([a, b, c]) => a! * b! * c!)
  let asked = 0
  const counted: Game = (coalitions) => {
    asked += coalitions.length
    return three(coalitions)
  }
  const [one, two, other] = [
    await permute(counted, 3, 1),
    await permute(three, 3, 1),
    await permute(three, 3, 2),
  ]
  expect(asked).toBe(2 * ORDERS * 4)
  expect(one.contributions).toEqual(two.contributions)
  expect(one.contributions).not.toEqual(other.contributions)
})
