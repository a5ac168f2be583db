import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AdminAccess } from '../../config/access.ts'
import { oidcIssuer } from '../../testing/oidc-issuer.ts'
import { Guard, needs } from './access.ts'
import { AdminProblem, problem } from './problem.ts'
import { ROLES } from './role.ts'

const sha256 = (token: string) => createHash('sha256').update(token).digest('hex')
const NOW_MS = Date.parse('2026-06-01T00:00:00Z')

/** An application that says who was let in, and one route for each role. */
function guarded(access: AdminAccess) {
  const guard = new Guard(access, () => NOW_MS)
  const app = new Hono()
  app.onError((error, c) => {
    if (error instanceof AdminProblem) return problem(c, error.code, error.message, error.details)
    throw error
  })
  app.use('*', guard.admit)
  app.all('/', (c) => c.json(c.get('principal')))
  for (const role of ROLES) app.all(`/${role}`, needs(role), (c) => c.text('done'))
  const ask = async (headers: Record<string, string> = {}, path = '/', method = 'GET') => {
    const response = await app.request(`http://x${path}`, {
      method,
      headers: { host: 'localhost:8090', ...headers },
    })
    const text = await response.text()
    const body = text.startsWith('{') ? JSON.parse(text) : text
    return { status: response.status, body, challenge: response.headers.get('www-authenticate') }
  }
  return { guard, ask, as: (token: string, path?: string) => ask({ authorization: `Bearer ${token}` }, path) }
}

describe('without tokens', () => {
  const { ask } = guarded({ tokens: [], hosts: ['coalmine.internal'] })

  test('whoever is at this machine is the operator, with every right', async () => {
    expect((await ask()).body).toEqual({ name: 'operator', role: 'admin' })
    expect((await ask({}, '/admin', 'PUT')).status).toBe(200)
  })

  test.each(['evil.example', 'evil.example:8090', 'localhost.evil.example', '127.0.0.1.evil.example', ''])(
    'a name that leads here is not enough: %j',
    async (host) => {
      expect((await ask({ host })).body).toMatchObject({ status: 403, code: 'host-not-allowed' })
    },
  )

  test.each(['localhost:8090', '127.0.0.1:8090', '[::1]:8090', 'LOCALHOST', 'Coalmine.Internal:80'])(
    'a name of loopback or of access.hosts is: %s',
    async (host) => expect((await ask({ host })).status).toBe(200),
  )

  test.each([
    ['another site', { origin: 'http://evil.example' }],
    ['another port', { origin: 'http://localhost:3000' }],
    ['a sandboxed page', { origin: 'null' }],
    ['what is no origin', { origin: 'localhost:8090' }],
    ['another site by an old browser', { 'sec-fetch-site': 'cross-site' }],
    ['another port by an old browser', { 'sec-fetch-site': 'same-site' }],
  ])('a page of %s may change nothing', async (_, headers) => {
    expect((await ask(headers, '/', 'POST')).body).toMatchObject({ status: 403, code: 'origin-not-allowed' })
  })

  test('our own page may, and what is no browser may', async () => {
    const page = { origin: 'http://localhost:8090', 'sec-fetch-site': 'same-origin' }
    expect((await ask(page, '/', 'POST')).status).toBe(200)
    expect((await ask({ origin: 'https://coalmine.internal' }, '/', 'POST')).status).toBe(200)
    expect((await ask({}, '/', 'POST')).status).toBe(200)
  })
})

describe('with tokens', () => {
  const { ask, as, guard } = guarded({
    tokens: [
      { name: 'vera', role: 'viewer', sha256: sha256('the-token-of-vera') },
      { name: 'otto', role: 'operator', sha256: sha256('the-token-of-otto') },
      { name: 'ada', role: 'admin', sha256: sha256('the-token-of-ada') },
      { name: 'old', role: 'admin', sha256: sha256('the-token-of-old'), expiresMs: NOW_MS },
    ],
    hosts: [],
  })

  test('whoever has one is known by its name, by whatever name they came', async () => {
    const { body } = await ask({ authorization: 'bearer the-token-of-otto', host: 'gateway.example' })
    expect(body).toEqual({ name: 'otto', role: 'operator' })
  })

  test.each([
    ['vera', [200, 403, 403]],
    ['otto', [200, 200, 403]],
    ['ada', [200, 200, 200]],
  ])('%s may do what the role allows', async (name, statuses) => {
    const answers = await Promise.all(ROLES.map((role) => as(`the-token-of-${name}`, `/${role}`)))
    expect(answers.map(({ status }) => status)).toEqual(statuses)
  })

  test('a refusal for the role says which it takes', async () => {
    const { body, challenge } = await as('the-token-of-vera', '/admin')
    expect(body).toMatchObject({
      code: 'forbidden',
      detail: 'this takes the role admin, and yours is viewer',
    })
    expect(challenge).toContain('error="insufficient_scope"')
    expect(challenge).toContain('scope="admin"')
  })

  test.each([
    ['nothing', undefined, 'Bearer'],
    ['another scheme', 'Basic the-token-of-ada', 'Bearer'],
    ['a token with something behind it', 'Bearer the-token-of-ada x', 'Bearer'],
    ['an endless one', `Bearer ${'x'.repeat(9000)}`, 'Bearer'],
    ['the hash of a token', `Bearer ${sha256('the-token-of-ada')}`, 'Bearer error="invalid_token"'],
    ['what looks like a JWT', 'Bearer a.b.c', 'Bearer error="invalid_token"'],
  ])('whoever sends %s is not known', async (_, authorization, challenge) => {
    const answer = await ask(authorization === undefined ? {} : { authorization })
    expect(answer.body).toMatchObject({ status: 401, code: 'unauthorized' })
    expect(answer.challenge).toContain(challenge)
  })

  test('an expired one is told so', async () => {
    const { body, challenge } = await as('the-token-of-old')
    expect(body).toMatchObject({ status: 401, code: 'token-expired', detail: 'the token has expired' })
    expect(challenge).toContain('error_description="the token has expired"')
  })

  test('a token that is taken out of the configuration is refused from then on', async () => {
    expect((await as('the-token-of-ada')).status).toBe(200)
    guard.use({ tokens: [{ name: 'new', role: 'admin', sha256: sha256('another') }], hosts: [] })
    expect((await as('the-token-of-ada')).status).toBe(401)
    expect((await as('another')).body).toEqual({ name: 'new', role: 'admin' })
  })
})

describe('with OIDC', () => {
  let issuer: Awaited<ReturnType<typeof oidcIssuer>>
  let api: ReturnType<typeof guarded>
  const roles = { viewer: ['staff'], operator: ['ops'], admin: ['root'] }
  const settings = (more: object = {}): AdminAccess => ({
    tokens: [{ name: 'breakglass', role: 'admin', sha256: sha256('the-other-way-in') }],
    hosts: [],
    oidc: { issuer: issuer.issuer, audience: 'coalmine', name: 'sub', claim: 'roles', roles, ...more },
  })

  beforeAll(async () => {
    issuer = await oidcIssuer()
  })
  afterAll(() => issuer.close())
  beforeEach(() => {
    api = guarded(settings())
  })

  test.each([
    [['staff'], 'viewer'],
    ['ops', 'operator'],
    [['staff', 'root', 'ops', 7], 'admin'],
  ])('roles %j make a person %s', async (claimed, role) => {
    expect((await api.as(await issuer.token({ roles: claimed }))).body).toEqual({ name: 'oidc:ann', role })
  })

  test('the claims with name and roles can be others, also within objects', async () => {
    const { as } = guarded(settings({ name: 'email', claim: 'realm_access.roles' }))
    const token = await issuer.token({ email: 'ann@example.com', realm_access: { roles: ['root'] } })
    expect((await as(token)).body).toEqual({ name: 'oidc:ann@example.com', role: 'admin' })
  })

  const past = Math.floor(Date.now() / 1000) - 3600
  test.each([
    ['has expired', { exp: past }, 401, 'token-expired', 'the token has expired'],
    ['has no end', { exp: undefined }, 401, 'unauthorized', "'exp'"],
    ['is not valid yet', { nbf: past + 7200 }, 401, 'unauthorized', "'nbf'"],
    ['is meant for another service', { aud: 'payroll' }, 401, 'unauthorized', "'aud'"],
    ['is of another issuer', { iss: 'https://evil.example' }, 401, 'unauthorized', "'iss'"],
    ['names nobody', { sub: undefined }, 401, 'unauthorized', "'sub'"],
    ['has a name that would break a line', { sub: 'ann\nroot' }, 401, 'unauthorized', "'sub'"],
    ['has none of our roles', { roles: ['guest'] }, 403, 'forbidden', 'no role'],
    ['has a role that every object has', { roles: 'constructor' }, 403, 'forbidden', 'no role'],
  ])('a token that %s is refused, and says why', async (_, claims, status, code, why) => {
    const { body, challenge } = await api.as(await issuer.token(claims))
    expect(body).toMatchObject({ status, code, detail: expect.stringContaining(why) })
    expect(challenge).toMatch(/^Bearer error="/)
  })

  test('a token that is signed with a secret, with nothing or by somebody else is not genuine', async () => {
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: 'first' })).toString('base64url')
    const [, payload, signature] = (await issuer.token()).split('.')
    const forged = await new SignJWT({ sub: 'ann', roles: ['root'] })
      .setProtectedHeader({ alg: 'HS256', kid: 'first' })
      .setIssuer(issuer.issuer)
      .setAudience('coalmine')
      .setExpirationTime('1h')
      .sign(Buffer.from('the public key, as text, is no secret'))
    const changed = Buffer.from(JSON.stringify({ sub: 'ann', roles: ['root'] })).toString('base64url')
    for (const token of [
      forged,
      `${header('none')}.${payload}.`,
      `${header('ES256')}.${changed}.${signature}`,
      'a.b.c',
    ])
      expect((await api.as(token)).body).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  test('keys are fetched once, and again for a token of a new key', async () => {
    const before = issuer.asked()
    await api.as(await issuer.token())
    await api.as(await issuer.token())
    expect(issuer.asked() - before).toBe(1)
  })

  test('an issuer that cannot be asked is no fault of the token, and leaves the other way in open', async () => {
    const { as } = guarded(settings({ issuer: 'http://127.0.0.1:1' }))
    expect((await as(await issuer.token())).body).toMatchObject({ status: 503, code: 'issuer-unavailable' })
    expect((await as('the-other-way-in')).body).toEqual({ name: 'breakglass', role: 'admin' })
  })
})
