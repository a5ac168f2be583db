import { expect, test } from 'vitest'
import { CORPUS } from './corpus.ts'
import { simulate } from './simulate.ts'
import { again, testLives } from './testing/lives.ts'

test.each(CORPUS)('seed %i, which once found that %s', async (seed) => {
  expect((await simulate(seed)).broken, again(seed)).toEqual([])
})

test.each([3, 8])('the same seed gives the same life: %i', async (seed) => {
  expect(await simulate(seed, { trace: true })).toEqual(await simulate(seed, { trace: true }))
})

testLives(0, 250)
