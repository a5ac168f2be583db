import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEFAULT_LISTENER } from './http1/settings.ts'
import { clientsPerProcess, listenerPerProcess, perProcess } from './per-process.ts'
import { DEFAULT_RESILIENCE } from './resilience.ts'

test('one process has everything', () => {
  expect(perProcess(DEFAULT_RESILIENCE, 1)).toEqual(DEFAULT_RESILIENCE)
  expect(listenerPerProcess(DEFAULT_LISTENER, 1)).toEqual(DEFAULT_LISTENER)
})

test('what counts requests or connections is divided, rounded up', () => {
  const { retries, concurrency, queue, connections, ...same } = perProcess(DEFAULT_RESILIENCE, 3)
  expect(retries).toEqual({ budget: 0.2, atLeast: 1 })
  expect(concurrency).toEqual({ initial: 86, min: 2, max: 342 })
  expect(queue).toEqual({ maxWaitMs: 100, max: 342 })
  expect(connections).toBe(22)
  expect(DEFAULT_RESILIENCE).toMatchObject(same)
  expect(listenerPerProcess(DEFAULT_LISTENER, 3)).toEqual({ ...DEFAULT_LISTENER, connectionsMax: 3_334 })
})

test('what a client may ask is divided; a rate stays a rate, and a burst lets something through', () => {
  const client = { name: 'app', sha256: ['00'], rate: { perSecond: 5, burst: 2 } }
  expect(clientsPerProcess([client, { name: 'web', sha256: [] }], 4)).toEqual([
    { ...client, rate: { perSecond: 1.25, burst: 1 } },
    { name: 'web', sha256: [] },
  ])
})

test('no second attempts stay none', () => {
  expect(perProcess({ ...DEFAULT_RESILIENCE, retries: { budget: 0, atLeast: 0 } }, 8).retries.atLeast).toBe(0)
})

test('however it is divided, every share can be used, is in order, and all together are the whole or little more', () => {
  const number = fc.integer({ min: 1, max: 100_000 })
  fc.assert(
    fc.property(
      fc.tuple(number, number, number),
      number,
      fc.integer({ min: 1, max: 64 }),
      (three, one, n) => {
        const [min, initial, max] = three.toSorted((a, b) => a - b) as [number, number, number]
        const whole = {
          ...DEFAULT_RESILIENCE,
          concurrency: { min, initial, max },
          queue: { maxWaitMs: 1, max: one },
          connections: one,
        }
        const part = perProcess(whole, n)
        expect(part.concurrency.min).toBeGreaterThanOrEqual(1)
        expect(part.concurrency.initial).toBeGreaterThanOrEqual(part.concurrency.min)
        expect(part.concurrency.max).toBeGreaterThanOrEqual(part.concurrency.initial)
        for (const [share, total] of [
          [part.concurrency.max, max],
          [part.queue.max, one],
          [part.connections, one],
        ] as const) {
          expect(share * n).toBeGreaterThanOrEqual(total)
          expect(share * n).toBeLessThan(total + n)
        }
      },
    ),
  )
})
