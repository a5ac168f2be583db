import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Endpoints, suspect } from './endpoints.ts'

const NOW_MS = 1_000
const given = (id: string, healthy = true) =>
  ({ id, version: '1.0.0', origin: 'http://127.0.0.1:1', healthy, own: true }) as const

describe('an endpoint that just refused a connection', () => {
  let endpoints: Endpoints
  const chosen = (nowMs = NOW_MS, avoid?: string) =>
    new Set(
      [0, 1, 2, 3, 0xffff_ffff].map(
        (random) =>
          endpoints.choose('1.0.0', nowMs, random, avoid === undefined ? undefined : byId(avoid))?.id,
      ),
    )
  const byId = (id: string) =>
    [...Array(64).keys()].map((random) => endpoints.choose('1.0.0', 0, random)).find((one) => one?.id === id)!
  beforeEach(() => {
    endpoints = new Endpoints()
  })
  afterEach(() => endpoints.close())

  test('is passed over for another one, for five seconds', () => {
    endpoints.replace([given('a'), given('b')])
    suspect(byId('a'), NOW_MS)
    expect(chosen()).toEqual(new Set(['b']))
    expect(chosen(NOW_MS + 4_999)).toEqual(new Set(['b']))
    expect(chosen(NOW_MS + 5_000)).toEqual(new Set(['a', 'b']))
  })

  test('is asked where there is no other: one refusal is one failure', () => {
    endpoints.replace([given('a')])
    suspect(byId('a'), NOW_MS)
    expect(chosen()).toEqual(new Set(['a']))
    endpoints.replace([given('a'), given('b', false)])
    suspect(byId('a'), NOW_MS)
    expect(chosen()).toEqual(new Set(['a']))
  })

  test('is not asked by the request that it refused, nor when control holds it to be down', () => {
    endpoints.replace([given('a')])
    suspect(byId('a'), NOW_MS)
    expect(chosen(NOW_MS, 'a')).toEqual(new Set([undefined]))
    endpoints.replace([given('a', false)])
    expect(chosen()).toEqual(new Set([undefined]))
  })

  test('answers nothing that a comparison could rest on', () => {
    endpoints.replace([given('a')])
    expect([endpoints.answers('1.0.0', NOW_MS), endpoints.answers('1.1.0', NOW_MS)]).toEqual([true, false])
    suspect(byId('a'), NOW_MS)
    expect(endpoints.answers('1.0.0', NOW_MS)).toBe(false)
    expect(endpoints.answers('1.0.0', NOW_MS + 5_000)).toBe(true)
  })
})
