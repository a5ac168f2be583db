import { expect, test } from 'vitest'
import { alternate, median, medianRatio } from './rounds.ts'

test('peers take turns, and every other round backwards', async () => {
  const seen: string[] = []
  const measured = await alternate(['a', 'b', 'c'], 3, async (peer, round) => {
    seen.push(peer)
    return round
  })
  expect(seen.join('')).toBe('abccbaabc')
  expect([...measured]).toEqual([
    ['a', [0, 1, 2]],
    ['b', [0, 1, 2]],
    ['c', [0, 1, 2]],
  ])
})

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
  [[7], 7],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected)
})

test('the median of nothing is no number', () => {
  expect(median([])).toBeNaN()
})

test('a round in which the whole machine was slow does not move the ratio', () => {
  expect(medianRatio([400, 40, 410], [100, 10, 100])).toBe(4)
})
