import { expect, test } from 'vitest'
import type { Span } from './span.ts'
import { SpanQueue } from './span-queue.ts'

const span = {} as Span
function collector() {
  const batches: number[] = []
  const waiting: ((arrived: boolean) => void)[] = []
  const queue = new SpanQueue((spans) => {
    batches.push(spans.length)
    return new Promise((resolve) => waiting.push(resolve))
  })
  const add = (count: number) => {
    for (let i = 0; i < count; i++) queue.add(span)
  }
  const answer = async (arrived = true) => {
    waiting.shift()!(arrived)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { queue, batches, add, answer }
}

test('one batch at a time, and a full one is followed at once', async () => {
  const { queue, batches, add, answer } = collector()
  add(1_200)
  queue.flush()
  queue.flush()
  expect(batches).toEqual([512])
  await answer()
  expect(batches).toEqual([512, 512])
  await answer()
  expect(batches).toEqual([512, 512])
  queue.flush()
  expect(batches).toEqual([512, 512, 176])
  await answer()
  expect(queue.counts).toEqual({ exported: 1_200, failed: 0, dropped: 0 })
})

test('a collector that does not answer costs what is one too many', async () => {
  const { queue, add, answer } = collector()
  add(1)
  queue.flush()
  add(10_000)
  expect(queue.counts.dropped).toBe(10_000 - 4_096)
  await answer(false)
  expect(queue.counts.failed).toBe(1)
})

test('at the end what is there is sent, and a collector that is away is not waited for twice', async () => {
  const { queue, batches, add, answer } = collector()
  add(1_500)
  const closed = queue.close()
  await new Promise((resolve) => setImmediate(resolve))
  await answer()
  await answer(false)
  await closed
  expect(batches).toEqual([512, 512])
})
