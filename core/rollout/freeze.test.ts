import { expect, test } from 'vitest'
import { setFreeze } from './freeze.ts'

const ann = { actor: 'ann', reason: 'black friday', nowMs: 7 }

test('a freeze says who set it, why and since when', () => {
  const { next, event } = setFreeze({ frozen: false }, true, ann)!
  expect(next).toEqual({ frozen: true, actor: 'ann', reason: 'black friday', sinceMs: 7 })
  expect(event).toMatchObject({ kind: 'frozen', actor: 'ann', reason: 'black friday', atMs: 7 })
})

test('lifting it leaves nothing but the record', () => {
  const { next, event } = setFreeze({ frozen: true, ...ann, sinceMs: 7 }, false, { ...ann, reason: 'over' })!
  expect(next).toEqual({ frozen: false })
  expect(event).toMatchObject({ kind: 'unfrozen', reason: 'over' })
})

test('what already is that way does not change, and keeps its first reason', () => {
  expect(setFreeze({ frozen: false }, false, ann)).toBeUndefined()
  expect(setFreeze({ frozen: true, ...ann, sinceMs: 7 }, true, ann)).toBeUndefined()
})
