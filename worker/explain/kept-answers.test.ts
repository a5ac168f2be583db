import { expect, test } from 'vitest'
import { KeptAnswers } from './kept-answers.ts'

const answer = (bytes: number) => ({ status: 200, body: Buffer.alloc(bytes) })
const numbers = (kept: KeptAnswers) =>
  Array.from({ length: 9 }, (_, number) => number).filter((number) => kept.get(number) !== undefined)

function kept({ countMax = 9, bytesMax = 1000, ageMaxMs = 100 } = {}) {
  const clock = { ms: 0 }
  return { it: new KeptAnswers({ countMax, bytesMax, ageMaxMs }, () => clock.ms), clock }
}

test('so many are kept, the newest', () => {
  const { it } = kept({ countMax: 2 })
  for (let number = 0; number < 4; number++) it.set(number, answer(1))
  expect([numbers(it), it.count, it.bytes]).toEqual([[2, 3], 2, 2])
})

test('so many bytes are kept, and the newest whatever its size', () => {
  const { it } = kept({ bytesMax: 10 })
  it.set(0, answer(4))
  it.set(1, answer(4))
  it.set(2, answer(5))
  expect([numbers(it), it.bytes]).toEqual([[1, 2], 9])
  it.set(3, answer(11))
  expect([numbers(it), it.bytes]).toEqual([[3], 11])
})

test('none is kept for longer than it may be, however often it is asked for', () => {
  const { it, clock } = kept()
  it.set(0, answer(1))
  clock.ms = 60
  it.set(1, answer(1))
  clock.ms = 99
  expect(numbers(it)).toEqual([0, 1])
  clock.ms = 100
  expect([numbers(it), it.bytes, it.count]).toEqual([[1], 1, 1])
  clock.ms = 160
  expect([it.count, it.bytes]).toEqual([0, 0])
})
