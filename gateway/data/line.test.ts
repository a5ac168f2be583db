import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Attempt } from './attempt.ts'
import { Line } from './line.ts'

/** What a line asks of one that waits. */
function waiter(submittedMs: number) {
  const told: string[] = []
  const attempt = {
    submittedMs,
    isSettled: false,
    held: () => {},
    settle: (how: string) => told.push(how),
  } as unknown as Attempt
  return { attempt, told }
}

/** Until the line has told somebody: its timers are real, its clock is not. */
async function until(isOver: () => boolean) {
  while (!isOver()) await turn()
}

test('who waits longer than allowed is told that it is busy; who may still wait goes on', async () => {
  let nowMs = 0
  const line = new Line({ maxWaitMs: 1, max: 10 }, () => nowMs)
  const [first, second] = [waiter(0), waiter(50)]
  line.push(first.attempt)
  line.push(second.attempt)
  nowMs = 10
  await until(() => first.told.length > 0)
  expect([first.told, second.told, line.length]).toEqual([['busy'], [], 1])
  expect(line.close()).toEqual([second.attempt])
})

test('after a process stood still, what came meanwhile may make room before anybody is told', () => {
  let nowMs = 0
  const line = new Line({ maxWaitMs: 1, max: 10 }, () => nowMs)
  const { attempt, told } = waiter(0)
  line.push(attempt)
  return new Promise<void>((resolve) => {
    // Behind the line's own timer in the same turn, as are the answers in the sockets.
    setTimeout(() => {
      expect(told).toEqual([])
      expect(line.shift()).toBe(attempt)
      setImmediate(() => {
        expect(told).toEqual([])
        resolve()
      })
    }, 1)
    const startMs = performance.now()
    while (performance.now() - startMs < 5);
    nowMs = 5
  })
})
