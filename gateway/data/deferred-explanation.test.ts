import { readExplanationId, signExplanation } from '@coalmine/contract/explanation-id.ts'
import { idKey, versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  digest,
  freshDataPlane,
  plane,
  type Reply,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering, upstream } from '../testing/upstream.ts'

freshDataPlane()

const JOB = '0123456789abcdef00000002'
const progress = (state: object = { state: 'waiting', records: 1, ahead: 2 }) => ({
  ...{ id: JOB, ...state },
  ...{ model_name: 'churn', model_version: '1.0.0' },
})
const errorOf = ({ status, body }: Reply) => [status, JSON.parse(body).error]

describe.each(Object.keys(adapters))('explanations that are fetched later over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())

  const ask = (path = '/v1/models/churn:explain') => call('POST', path, { body: BODY })
  const fetched = (id: string, model = 'churn') => call('GET', `/v1/models/${model}/explanations/${id}`)
  /** Asked of the version, whose worker took it. */
  const taken = async (version: '1.0.0' | '1.1.0' = '1.0.0') => {
    ;(version === '1.0.0' ? stable : canary).behave(answering(progress(), 202))
    const reply = await ask(`/v1/models/churn/versions/${version}:explain`)
    return JSON.parse(reply.body).id as string
  }
  const signed = (version: string, endpoint: string, key = plane.idKey) =>
    signExplanation(versionFingerprint('churn', version, digest(version)), endpoint, JOB, key)

  test('what a worker takes has an id of the gateway’s, and is where the answer says', async () => {
    route()
    stable.behave(answering(progress(), 202))
    const reply = await ask()
    const { id, ...told } = JSON.parse(reply.body)
    expect([reply.status, told]).toEqual([
      202,
      { state: 'waiting', records: 1, ahead: 2, model_name: 'churn', model_version: '1.0.0' },
    ])
    expect(reply.headers).toMatchObject({
      'retry-after': '1',
      'x-model-version': '1.0.0',
      location: `/v1/models/churn/explanations/${id}`,
    })
    expect(readExplanationId(id, plane.idKeys)!.job).toBe(JOB)
  })

  test('it is fetched from the worker that took it, with that worker’s words for it', async () => {
    const other = await upstream(answering(progress(), 202))
    route({ more: [{ origin: other.origin }] })
    const id = signed('1.0.0', 'churn/more/0')
    const reply = await fetched(id)
    expect([other.requests.map(({ path }) => path), stable.requests]).toEqual([
      [`/v1/models/churn/explanations/${JOB}`],
      [],
    ])
    expect([reply.status, JSON.parse(reply.body).id]).toEqual([202, id])
    expect(reply.headers).toMatchObject({
      location: `/v1/models/churn/explanations/${id}`,
      'retry-after': '1',
    })
    other.behave(answering({ explanations: [1] }))
    expect(await fetched(id)).toMatchObject({ status: 200, body: '{"explanations":[1]}' })
    other.behave(answering({ error: 'the explanation failed' }, 500))
    expect(errorOf(await fetched(id))).toEqual([500, 'the explanation failed'])
    await other.close()
  })

  test('another gateway process with the same key finds it, also with a key that signs no more', async () => {
    route()
    const id = await taken('1.1.0')
    const before = { id: 3, secret: Buffer.alloc(32, 7).toString('base64') }
    const now = { id: 4, secret: Buffer.alloc(32, 9).toString('base64') }
    plane.apply({
      ...{ kind: 'models', models: ['churn'], epochOffsetMs: 0, idKeys: [now, before] },
      ...{ listener: plane.listener, overload: plane.overload.settings },
    })
    canary.behave(answering({ explanations: [] }))
    const reply = await fetched(id)
    expect([reply.status, reply.headers['x-model-version']]).toEqual([200, '1.1.0'])
  })

  test('a text that is no id, or not signed here, reaches nobody', async () => {
    route()
    const forged = signed('1.0.0', 'churn/1.0.0', idKey(plane.idKey.id, Buffer.alloc(32, 1)))
    for (const id of [JOB, 'x', forged, signed('1.0.0', 'churn/1.0.0').slice(1)])
      expect(errorOf(await fetched(id))).toEqual([404, 'there is no such explanation'])
    expect((await fetched('..%2f..%2fmanifest')).status).toBe(404)
    expect([stable.requests, canary.requests]).toEqual([[], []])
  })

  test.each([
    [
      'of a version that is known no more',
      () => signed('0.9.0', 'churn/1.0.0'),
      "this explanation is of no version of 'churn' that is still known; ask for it again",
    ],
    [
      'of a version that is not loaded',
      () => signed('2.0.0', 'churn/2.0.0'),
      "version '2.0.0', which had this explanation, is not loaded any more; ask for it again",
    ],
    [
      'of a worker that is gone',
      () => signed('1.0.0', 'churn/1.0.0/7'),
      'the worker that had this explanation is gone; ask for it again',
    ],
    [
      'at an endpoint of another version',
      () => signed('1.0.0', 'churn/1.1.0'),
      'the worker that had this explanation is gone; ask for it again',
    ],
  ])('one %s is gone, and nobody is asked', async (_, id, error) => {
    route()
    expect(errorOf(await fetched(id()))).toEqual([410, error])
    expect([stable.requests, canary.requests]).toEqual([[], []])
  })

  test('a worker that does not know it is another than the one that took it', async () => {
    route()
    const id = await taken()
    stable.behave(answering({ error: 'there is no such explanation here' }, 404))
    expect(errorOf(await fetched(id))).toEqual([
      410,
      'the worker that had this explanation has ended; ask for it again',
    ])
    stable.behave(answering({ error: 'this explanation is not kept any more' }, 410))
    expect(errorOf(await fetched(id))).toEqual([410, 'this explanation is not kept any more'])
  })

  test('a worker that does not answer may do so later', async () => {
    route()
    const id = await taken()
    stable.behave((incoming) => incoming.socket.destroy())
    const reply = await fetched(id)
    expect(errorOf(reply)).toEqual([
      503,
      'the worker that has this explanation does not answer at the moment',
    ])
    expect(reply.headers['retry-after']).toBe('1')
  })

  test.each([
    ['nothing', ''],
    ['an id of another form', { id: '../../manifest' }],
    ['no id', { state: 'waiting' }],
  ])('a worker that says %s with its 202 has not taken anything', async (_, body) => {
    route()
    stable.behave(answering(body, 202))
    expect(errorOf(await ask())).toEqual([502, 'the worker took this to answer later, and did not say where'])
  })

  test('fetches are counted by themselves, have the places of explanations, and are given up as they are', async () => {
    route()
    const id = await taken()
    await fetched(id)
    expect(plane.recorder.snapshot().explanations).toMatchObject([
      { version: '1.0.0', codes: { 202: 1 }, fetches: { 202: 1 } },
    ])
    expect(plane.recorder.explanations.inFlight).toBe(0)
    for (let i = 0; i < 2; i++) plane.overload.read({ loopDelayMs: 0, loopUse: 0.99, heapShare: 0 })
    expect(errorOf(await fetched(id))).toEqual([503, 'there is too much to do for explanations'])
  })

  test('an unknown model and another method are refused as everywhere', async () => {
    route()
    expect((await fetched('x', 'nope')).status).toBe(404)
    const reply = await call('POST', '/v1/models/churn/explanations/x', { body: '{}' })
    expect([reply.status, reply.headers.allow]).toEqual([405, 'GET'])
  })
})
