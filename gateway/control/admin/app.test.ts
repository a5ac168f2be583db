import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StoreError } from '../../store/rollout-store.ts'
import { admin } from './testing/admin.ts'

let api: Awaited<ReturnType<typeof admin>>

beforeEach(async () => {
  api = await admin({ fields: 'initial: 1.0.0\n    version: 1.1.0\n    policy: none\n    weight: 10' })
})
afterEach(() => api.close())

const call: typeof api.call = (...of) => api.call(...of)

const weight = (weightPercent: unknown, headers: Record<string, string> = { 'if-match': '"2"' }) =>
  call('PUT', '/api/v1/models/churn/rollout/weight', { json: { weightPercent, reason: 'test' }, headers })

test('a model in full: versions with roles, endpoints with reasons, the split', async () => {
  const { body } = await call('GET', '/api/v1/models/churn')
  expect(body).toMatchObject({
    revision: 2,
    stable: { version: '1.0.0' },
    split: {
      canary: { version: '1.1.0' },
      phase: 'preparing',
      weightPercent: { configured: 10, observed: null },
    },
    versions: [{ role: 'stable' }, { role: 'canary' }, { role: 'available' }],
    drift: [],
    pending: [],
  })
})

describe('a change of the weight', () => {
  test('needs the revision that was looked at', async () => {
    expect((await weight(20, {})).status).toBe(428)
    expect((await weight(20, { 'if-match': '"1"' })).body).toMatchObject({
      status: 412,
      code: 'revision-stale',
    })
    expect((await weight(20, { 'if-match': 'W/2' })).body).toMatchObject({
      status: 422,
      code: 'invalid-request',
    })
    const { status, body, headers } = await weight(20)
    expect([status, body.revision, headers.get('etag')]).toEqual([200, 3, '"3"'])
  })

  test('of twenty at once over one revision exactly one wins', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => weight(20 + i)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19)
  })

  test.each([[-1], [101], ['10'], [null], [0.001]])('to %j is refused', async (value) => {
    expect((await weight(value)).status).toBe(422)
  })

  test('is what the data processes hear of next', async () => {
    // The canary has not been ready, so it is given nothing yet.
    await weight(33)
    const table = api.sent.filter((message) => message.kind === 'table').at(-1)
    expect(table).toMatchObject({ table: { stable: '1.0.0', canary: '1.1.0', weightBp: 0, revision: 3 } })
  })
})

test('a repeated Idempotency-Key gets the first answer; with another body it is refused', async () => {
  const headers = { 'if-match': '"2"', 'idempotency-key': 'abc' }
  const first = await weight(20, headers)
  expect(await weight(20, headers).then(({ status, body }) => [status, body])).toEqual([200, first.body])
  expect((await weight(30, headers)).body).toMatchObject({ status: 422, code: 'key-reused' })
  expect((await call('GET', '/api/v1/models/churn/decisions')).body.decisions).toHaveLength(3)
})

const setStable = (version: string) =>
  call('PUT', '/api/v1/models/churn/stable', { json: { version, reason: 'better' } })

test('a repetition waits for the first while it still runs', async () => {
  const headers = { 'if-match': '"2"', 'idempotency-key': 'at once' }
  const answers = await Promise.all([weight(20, headers), weight(20, headers), weight(20, headers)])
  expect(answers.map(({ status, body }) => [status, body.revision])).toEqual([
    [200, 3],
    [200, 3],
    [200, 3],
  ])
})

test('set stable waits until the version is ready, ends the split and is on record; rollback goes back', async () => {
  expect((await setStable('1.2.0')).body).toMatchObject({
    stable: { version: '1.2.0' },
    previous: { version: '1.0.0' },
    split: null,
  })
  const back = () => call('POST', '/api/v1/models/churn/rollback', { json: { reason: 'worse' } })
  expect((await back()).body).toMatchObject({ stable: { version: '1.0.0' }, previous: null })
  expect((await back()).body).toMatchObject({ status: 409, code: 'no-previous' })
})

test('a version that nothing can answer for is not made stable', async () => {
  const { body } = await setStable('1.1.0')
  expect(body).toMatchObject({
    status: 409,
    code: 'version-not-ready',
    detail: expect.stringContaining('ECONNREFUSED'),
  })
  expect((await call('GET', '/api/v1/models/churn')).body.stable.version).toBe('1.0.0')
})

test.each(['application/json;', 'application/json, text/plain', 'text/plain', ''])(
  'a change of type "%s" is refused before it is read',
  async (type) => {
    const { body } = await call('PUT', '/api/v1/freeze', {
      json: { frozen: true, reason: 'x' },
      headers: { 'content-type': type },
    })
    expect(body).toMatchObject({ status: 415, code: 'media-type' })
  },
)

test.each([
  ['no reason', {}],
  ['one without words', { reason: ' ' }],
  ['one that is longer than 1000 characters', { reason: 'x'.repeat(1001) }],
  ['a key that nobody knows', { reason: 'x', frozen: true, actor: 'ann' }],
])('a change with %s is refused', async (_, json) => {
  const { body } = await call('PUT', '/api/v1/freeze', { json: { frozen: true, ...json } })
  expect(body).toMatchObject({ status: 422, code: 'invalid-request' })
})

test('an Idempotency-Key has at most 255 characters', async () => {
  const freeze = (length: number) =>
    call('PUT', '/api/v1/freeze', {
      json: { frozen: true, reason: 'incident' },
      headers: { 'idempotency-key': 'k'.repeat(length) },
    })
  expect((await freeze(256)).body).toMatchObject({ status: 422, code: 'invalid-request' })
  expect((await freeze(255)).status).toBe(200)
})

test('a change has at most 64 KiB', async () => {
  const { body } = await call('PUT', '/api/v1/freeze', { json: { frozen: true, reason: 'x'.repeat(70_000) } })
  expect(body).toMatchObject({ status: 413, code: 'too-large' })
})

test('what the file waited for during a freeze does not undo what a person decided meanwhile', async () => {
  const freeze = (frozen: boolean) => call('PUT', '/api/v1/freeze', { json: { frozen, reason: 'incident' } })
  await freeze(true)
  const edited = api.configure(api.text.replace('weight: 10', 'weight: 60'))
  await api.control.reconfigure(edited)
  expect((await call('GET', '/api/v1/models/churn')).body.pending).toEqual([
    expect.stringContaining('freeze'),
  ])
  expect((await weight(3)).status).toBe(200)
  await freeze(false)
  await api.control.reconfigure(edited)
  const { body } = await call('GET', '/api/v1/models/churn')
  expect([body.split.weightPercent.configured, body.drift]).toEqual([3, [expect.stringContaining('60 %')]])
})

test.each([
  ['a model that is not configured', 'GET', '/api/v1/models/digits', undefined, 404, 'model-unknown'],
  ['a name that every object has', 'GET', '/api/v1/models/constructor', undefined, 404, 'model-unknown'],
  [
    'a version that does not exist',
    'PUT',
    '/api/v1/models/churn/stable',
    { version: '9', reason: 'x' },
    404,
    'version-unknown',
  ],
  [
    'the word latest',
    'PUT',
    '/api/v1/models/churn/stable',
    { version: 'latest', reason: 'x' },
    404,
    'version-unknown',
  ],
  ['a change without a reason', 'PUT', '/api/v1/freeze', { frozen: true }, 422, 'invalid-request'],
  [
    'an unknown key',
    'PUT',
    '/api/v1/freeze',
    { frozen: true, reason: 'x', until: 'noon' },
    422,
    'invalid-request',
  ],
  ['broken JSON', 'PUT', '/api/v1/freeze', '{"frozen": ', 400, 'malformed-json'],
  ['an unknown path', 'GET', '/api/v1/nothing', undefined, 404, 'not-found'],
])('%s is a problem with a stable code', async (_, method, path, json, status, code) => {
  const answer = await call(method, path, json === undefined ? {} : { json })
  expect(answer.body).toMatchObject({ status, code, detail: expect.any(String) })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
})

test('what is there by another method is 405, and says by which; whatever else is wrong with it', async () => {
  const answer = await call('DELETE', '/api/v1/models/churn/rollout')
  expect(answer.body).toMatchObject({ status: 405, code: 'method-not-allowed' })
  expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
  expect((await call('GET', '/api/v1/models/churn/rollback')).headers.get('allow')).toBe('POST')
  expect((await call('POST', '/api/v1/nothing')).status).toBe(404)
})

test('of a store that fails nobody is told more than that', async () => {
  api.store.freeze = () => Promise.reject(new StoreError('/srv/secret/coalmine.db is locked'))
  const answer = await call('GET', '/api/v1/models')
  expect(answer.body).toMatchObject({ status: 503, code: 'store-unavailable' })
  api.store.freeze = () => Promise.reject(new TypeError('undefined is not a function at /srv/secret'))
  const other = await call('GET', '/api/v1/models')
  expect(other.body).toMatchObject({ status: 500, code: 'internal', detail: 'unexpected error' })
  expect(JSON.stringify([answer.body, other.body])).not.toContain('secret')
})

describe('who may speak', () => {
  test('without a token only loopback names', async () => {
    for (const host of ['evil.example', 'evil.example:8090', 'localhost.evil.example', '']) {
      expect((await call('GET', '/api/v1/models', { headers: { host } })).status).toBe(403)
    }
    for (const host of ['localhost:8090', '127.0.0.1:8090', '[::1]:8090', 'LOCALHOST']) {
      expect((await call('GET', '/api/v1/models', { headers: { host } })).status).toBe(200)
    }
  })

  test('with a token only its bearer, by any name', async () => {
    const token = 'sixteen-and-more-characters'
    const as = (authorization?: string) =>
      call('GET', '/api/v1/models', {
        token,
        headers: { host: 'gateway.example', ...(authorization ? { authorization } : {}) },
      })
    expect((await as()).headers.get('www-authenticate')).toBe('Bearer')
    expect(
      [await as(), await as(`Bearer ${token}x`), await as(`Basic ${token}`)].map(({ status }) => status),
    ).toEqual([401, 401, 401])
    expect((await as(`Bearer ${token}`)).status).toBe(200)
  })

  test('whoever asks is told who they are, and what they may do', async () => {
    const token = 'sixteen-and-more-characters'
    const headers = { authorization: `Bearer ${token}` }
    expect((await call('GET', '/api/v1/me')).body).toEqual({ name: 'operator', role: 'admin' })
    expect((await call('GET', '/api/v1/me', { token, headers })).body).toEqual({
      name: 'admin',
      role: 'admin',
    })
    expect((await call('GET', '/api/v1/me', { token })).status).toBe(401)
  })

  test('the description is open, and says that a token is needed', async () => {
    const { body } = await call('GET', '/api/openapi.json', { token: 'sixteen-and-more-characters' })
    expect(body.security).toEqual([{ bearer: [] }])
    expect(Object.keys(body.paths)).toContain('/api/v1/models/{model}/rollout/weight')
  })
})
