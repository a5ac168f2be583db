import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Endpoint } from '../messages.ts'
import { DEFAULT_RESILIENCE, type Resilience } from '../resilience.ts'
import { EndpointHealth, type Result } from './endpoint-health.ts'
import { type Candidate, Endpoints, poolOf } from './endpoints.ts'

let nowMs: number
beforeEach(() => {
  nowMs = 1_000
})

class Fake implements Candidate {
  readonly id: string
  readonly serves: string
  healthy: boolean
  silent: boolean
  readonly health: EndpointHealth
  inFlight = 0
  closed = false

  constructor(endpoint: Endpoint, resilience: Resilience) {
    this.id = endpoint.id
    this.serves = poolOf(endpoint.version, endpoint.arm)
    this.healthy = endpoint.healthy
    this.silent = endpoint.silent ?? false
    this.health = new EndpointHealth(resilience, nowMs)
  }

  update({ healthy, silent = false }: Endpoint): void {
    this.healthy = healthy
    this.silent = silent
  }

  configure(resilience: Resilience): void {
    this.health.configure(resilience)
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

const given = (id: string, more: Partial<Endpoint> = {}): Endpoint => ({
  id,
  version: '1.0.0',
  origin: 'http://127.0.0.1:1',
  healthy: true,
  own: true,
  ...more,
})

function pool(endpoints: readonly Endpoint[], more: Partial<Resilience> = {}) {
  const resilience = { ...DEFAULT_RESILIENCE, slowStartMs: 0, ...more }
  const made = new Map<string, Fake>()
  const make = (endpoint: Endpoint, settings: Resilience) => {
    const fake = new Fake(endpoint, settings)
    made.set(endpoint.id, fake)
    return fake
  }
  const all = new Endpoints(make, resilience, () => nowMs)
  all.replace(endpoints, resilience)
  /** Who is chosen, over many draws. */
  const chosen = (options: { avoid?: string; panic?: boolean } = {}) => {
    const avoid = options.avoid === undefined ? undefined : made.get(options.avoid)
    const ids = Array.from(
      { length: 200 },
      (_, i) => all.choose('1.0.0', nowMs, (i * 0x9e3779b1) >>> 0, avoid, options.panic)?.id,
    )
    return [...new Set(ids)].sort()
  }
  const ended = (id: string, result: Result, ms = 1) => {
    const one = made.get(id)!
    one.health.began()
    one.health.ended(result, ms, nowMs, 0x8000_0000, () => all.mayEject(one))
  }
  return { all, made, chosen, ended, replace: (next: readonly Endpoint[]) => all.replace(next, resilience) }
}

describe('an endpoint that just refused a connection', () => {
  test('is passed over for another one, for five seconds', () => {
    const { chosen, ended } = pool([given('a'), given('b')])
    ended('a', 'refused')
    expect(chosen()).toEqual(['b'])
    nowMs += 4_999
    expect(chosen()).toEqual(['b'])
    nowMs += 1
    expect(chosen()).toEqual(['a', 'b'])
  })

  test('is asked again as soon as control has looked at it', () => {
    const { chosen, ended, replace } = pool([given('a'), given('b')])
    ended('a', 'refused')
    replace([given('a'), given('b')])
    expect(chosen()).toEqual(['a', 'b'])
  })

  test('is asked where there is no other: one refusal is one failure', () => {
    const alone = pool([given('a')])
    alone.ended('a', 'refused')
    expect(alone.chosen()).toEqual(['a'])
    const beside = pool([given('a'), given('b', { healthy: false })])
    beside.ended('a', 'refused')
    expect(beside.chosen()).toEqual(['a'])
  })

  test('is not asked by the request that it refused, nor when control holds it to be down', () => {
    const { chosen, ended, replace } = pool([given('a')])
    ended('a', 'refused')
    expect(chosen({ avoid: 'a' })).toEqual([undefined])
    replace([given('a', { healthy: false })])
    expect(chosen()).toEqual([undefined])
  })

  test('answers nothing that a comparison could rest on', () => {
    const { all, ended } = pool([given('a')])
    expect([all.answers('1.0.0', nowMs), all.answers('1.1.0', nowMs)]).toEqual([true, false])
    ended('a', 'refused')
    expect(all.answers('1.0.0', nowMs)).toBe(false)
    nowMs += 5_000
    expect(all.answers('1.0.0', nowMs)).toBe(true)
  })
})

describe('an endpoint that fails five times in a row', () => {
  const five = ({ ended }: ReturnType<typeof pool>, id: string) => {
    for (let i = 0; i < 5; i++) ended(id, 'failed')
  }

  test('is left out for half a minute, longer each time, and five minutes at most', () => {
    const its = pool([given('a'), given('b')])
    five(its, 'a')
    for (const seconds of [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300]) {
      expect(its.chosen()).toEqual(['b'])
      nowMs += seconds * 1_000 - 1
      expect(its.chosen()).toEqual(['b'])
      nowMs += 1
      expect(its.chosen()).toContain('a')
      its.ended('a', 'failed')
    }
    expect(its.made.get('a')!.health.ejection.count).toBe(12)
  })

  test('fails in a row: one good answer between begins anew', () => {
    const its = pool([given('a'), given('b')])
    for (let i = 0; i < 20; i++) its.ended('a', i % 5 === 4 ? 'ok' : 'failed')
    expect(its.chosen()).toEqual(['a', 'b'])
  })

  test('is on probation afterwards: one request at a time decides, and nothing but a request does', () => {
    const its = pool([given('a'), given('b')])
    five(its, 'a')
    nowMs += 30_000
    expect(its.chosen()).toContain('a')
    its.made.get('a')!.health.began()
    expect(its.chosen()).toEqual(['b'])
    its.replace([given('a'), given('b')])
    expect(its.chosen()).toEqual(['b'])
    its.ended('a', 'neutral')
    expect(its.chosen()).toContain('a')
    its.ended('a', 'ok')
    expect(its.chosen()).toEqual(['a', 'b'])
  })

  test('is forgiven an ejection for each clean spell as long as one', () => {
    const its = pool([given('a'), given('b')])
    five(its, 'a')
    nowMs += 30_000
    its.ended('a', 'ok')
    nowMs += 30_000
    its.ended('a', 'ok')
    five(its, 'a')
    nowMs += 30_000
    expect(its.chosen()).toContain('a')
  })

  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
  ])('of a pool of %i leaves with at most %i of it', (size, most) => {
    const ids = Array.from({ length: size }, (_, i) => `${i}`)
    const its = pool(ids.map((id) => given(id)))
    for (const id of ids) five(its, id)
    expect(its.chosen()).toHaveLength(size - most)
  })

  test('is not the one that says 503, nor the one whose callers leave', () => {
    const its = pool([given('a'), given('b')])
    for (let i = 0; i < 50; i++) its.ended('a', i % 2 === 0 ? 'busy' : 'neutral')
    expect(its.chosen()).toEqual(['a', 'b'])
  })
})

describe('a choice between two', () => {
  test('takes the one that would be sooner: by latency, and by what it has to do', () => {
    const { all, made, ended } = pool([given('a'), given('b')])
    const choose = () => all.choose('1.0.0', nowMs, 0)?.id
    ended('a', 'ok', 10)
    ended('b', 'ok', 20)
    expect(choose()).toBe('a')
    made.get('a')!.inFlight = 2
    expect(choose()).toBe('b')
  })

  test('remembers a peak, and forgets it in time', () => {
    const { all, ended } = pool([given('a'), given('b')])
    const choose = () => all.choose('1.0.0', nowMs, 0)?.id
    for (const id of ['a', 'b']) ended(id, 'ok', 10)
    ended('a', 'ok', 1_000)
    ended('a', 'ok', 5)
    expect(choose()).toBe('b')
    for (let i = 0; i < 60; i++) {
      nowMs += 1_000
      ended('a', 'ok', 5)
      ended('b', 'ok', 10)
    }
    expect(choose()).toBe('a')
  })

  test('asks one that was slow once again in time, although nobody asks it meanwhile', () => {
    const { all, ended } = pool([given('a'), given('b')])
    for (const id of ['a', 'b']) ended(id, 'ok', 10)
    ended('a', 'ok', 1_000)
    const asked = new Set<string>()
    for (let i = 0; i < 600; i++) {
      nowMs += 100
      const { id } = all.choose('1.0.0', nowMs, 0)!
      asked.add(id)
      ended(id, 'ok', 10)
    }
    expect([...asked].sort()).toEqual(['a', 'b'])
  })

  test('does not ask one that holds up what it has, however long it has said nothing', () => {
    const { all, made, ended } = pool([given('a'), given('b')])
    for (const id of ['a', 'b']) ended(id, 'ok', 10)
    made.get('a')!.inFlight = 3
    for (let i = 0; i < 100; i++) {
      nowMs += 100
      made.get('b')!.inFlight = i % 3
      expect(all.choose('1.0.0', nowMs, 0)!.id).toBe('b')
      ended('b', 'ok', 10)
    }
  })

  test('does not take quick failures for speed', () => {
    const { all, ended } = pool([given('a'), given('b')])
    ended('a', 'ok', 10)
    ended('b', 'ok', 9)
    for (let i = 0; i < 4; i++) {
      nowMs += 60_000
      ended('a', 'failed', 0.1)
      ended('b', 'ok', 9)
    }
    expect(all.choose('1.0.0', nowMs, 0)?.id).toBe('b')
  })

  test('gives one that came back its share slowly, where others are there already', () => {
    const its = pool([given('a'), given('b', { healthy: false })], { slowStartMs: 30_000 })
    nowMs += 60_000
    its.replace([given('a'), given('b')])
    const share = () => {
      const draws = Array.from({ length: 4_000 }, (_, i) =>
        its.all.choose('1.0.0', nowMs, Math.imul(i + 1, 0x9e3779b1) >>> 0),
      )
      return draws.filter((one) => one?.id === 'b').length / draws.length
    }
    expect(share()).toBeCloseTo(0.1, 1)
    nowMs += 15_000
    expect(share()).toBeCloseTo(0.5, 1)
  })
})

describe('panic', () => {
  const health = (healthy: number, size: number, more: Partial<Endpoint> = {}) =>
    Array.from({ length: size }, (_, i) => given(`${i}`, i < healthy ? {} : { healthy: false, ...more }))

  test('asks those that control hears nothing from where fewer than half are left, if it may', () => {
    const { all, chosen } = pool(health(1, 3, { silent: true }))
    expect(chosen()).toEqual(['0'])
    expect(all.panics).toBe(0)
    expect(chosen({ panic: true })).toEqual(['0', '1', '2'])
    // Each choice is counted.
    expect(all.panics).toBe(200)
    expect(pool(health(1, 2, { silent: true })).chosen({ panic: true })).toEqual(['0'])
  })

  test('asks nobody that is known to be gone, or that was never verified', () => {
    const { all, chosen } = pool(health(1, 3))
    expect(chosen({ panic: true })).toEqual(['0'])
    expect(all.panics).toBe(0)
    expect(pool(health(0, 3)).chosen({ panic: true })).toEqual([undefined])
  })

  test('ends a lockout of all by their checks', () => {
    expect(pool(health(0, 3, { silent: true })).chosen({ panic: true })).toEqual(['0', '1', '2'])
  })
})

test('the limit of ejections, health and panic never leave a pool with a healthy endpoint without an answer', () => {
  const results = fc.constantFrom<Result>('ok', 'failed', 'refused', 'busy', 'neutral')
  const step = fc.record({ id: fc.nat(4), result: results, ms: fc.nat(40_000), panic: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(0xffff_ffff), (steps, random) => {
      nowMs = 0
      const its = pool(Array.from({ length: 5 }, (_, i) => given(`${i}`, { healthy: i < 4 })))
      for (const { id, result, ms, panic } of steps) {
        nowMs += ms
        its.ended(`${id}`, result, ms)
        const one = its.all.choose('1.0.0', nowMs, random, undefined, panic)
        expect(one?.healthy).toBe(true)
      }
    }),
  )
})
