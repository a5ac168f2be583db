import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PackedPair } from '../messages.ts'
import {
  adapters,
  BODY,
  type Call,
  canary,
  clock,
  evidence,
  freshDataPlane,
  outcomes,
  pairs,
  plane,
  prediction,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering, type Behaviour } from '../testing/upstream.ts'

freshDataPlane()

const mirroring = { weightBp: 0, trial: { mirrorBp: 10_000 } }
const body = (months: number) => JSON.stringify({ instances: [{ tenure_months: months }] })
const answered = (score: number, version = '1.1.0'): Behaviour =>
  answering({
    predictions: [{ label: score >= 0.5 ? 1 : 0, probabilities: [1 - score, score] }],
    model_name: 'churn',
    model_version: version,
  })
/** Told to control, once every copy is answered. */
const told = async (count: number): Promise<readonly PackedPair[]> => {
  const all = () => pairs.flatMap((message) => message.pairs)
  while (all().length < count) {
    plane.flush()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return all()
}
const tally = () => plane.recorder.snapshot().mirrored[0]?.results

describe.each(Object.keys(adapters))('a mirror over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (text = BODY, path = '/v1/models/churn:predict') => call('POST', path, { body: text })

  test('sends the canary what stable gets, and clients stable’s answers alone', async () => {
    route({ ...mirroring, own: false })
    canary.behave(answered(0.3))
    for (let months = 0; months < 40; months++)
      expect(await predict(body(months))).toMatchObject({
        status: 200,
        headers: { 'x-model-version': '1.0.0' },
      })
    const all = await told(40)
    const beside = (other: 0 | 1) => all.filter((pair) => pair[1] === other)
    expect(canary.requests).toHaveLength(beside(0).length)
    expect(stable.requests).toHaveLength(40 + beside(1).length)
    expect(new Set(canary.requests.map((one) => one.body)).size).toBe(canary.requests.length)
    expect(beside(0).length).toBeGreaterThan(20)
    // One in eight is stable's own copy.
    expect(beside(1).length).toBeGreaterThan(0)
    for (const pair of beside(0)) expect(pair.slice(2, 8)).toEqual([0, 0.8, 1, 0, 0.3, 0])
    for (const pair of beside(1)) expect(pair.slice(2, 8)).toEqual([0, 0.8, 1, 0, 0.8, 1])
    for (const pair of all) expect(pair.slice(8)).toEqual([expect.any(Number), expect.any(Number)])
    expect(tally()).toMatchObject({ compared: beside(0).length, floor: beside(1).length, void: 0 })
  })

  test('names an input by its bytes: the same one twice is told apart from another', async () => {
    route({ ...mirroring, own: false })
    canary.behave(answered(0.3))
    for (const months of [1, 1, 2]) await predict(body(months))
    const inputs = (await told(3)).map(([input]) => input)
    expect(new Set(inputs).size).toBe(2)
  })

  test('is no evidence of a live arm, and counts in no arm', async () => {
    route({ ...mirroring, own: false })
    for (let i = 0; i < 10; i++) await predict(body(i))
    await told(10)
    expect(Object.keys(outcomes())).toEqual(['stable'])
    expect(outcomes().stable).toEqual({ ok: 10 })
    expect(Object.keys(evidence())).toEqual(['stable'])
  })

  test.each([
    ['fails', answering({ error: 'model error' }, 500), 2],
    ['breaks off', ((incoming) => incoming.socket.destroy()) as Behaviour, 2],
    ['answers nonsense', answering('<html>'), 2],
    ['refuses', answering({ error: 'months: at most 12' }, 422), 1],
  ])('a canary that %s is no client’s trouble', async (_, behaviour, outcome) => {
    route({ ...mirroring, own: false })
    canary.behave(behaviour)
    for (let i = 0; i < 16; i++) expect((await predict(body(i))).status).toBe(200)
    const beside = (await told(16)).filter((pair) => pair[1] === 0)
    expect(beside.length).toBeGreaterThan(0)
    for (const pair of beside) expect(pair.slice(2, 8)).toEqual([0, 0.8, 1, outcome, null, null])
  })

  test('a canary that nothing serves fails what it is sent', async () => {
    route({ ...mirroring, own: false, canaryHealthy: false })
    for (let i = 0; i < 16; i++) expect((await predict(body(i))).status).toBe(200)
    const beside = (await told(16)).filter((pair) => pair[1] === 0)
    for (const pair of beside) expect(pair[5]).toBe(2)
    expect(canary.requests).toEqual([])
  })

  test('a canary that never answers holds up nobody, and few copies wait for it', async () => {
    route({ ...mirroring, own: false, trial: { mirrorBp: 10_000, firstAttemptMs: 200 } })
    canary.behave(() => {})
    for (let i = 0; i < 30; i++) expect((await predict(body(i))).status).toBe(200)
    // The time that copies have is the process's own; it passes.
    const all = await told(8)
    expect(canary.requests.length).toBeLessThanOrEqual(16)
    expect(tally()!.limit).toBeGreaterThan(0)
    expect(all.filter((pair) => pair[1] === 0).every((pair) => pair[5] === 2)).toBe(true)
  })

  test('nothing is copied of pinned requests, beside a dead stable, or at a share of 0', async () => {
    route({ ...mirroring, own: false })
    await predict(BODY, '/v1/models/churn/versions/1.0.0:predict')
    route({ ...mirroring, own: false, stableHealthy: false })
    await predict()
    route({ weightBp: 0, trial: { mirrorBp: 0 }, own: false })
    await predict()
    expect(canary.requests).toEqual([])
    expect(tally()).toMatchObject({ compared: 0, floor: 0 })
  })

  test('is the first that a process with too much to do gives up', async () => {
    route({ ...mirroring, own: false })
    plane.overload.read({ loopDelayMs: 1, loopUse: 1, heapShare: 0.1 })
    clock.ms += 1
    expect((await predict()).status).toBe(200)
    expect(canary.requests).toEqual([])
    expect(tally()).toMatchObject({ overload: 1 })
  })

  test('copies about as many as it is told to', async () => {
    route({ weightBp: 0, own: false, trial: { mirrorBp: 2_000 } })
    canary.behave(answered(0.3))
    for (let i = 0; i < 200; i++) await predict(body(i))
    const { compared, floor } = tally()!
    expect(compared! + floor!).toBeGreaterThan(20)
    expect(compared! + floor!).toBeLessThan(64)
    expect(prediction.model_version).toBe('1.0.0')
  })
})
