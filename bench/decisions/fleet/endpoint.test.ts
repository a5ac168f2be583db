import { expect, test } from 'vitest'
import { Sampler, seedBytes } from '../sample.ts'
import { batchingEndpoint, parallelEndpoint } from './endpoint.ts'
import { coldService, hangingService, logNormalService } from './service.ts'

function endsOf() {
  const ends: [request: number, endMs: number][] = []
  return { ends, done: (request: number, endMs: number) => void ends.push([request, endMs]) }
}

test('what comes while a batch runs is the next batch, and its requests end together', () => {
  const endpoint = batchingEndpoint(new Sampler(seedBytes('batch')), { fixedMs: 10, eachMs: 0.5, sigma: 0 })
  const { ends, done } = endsOf()
  endpoint.take(1, 0, done)
  endpoint.take(2, 4, done)
  endpoint.take(3, 8, done)
  expect(ends).toEqual([[1, 10.5]])
  endpoint.advance(10.4, done)
  expect(ends.length).toBe(1)
  endpoint.advance(1000, done)
  expect(ends.slice(1)).toEqual([
    [2, 21.5],
    [3, 21.5],
  ])
  endpoint.take(4, 1000, done)
  expect(ends.at(-1)).toEqual([4, 1010.5])
})

test('a request that finds a batch running and another waiting joins the one that waits', () => {
  const endpoint = batchingEndpoint(new Sampler(seedBytes('batch')), { fixedMs: 10, eachMs: 1, sigma: 0 })
  const { ends, done } = endsOf()
  endpoint.take(1, 0, done)
  endpoint.take(2, 1, done)
  endpoint.take(3, 20, done)
  expect(ends).toEqual([
    [1, 11],
    [2, 22],
  ])
  endpoint.advance(30, done)
  expect(ends.at(-1)).toEqual([3, 33])
})

test('the pieces of a service do what they say', () => {
  const random = new Sampler(seedBytes('service'))
  const plain = logNormalService(random, 10, 0.5)
  const cold = coldService(() => 10, 30_000, 4)
  expect([cold(0), cold(29_999), cold(30_000)]).toEqual([40, 40, 10])
  const hanging = hangingService(random, plain, 0.01)
  const n = 20_000
  const draws = Array.from({ length: n }, () => hanging(0))
  expect(draws.filter((ms) => ms === Number.POSITIVE_INFINITY).length / n).toBeCloseTo(0.01, 2)
  expect(draws.sort((a, b) => a - b)[n / 2]).toBeCloseTo(10, 0)
  const { ends, done } = endsOf()
  parallelEndpoint(() => 5).take(1, 7, done)
  expect(ends).toEqual([[1, 12]])
})
