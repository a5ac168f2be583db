import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load-config.ts'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)
const OIDC = 'issuer: https://id.example, audience: coalmine'

const load = (access: string, listen = '127.0.0.1:8090') =>
  loadConfig(
    '/srv/config/gateway.yaml',
    `listen: { admin: '${listen}' }\nmodels: {}\naccess: ${access}\n`,
    {},
  )

function problem(access: string, listen?: string): string {
  try {
    load(access, listen)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
  }
  throw new Error('it was taken')
}

describe('access', () => {
  test('is nobody by name and any client unless said', () => {
    expect(load('{}').access).toEqual({ admin: { tokens: [], hosts: [] } })
  })

  test('holds tokens by name, role and hash, each of several while one is replaced', () => {
    const { admin } = load(
      `{ tokens: { ann: { role: operator, sha256: [${A}, ${B}], expires: 2027-01-31T00:00:00Z } } }`,
    ).access
    const ann = { name: 'ann', role: 'operator', expiresMs: Date.UTC(2027, 0, 31) }
    expect(admin.tokens).toEqual([
      { ...ann, sha256: A },
      { ...ann, sha256: B },
    ])
  })

  test('holds clients; a burst is as large as the rate unless said', () => {
    const { clients } = load(
      `{ clients: { app: { sha256: ${A}, rate: 2.5 }, web: { sha256: ${B}, models: [churn], rate: 10, burst: 50 } } }`,
    ).access
    expect(clients).toEqual([
      { name: 'app', sha256: [A], rate: { perSecond: 2.5, burst: 3 } },
      { name: 'web', sha256: [B], models: ['churn'], rate: { perSecond: 10, burst: 50 } },
    ])
  })

  test.each([
    ['tokens', `{ tokens: { ann: { role: viewer, sha256: ${A} } } }`],
    ['oidc', `{ oidc: { ${OIDC}, roles: { admin: [root] } } }`],
  ])('%s let other machines reach the admin API', (_, access) => {
    expect(load(access, '0.0.0.0:8090').listen.admin.host).toBe('0.0.0.0')
  })

  test.each(['{}', `{ clients: { app: { sha256: ${A} } } }`, '{ hosts: [admin.example.com] }'])(
    'without either other machines cannot: %s',
    (access) => expect(problem(access, '0.0.0.0:8090')).toContain('expected a loopback address'),
  )

  test.each([
    ['a role that there is not', `{ tokens: { ann: { role: owner, sha256: ${A} } } }`, 'tokens.ann.role'],
    ['a name of the gateway itself', `{ tokens: { gateway: { role: admin, sha256: ${A} } } }`, 'tokens'],
    [
      'a name with a colon, as OIDC has',
      `{ tokens: { "oidc:ann": { role: admin, sha256: ${A} } } }`,
      'tokens',
    ],
    [
      'one secret for two',
      `{ tokens: { a: { role: admin, sha256: ${A} }, b: { role: viewer, sha256: ${A} } } }`,
      'another secret than a has',
    ],
    [
      'a day without a time',
      `{ tokens: { ann: { role: admin, sha256: ${A}, expires: 2027-01-31 } } }`,
      'expires',
    ],
    ['OIDC without a role for anybody', `{ oidc: { ${OIDC}, roles: {} } }`, 'oidc.roles'],
    [
      'an issuer in clear text',
      '{ oidc: { issuer: "http://id.example", audience: x, roles: { admin: [root] } } }',
      'https',
    ],
    ['a burst without a rate', `{ clients: { app: { sha256: ${A}, burst: 5 } } }`, 'a rate beside it'],
    ['no models at all', `{ clients: { app: { sha256: ${A}, models: [] } } }`, 'models'],
    ['a host with a port', '{ hosts: ["admin.example.com:8090"] }', 'without a port'],
    ['an unknown key', `{ clients: { app: { sha256: ${A}, rates: 5 } } }`, 'rates'],
  ])('refuses %s', (_, access, why) => expect(problem(access)).toContain(why))

  test('a secret that stands where its hash belongs is not repeated', () => {
    for (const at of ['tokens: { ann: { role: admin, sha256:', 'clients: { app: { sha256:'])
      for (const written of ['hunter2-hunter2', '[hunter2-hunter2]', '{ x: hunter2 }']) {
        const message = problem(`{ ${at} ${written} } } }`)
        expect(message).toContain('sha256')
        expect(message).not.toContain('hunter2')
      }
  })
})
