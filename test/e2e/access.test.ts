import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { certificateFiles, newCertificate } from '../../gateway/testing/certificate.ts'
import { oidcIssuer } from '../../gateway/testing/oidc-issuer.ts'
import { CUSTOMER, freePorts, Gateway, json, until } from './gateway-process.ts'

const sha256 = (secret: string) => createHash('sha256').update(secret).digest('hex')
const MODELS = '  churn: { initial: 1.0.0, runtime: process }'
const VERA = 'the-token-of-vera'

let issuer: Awaited<ReturnType<typeof oidcIssuer>>
let gateway: Gateway

beforeAll(async () => {
  issuer = await oidcIssuer()
  gateway = await Gateway.start({
    models: MODELS,
    env: { COALMINE_ADMIN_TOKEN: 'the-token-of-the-environment' },
  })
  gateway.edit(
    (text) => `${text}
access:
  tokens: { vera: { role: viewer, sha256: ${sha256(VERA)} } }
  oidc: { issuer: "${issuer.issuer}", audience: coalmine, roles: { operator: [ops], admin: [root] } }
`,
  )
  await until(
    async () => (await as(VERA)).status === 200,
    () => gateway.output,
  )
})
afterAll(async () => {
  await gateway?.dispose()
  await issuer?.close()
})

const as = (token: string, path = '/api/v1/models', init: Parameters<Gateway['admin']>[1] = {}) =>
  gateway.admin(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })

const freeze = { method: 'PUT', json: { frozen: true, reason: 'incident' } }

describe('the admin API of a gateway with accounts', () => {
  test('lets a viewer read and change nothing', async () => {
    expect((await as(VERA, '/api/v1/freeze')).status).toBe(200)
    const refused = await as(VERA, '/api/v1/models/churn/rollout/abort', {
      method: 'POST',
      json: { reason: 'x' },
    })
    expect(refused.headers.get('www-authenticate')).toContain('scope="operator"')
    expect(await json(refused)).toMatchObject({ status: 403, code: 'forbidden' })
  })

  test('keeps the brake for admins, and names who set it', async () => {
    expect((await as(await issuer.token(), '/api/v1/freeze', freeze)).status).toBe(403)
    const set = await as(await issuer.token({ sub: 'grace', roles: ['root'] }), '/api/v1/freeze', freeze)
    expect(await json(set)).toMatchObject({ frozen: true, actor: 'oidc:grace' })
    const lifted = { method: 'PUT', json: { frozen: false, reason: 'over' } }
    expect((await as('the-token-of-the-environment', '/api/v1/freeze', lifted)).status).toBe(200)
  })

  test('tells an expired token from one that is meant for another service', async () => {
    const expired = await as(await issuer.token({ exp: Math.floor(Date.now() / 1000) - 3600 }))
    expect(await json(expired)).toMatchObject({ status: 401, code: 'token-expired' })
    const foreign = await as(await issuer.token({ aud: 'payroll' }))
    expect(await json(foreign)).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  test('follows an issuer whose keys rotate', async () => {
    const old = await issuer.token()
    expect((await as(old)).status).toBe(200)
    await issuer.rotate('second')
    const token = await issuer.token()
    await until(
      async () => (await as(token)).status === 200,
      () => gateway.output,
    )
    expect(await json(await as(old))).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  test('forgets a token as soon as the file does', async () => {
    const before = readFileSync(gateway.configFile, 'utf8')
    gateway.edit((text) => text.replace('vera:', 'victor:'))
    const { output } = gateway
    await until(
      () => gateway.output.slice(output.length).includes('is in force'),
      () => gateway.output,
    )
    expect((await as(VERA)).status).toBe(200)
    const { body: stream } = await as(VERA, '/api/v1/events')
    gateway.edit((text) => text.replace(/ {2}tokens:.*\n/, ''))
    await until(
      async () => (await as(VERA)).status === 401,
      () => gateway.output,
    )
    // Nor does a stream that it opened before go on.
    for await (const _ of stream!);
    writeFileSync(gateway.configFile, before)
    await until(
      async () => (await as(VERA)).status === 200,
      () => gateway.output,
    )
  })

  test('writes no secret to its log and to no answer', async () => {
    const { metrics } = gateway.ports
    const answers = await Promise.all([
      (await as(VERA)).text(),
      (await as(VERA, '/api/v1/models/churn/decisions')).text(),
      (await as(`${VERA}x`)).text(),
      gateway.admin('/api/openapi.json').then((response) => response.text()),
      fetch(`http://127.0.0.1:${metrics}/metrics`).then((response) => response.text()),
    ])
    const seen = [gateway.output, ...answers].join('\n')
    for (const secret of [VERA, 'the-token-of-the-environment', sha256(VERA)])
      expect(seen).not.toContain(secret)
  })
})

describe('clients of predictions', () => {
  const KEY = 'the-key-of-the-app'
  const clients = (fields: string) => `access: { clients: { app: { sha256: ${sha256(KEY)}${fields} } } }\n`

  test('have keys, models and rates, which the file can change at any time', async () => {
    const served = await Gateway.start({ models: MODELS, processes: 2 })
    onTestFinished(() => served.dispose())
    const asked = async (key: string) => (await served.predict(undefined, { 'x-api-key': key })).status
    expect(await asked('nobody')).toBe(200)
    served.edit((text) => `${text}\n${clients('')}`)
    await until(
      async () => (await asked('nobody')) === 401,
      () => served.output,
    )
    await until(
      async () => (await asked(KEY)) === 200,
      () => served.output,
    )
    expect(await served.status('/readyz')).toBe(200)
    served.edit((text) => text.replace(/access:.*\n/, clients(', models: [digits]')))
    await until(
      async () => (await asked(KEY)) === 403,
      () => served.output,
    )
    // Both processes together, however the connections fall.
    served.edit((text) => text.replace(/access:.*\n/, clients(', rate: 0.01, burst: 2')))
    await until(async () => {
      const { status, headers } = await served.predict(undefined, { 'x-api-key': KEY })
      return status === 429 && Number(headers.get('retry-after')) > 0
    })
    await until(async () =>
      /coalmine_client_requests_total\{client="app",outcome="limited"\} [1-9]/.test(await served.metrics()),
    )
    expect(served.output).not.toContain(KEY)
    // Whoever operates it needs no client's key to see what a version answers.
    const tried = await served.admin('/api/v1/models/churn/versions/1.0.0/try', {
      method: 'POST',
      json: { record: CUSTOMER },
    })
    expect(await json(tried)).toMatchObject({ status: 200, answer: { model_version: '1.0.0' } })
  })
})

describe('the admin API of a gateway for one machine', () => {
  let open: Gateway
  beforeAll(async () => {
    open = await Gateway.start({ models: MODELS })
  })
  afterAll(() => open?.dispose())

  /** As `fetch` cannot: with any Host. */
  const ask = (headers: Record<string, string>, method = 'GET', path = '/api/v1/models') =>
    new Promise<number>((resolve, reject) => {
      const sent = request(
        { port: open.ports.admin, host: '127.0.0.1', path, method, headers },
        (response) => {
          response.resume().once('end', () => resolve(response.statusCode!))
        },
      )
      sent.once('error', reject)
      sent.end(method === 'PUT' ? JSON.stringify({ frozen: true, reason: 'attack' }) : undefined)
    })

  test('does not answer a page that made its own name lead here', async () => {
    expect(await ask({ host: 'evil.example' })).toBe(403)
    expect(await ask({ host: `127.0.0.1:${open.ports.admin}` })).toBe(200)
  })

  test('takes no change from a page of another origin', async () => {
    const change = { host: 'localhost', 'content-type': 'application/json' }
    expect(await ask({ ...change, origin: 'http://evil.example' }, 'PUT', '/api/v1/freeze')).toBe(403)
    expect(await json(await open.admin('/api/v1/freeze'))).toMatchObject({ frozen: false })
  })
})

describe('TLS', () => {
  test('of both ports, from the first connection on, with certificates that are renewed', async () => {
    const first = await newCertificate()
    const served = new Gateway({ processes: 2 })
    onTestFinished(() => served.dispose())
    const [data, admin, metrics] = await freePorts(3)
    served.ports = { data: data!, admin: admin!, metrics: metrics! }
    served.configure(MODELS)
    const files = certificateFiles(served.folder)
    files.write(first)
    const { certificate, key } = files
    served.edit(
      (text) =>
        `tls: { data: ${JSON.stringify({ certificate, key })}, admin: ${JSON.stringify({ certificate, key })} }\n${text}`,
    )
    const ask = (port: number, path: string, ca: string) =>
      new Promise<{ status: number; fingerprint: string }>((resolve, reject) => {
        const sent = requestTls({ port, host: '127.0.0.1', path, ca, agent: false }, (response) => {
          const { fingerprint256: fingerprint } = (response.socket as TLSSocket).getPeerCertificate()
          response.resume().once('end', () => resolve({ status: response.statusCode!, fingerprint }))
        })
        sent.once('error', reject)
        sent.end()
      })
    const status = (port: number, path: string, ca = first.cert) =>
      ask(port, path, ca).then(
        ({ status }) => status,
        () => 0,
      )
    served.spawn()
    await until(
      async () => (await status(served.ports.data, '/readyz')) === 200,
      () => served.output,
    )
    expect(await status(served.ports.admin, '/api/v1/models')).toBe(200)
    // What speaks in clear text gets nothing.
    await expect(served.data('/livez')).rejects.toThrow()
    await expect(served.admin('/livez')).rejects.toThrow()

    const second = await newCertificate()
    files.write(second)
    // Data processes read it when they are replaced; control looks from time to time.
    served.child.kill('SIGHUP')
    await until(
      async () => (await status(served.ports.data, '/readyz', second.cert)) === 200,
      () => served.output,
    )
    await until(
      async () => (await status(served.ports.admin, '/livez', second.cert)) === 200,
      () => served.output,
    )
    expect(served.output).toContain('https://')
    expect(await served.stop()).toBe(0)
  })

  test('with the key of another certificate ends the start with a sentence', async () => {
    const gateway = new Gateway()
    onTestFinished(() => gateway.dispose())
    gateway.configure(MODELS)
    const files = certificateFiles(gateway.folder)
    files.write({ ...(await newCertificate()), key: (await newCertificate()).key })
    gateway.edit((text) => `tls: { data: { certificate: ${files.certificate}, key: ${files.key} } }\n${text}`)
    gateway.spawn()
    expect(await gateway.exited()).toBe(2)
    expect(gateway.output).toContain('tls.data: expected a PEM certificate and its private key')
  })
})

describe('a start', () => {
  test.each([
    {
      what: 'an admin API that everybody could reach',
      edit: (text: string) => text.replace(/admin: 127.0.0.1:/, 'admin: 0.0.0.0:'),
      why: 'expected a loopback address',
    },
    {
      what: 'a secret where its hash belongs',
      edit: (text: string) =>
        `${text}\naccess: { tokens: { ann: { role: admin, sha256: hunter2-in-clear } } }\n`,
      why: 'access.tokens.ann.sha256',
    },
    {
      what: 'a secret where a client belongs',
      edit: (text: string) => `${text}\naccess: { clients: { shop: hunter2-in-clear } }\n`,
      why: 'access.clients.shop',
    },
    {
      what: 'a token that is too short',
      env: { COALMINE_ADMIN_TOKEN: 'hunter2' },
      why: 'COALMINE_ADMIN_TOKEN',
    },
    {
      what: 'a store with a password that it cannot use',
      env: { COALMINE_STORE: 'mysql://root:hunter2@db/coalmine' },
      why: 'COALMINE_STORE',
    },
  ])(
    'with $what is refused, and says so without a secret',
    async ({ edit = (text: string) => text, env = {}, why }) => {
      const gateway = new Gateway({ env: { COALMINE_ADMIN_TOKEN: '', ...env } })
      onTestFinished(() => gateway.dispose())
      gateway.configure(MODELS)
      gateway.edit(edit)
      gateway.spawn()
      expect(await gateway.exited()).toBe(2)
      expect(gateway.output).toContain(why)
      expect(gateway.output).not.toContain('hunter2')
    },
  )
})
