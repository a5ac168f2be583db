import { expect, test } from 'vitest'
import { warmUp } from './warm-up.ts'

/** A model whose run takes `rowMs` a row on a clock that only it moves. */
function modelTaking(rowMs: number) {
  let nowMs = 0
  return {
    run: async (rows: readonly number[]) => {
      nowMs += rowMs * rows.length
      return []
    },
    nowMs: () => nowMs,
  }
}
const timingsOf = async (rowMs: number, rowsMax: number) => {
  const { run, nowMs } = modelTaking(rowMs)
  const inputsOf = (rows: number) => Array(rows).fill(0)
  return warmUp(run as never, inputsOf, rowsMax, nowMs)
}

test('doubles the rows up to the largest batch', async () => {
  expect(await timingsOf(0.125, 6)).toEqual([
    { rows: 1, runMs: 0.125 },
    { rows: 2, runMs: 0.25 },
    { rows: 4, runMs: 0.5 },
    { rows: 6, runMs: 0.75 },
  ])
})

test('stops at the first size that blocks for too long', async () => {
  expect(await timingsOf(4, 64)).toEqual([
    { rows: 1, runMs: 4 },
    { rows: 2, runMs: 8 },
  ])
})

test('a model of batches of one is measured with one', async () => {
  expect(await timingsOf(1, 1)).toEqual([{ rows: 1, runMs: 1 }])
})
