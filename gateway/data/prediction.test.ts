import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  clock,
  deltas,
  evidence,
  freshDataPlane,
  idOf,
  outcomes,
  plane,
  prediction,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering, type Behaviour, FAULTS, upstream } from '../testing/upstream.ts'

freshDataPlane()

const SERVERS: Awaited<ReturnType<typeof upstream>>[] = []
/** Another server, for this test. */
async function another(behaviour: Behaviour = answering(prediction)) {
  const server = await upstream(behaviour)
  SERVERS.push(server)
  return server
}
afterEach(() => Promise.all(SERVERS.splice(0).map((server) => server.close())))

const silence: Behaviour = () => {}
const tooMuch = answering(`{"predictions":"${'x'.repeat(9 * 1024 * 1024)}"}`)
const slowly =
  (ms: number): Behaviour =>
  (...exchange) => {
    setTimeout(() => answering(prediction)(...exchange), ms)
  }

const WORDS: Record<string, string> = {
  'an internal error': 'error',
  'being overloaded': 'error',
  'a redirection': 'error',
  'a closed connection': 'error',
  'a reset': 'error',
  'half an answer': 'error',
  'no HTTP': 'error',
}
/** Each fault with the word it is counted by. */
const faults = Object.entries(FAULTS).map(([name, fault]) => [name, WORDS[name] ?? 'invalid', fault] as const)

describe.each(Object.keys(adapters))('a rollout over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (headers?: Record<string, string>, path = '/v1/models/churn:predict') =>
    call('POST', path, { body: BODY, ...(headers ? { headers } : {}) })

  test('what was drawn is evidence, by arm', async () => {
    const baseline = await another()
    const more = [{ arm: 'baseline', origin: baseline.origin }] as const
    route({ weightBp: 2_500, baselineBp: 2_500, trial: {}, more })
    for (let i = 0; i < 60; i++) await predict()
    const seen = {
      stable: stable.requests.length,
      baseline: baseline.requests.length,
      canary: canary.requests.length,
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(5)
    const good = (requests: number) => ({ requests, errors: 0, aborted: 0 })
    expect(evidence()).toEqual({
      stable: good(seen.stable),
      baseline: good(seen.baseline),
      canary: good(seen.canary),
    })
  })

  test('a split by hand and a pinned request are no evidence', async () => {
    route({ weightBp: 5_000 })
    await predict()
    expect(deltas).toEqual([])
    route({ weightBp: 5_000, trial: {} })
    await predict(undefined, '/v1/models/churn/versions/1.1.0:predict')
    expect(evidence()).toEqual({})
  })

  describe('a canary', () => {
    test.each(faults)('with %s is answered by stable, and has failed', async (_, outcome, fault) => {
      route({ weightBp: 10_000, trial: {} })
      canary.behave(fault)
      const reply = await predict()
      expect([reply.status, reply.headers['x-model-version']]).toEqual([200, '1.0.0'])
      expect(idOf(reply)).toMatchObject({ arm: 'canary', shielded: true, counts: true })
      expect([canary.requests.length, stable.requests.length]).toEqual([1, 1])
      expect(outcomes()).toEqual({ canary: { [outcome]: 1 } })
      expect(evidence()).toEqual({ canary: { requests: 1, errors: 1, aborted: 0 } })
    })

    test.each(faults)(
      'with %s is shown to the client where there is no shield',
      async (_, outcome, fault) => {
        route({ weightBp: 10_000, trial: { shield: false } })
        canary.behave(fault)
        const { status, headers } = await predict()
        expect(status).toBeGreaterThanOrEqual(300)
        expect(headers).not.toHaveProperty('x-prediction-id')
        expect([canary.requests.length, stable.requests.length]).toEqual([1, 0])
        expect(outcomes()).toEqual({ canary: { [outcome]: 1 } })
      },
    )

    test.each(faults)('of a split by hand with %s is answered by stable', async (_, outcome, fault) => {
      route({ weightBp: 10_000 })
      canary.behave(fault)
      expect((await predict()).headers['x-model-version']).toBe('1.0.0')
      expect(outcomes()).toEqual({ canary: { [outcome]: 1 } })
    })

    test('that nobody listens for is answered by stable', async () => {
      route({ weightBp: 10_000, trial: {} })
      await canary.close()
      expect((await predict()).headers['x-model-version']).toBe('1.0.0')
      expect(evidence()).toEqual({ canary: { requests: 1, errors: 1, aborted: 0 } })
    })

    test('without an endpoint is answered by stable, shield or not', async () => {
      route({ weightBp: 10_000, canaryHealthy: false, trial: { shield: false } })
      const reply = await predict()
      expect([reply.status, idOf(reply).shielded]).toEqual([200, true])
      expect(outcomes()).toEqual({ canary: { unavailable: 1 } })
      expect(evidence()).toEqual({ canary: { requests: 1, errors: 1, aborted: 0 } })
    })

    test('that answers without end is cut off at 8 MiB, and answered by stable', async () => {
      route({ weightBp: 10_000, trial: {} })
      canary.behave(tooMuch)
      expect((await predict()).headers['x-model-version']).toBe('1.0.0')
      expect(outcomes()).toEqual({ canary: { error: 1 } })
    })

    test('that refuses a request has answered it', async () => {
      route({ weightBp: 10_000, trial: {} })
      canary.behave(answering({ error: 'bad' }, 422))
      expect((await predict()).status).toBe(422)
      expect(stable.requests).toHaveLength(0)
      expect(evidence()).toEqual({ canary: { requests: 1, errors: 0, aborted: 0 } })
    })

    test('that fails where stable fails too is what stable says', async () => {
      route({ weightBp: 10_000, trial: {} })
      canary.behave(answering({ error: 'canary' }, 500))
      stable.behave(answering({ error: 'stable' }, 500))
      expect(await predict()).toMatchObject({ status: 500, body: '{"error":"stable"}' })
      expect([canary.requests.length, stable.requests.length]).toEqual([1, 1])
    })
  })

  describe('a first attempt', () => {
    const limits = { timeoutMs: 2_000 }
    const trial = { firstAttemptMs: 20, reserveMs: 50 }

    test('of the canary that takes too long is ended and answered by stable, out of the time that is left', async () => {
      route({ weightBp: 10_000, limits, trial: { ...trial, firstAttemptMs: 200 } })
      canary.behave(() => {
        clock.ms += 230
      })
      const reply = await predict()
      expect([reply.status, idOf(reply).shielded]).toEqual([200, true])
      expect(stable.requests[0]!.headers['x-coalmine-budget-ms']).toBe('1770')
      expect(outcomes()).toEqual({ canary: { timeout: 1 } })
      expect(evidence()).toEqual({ canary: { requests: 1, errors: 1, aborted: 0 } })
    })

    test('leaves the reserve, however long it may take', async () => {
      route({ weightBp: 10_000, limits: { timeoutMs: 600 }, trial: { reserveMs: 300 } })
      canary.behave(silence)
      expect((await predict()).headers['x-model-version']).toBe('1.0.0')
    })

    test('of stable has the same limit, and is followed by one elsewhere', async () => {
      const second = await another()
      route({ weightBp: 0, limits, trial, more: [{ origin: second.origin }] })
      for (const server of [stable, second]) server.behave(slowly(60))
      const other = () => stable.requests.length + second.requests.length
      expect((await predict()).status).toBe(200)
      expect(other()).toBe(2)
      expect(outcomes()).toEqual({ stable: { timeout: 1 } })
    })

    test('goes on for the caller where nobody else can answer, and has failed all the same', async () => {
      route({ weightBp: 0, limits, trial })
      stable.behave(slowly(60))
      const reply = await predict()
      expect([reply.status, stable.requests.length]).toEqual([200, 1])
      expect(outcomes()).toEqual({ stable: { timeout: 1 } })
      expect(evidence()).toEqual({ stable: { requests: 1, errors: 1, aborted: 0 } })
      expect(plane.recorder.snapshot().arms[0]!.scoreSum).toBe(0)
    })

    test.each([
      ['fails at once', { canaryHealthy: true }],
      ['cannot be made', { canaryHealthy: false }],
    ])('that %s leaves the second all of the rest', async (_, { canaryHealthy }) => {
      route({ weightBp: 10_000, limits, trial, canaryHealthy })
      canary.behave(answering({}, 500))
      stable.behave(slowly(60))
      expect((await predict()).status).toBe(200)
      expect(stable.requests).toHaveLength(1)
    })

    test('that is too late is counted as that, also where the second one ends before it began', async () => {
      const second = await another()
      const of = { limits, more: [{ origin: second.origin }] }
      // From then on nobody may wait for a place.
      const full = () => route({ ...of, resilience: { queue: { maxWaitMs: 100, max: 0 } } })
      for (const server of [stable, second]) server.behave(full)
      route({ ...of, resilience: { firstAttemptMs: 100 } })
      expect((await predict()).status).toBe(503)
      expect(outcomes()).toEqual({ stable: { timeout: 1 } })
    })

    test('without a rollout has the whole time', async () => {
      route({ weightBp: 10_000, limits })
      canary.behave(slowly(60))
      expect((await predict()).headers['x-model-version']).toBe('1.1.0')
    })

    test('and a second one never take longer than the caller waits', async () => {
      route({ weightBp: 10_000, limits: { timeoutMs: 400 }, trial })
      canary.behave(silence)
      stable.behave(silence)
      const { status, body } = await predict()
      expect([status, JSON.parse(body).error]).toEqual([504, 'no answer within 400 ms'])
      expect([canary.requests.length, stable.requests.length]).toEqual([1, 1])
      expect(outcomes()).toEqual({ canary: { timeout: 1 } })
      expect(plane.recorder.inFlight).toBe(0)
    })
  })

  describe('stable', () => {
    test.each(faults)('with %s is answered by another endpoint of it', async (_, outcome, fault) => {
      const second = await another()
      route({ weightBp: 0, trial: {}, more: [{ origin: second.origin }] })
      let failed = false
      const once: Behaviour = (...exchange) => {
        const behave = failed ? answering(prediction) : fault
        failed = true
        behave(...exchange)
      }
      for (const server of [stable, second]) server.behave(once)
      const reply = await predict()
      expect([reply.status, idOf(reply).shielded]).toEqual([200, false])
      expect([stable.requests.length, second.requests.length]).toEqual([1, 1])
      expect(outcomes()).toEqual({ stable: { [outcome]: 1 } })
      expect(evidence()).toEqual({ stable: { requests: 1, errors: 1, aborted: 0 } })
    })

    test('that answers without end is not asked again', async () => {
      const second = await another(tooMuch)
      route({ more: [{ origin: second.origin }] })
      stable.behave(tooMuch)
      expect((await predict()).status).toBe(502)
      expect(stable.requests.length + second.requests.length).toBe(1)
    })

    test('never sends a client elsewhere', async () => {
      route()
      stable.behave(FAULTS['a redirection']!)
      const { status, body } = await predict()
      expect([status, JSON.parse(body)]).toEqual([
        502,
        { error: 'the worker gave an answer that is not one' },
      ])
    })

    test('that has one endpoint passes its own failure on', async () => {
      route()
      stable.behave(answering({ error: 'model error' }, 500))
      expect(await predict()).toMatchObject({ status: 500, body: '{"error":"model error"}' })
      expect(stable.requests).toHaveLength(1)
    })

    test.each(faults.filter(([, outcome]) => outcome === 'invalid'))(
      'never gives a client %s',
      async (_, _outcome, fault) => {
        route()
        stable.behave(fault)
        const { status, body } = await predict()
        expect([status, JSON.parse(body)]).toEqual([
          502,
          { error: 'the worker gave an answer that is not one' },
        ])
        expect(stable.requests).toHaveLength(1)
      },
    )

    test('that a pin names fails at once when its answer is none', async () => {
      const second = await another(FAULTS['a page in a 200'])
      route({ more: [{ origin: second.origin }] })
      stable.behave(FAULTS['a page in a 200']!)
      expect((await predict(undefined, '/v1/models/churn/versions/1.0.0:predict')).status).toBe(502)
      expect(stable.requests.length + second.requests.length).toBe(1)
      expect(outcomes()).toEqual({ pinned: { invalid: 1 } })
    })
  })

  test('an answer of a foreign server is held to the rows of an Open Inference request', async () => {
    route({ own: false })
    const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [2, 2], data: [0.1, 0.9, 0.2, 0.8] }]
    stable.behave(answering({ model_name: 'churn', outputs }))
    const infer = (rows: number) => {
      const inputs = [{ name: 'tenure_months', datatype: 'INT64', shape: [rows, 1], data: [1, 2] }]
      return call('POST', '/v2/models/churn/infer', { body: JSON.stringify({ inputs }) })
    }
    expect([(await infer(2)).status, (await infer(3)).status]).toEqual([200, 502])
  })

  describe('endpoints of an arm', () => {
    test('serve the baseline alone', async () => {
      const baseline = await another()
      const more = [{ arm: 'baseline', origin: baseline.origin }] as const
      route({ weightBp: 0, baselineBp: 10_000, trial: {}, more })
      await predict()
      await predict(undefined, '/v1/models/churn/versions/1.0.0:predict')
      route({ weightBp: 0, trial: {}, more })
      await predict()
      expect([baseline.requests.length, stable.requests.length]).toEqual([1, 2])
    })

    test('are not replaced: one that went away since is an outcome of the arm', async () => {
      const gone = await another()
      route({
        weightBp: 0,
        baselineBp: 10_000,
        trial: {},
        more: [{ arm: 'baseline', origin: gone.origin }],
      })
      await gone.close()
      const reply = await predict()
      expect([reply.status, idOf(reply)]).toMatchObject([200, { arm: 'baseline', shielded: false }])
      expect(outcomes()).toEqual({ baseline: { error: 1 } })
    })

    test('of a baseline that fails are followed by stable', async () => {
      const baseline = await another(FAULTS['an internal error'])
      route({
        weightBp: 0,
        baselineBp: 10_000,
        trial: { shield: false },
        more: [{ arm: 'baseline', origin: baseline.origin }],
      })
      expect((await predict()).status).toBe(200)
      expect(outcomes()).toEqual({ baseline: { error: 1 } })
    })

    test('serve the canary that is the stable version, and no pin of that version', async () => {
      route({ weightBp: 10_000, measures: true, trial: {} })
      const reply = await predict()
      expect(idOf(reply)).toMatchObject({ arm: 'canary', shielded: false })
      await predict(undefined, '/v1/models/churn/versions/1.0.0:predict')
      expect([canary.requests.length, stable.requests.length]).toEqual([1, 1])
      canary.behave(FAULTS['a reset']!)
      expect(idOf(await predict())).toMatchObject({ arm: 'canary', shielded: true })
      expect(outcomes()).toEqual({ canary: { ok: 1, error: 1 }, pinned: { ok: 1 } })
    })
  })
})
