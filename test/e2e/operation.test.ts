import { Agent, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CUSTOMER, Gateway, json, PATIENT, until } from './gateway-process.ts'

const models = (weight: number | string) => `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: none
    weight: ${weight}
    sessionAffinity: { header: x-user-id }
    runtime: process
    resilience: { ${PATIENT} }`

/**
 * A steady stream of predictions over as many kept-alive connections as callers, as through a balancer: when
 * /readyz says no, what was sent is awaited and nothing new is sent. Every answer but a 200 is remembered.
 */
function traffic(gateway: Gateway, callers: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const body = JSON.stringify({ instances: [CUSTOMER] })
  const failures: string[] = []
  let answered = 0
  let stopped = false
  const call = () =>
    new Promise<string | undefined>((resolve) => {
      const sent = request(
        {
          agent,
          host: '127.0.0.1',
          port: gateway.ports.data,
          method: 'POST',
          path: '/v1/models/churn:predict',
        },
        (answer) => {
          let text = ''
          answer.on('data', (chunk) => (text += chunk))
          answer.on('aborted', () => resolve('cut off'))
          answer.on('end', () =>
            resolve(answer.statusCode === 200 ? undefined : `${answer.statusCode} ${text}`),
          )
        },
      )
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      sent.end(body)
    })
  const caller = async (): Promise<void> => {
    while (!stopped) {
      const failure = await call()
      if (failure !== undefined) failures.push(failure)
      answered++
    }
  }
  const balancer = async (): Promise<void> => {
    while (!stopped) {
      if ((await gateway.status('/readyz')) === 503) stopped = true
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const all = Promise.all([balancer(), ...Array.from({ length: callers }, caller)])
  return {
    failures,
    answered: () => answered,
    async stop() {
      stopped = true
      await all
      agent.destroy()
    },
  }
}

describe('a gateway in operation', () => {
  let gateway: Gateway
  const weight = async () => (await gateway.model()).split.weightPercent.configured
  const users = Array.from({ length: 300 }, (_, i) => `user-${i}`)
  const arms = async () =>
    Promise.all(
      users.map(async (user) =>
        (await gateway.predict(undefined, { 'x-user-id': user })).headers.get('x-model-version'),
      ),
    )

  beforeAll(async () => {
    gateway = await Gateway.start({ models: models(10), processes: 2 })
    await until(
      async () => (await gateway.model()).split?.phase === 'split',
      () => gateway.output,
    )
  })
  afterAll(() => gateway?.dispose())

  test('callers keep their version, in every process; a higher weight only moves callers to the canary', async () => {
    await until(async () => (await arms()).includes('1.1.0'))
    const low = await arms()
    expect(await arms()).toEqual(low)
    gateway.edit((text) => text.replace('weight: 10', 'weight: 40'))
    await until(async () => (await weight()) === 40)
    await until(
      async () =>
        (await arms()).filter((v) => v === '1.1.0').length > low.filter((v) => v === '1.1.0').length,
    )
    const high = await arms()
    low.forEach((version, i) => {
      if (version === '1.1.0') expect(high[i]).toBe('1.1.0')
    })
  })

  test('a faulty edit keeps the old settings and says where it is wrong; the right one applies; no request fails', async () => {
    const load = traffic(gateway, 4)
    gateway.edit((text) => text.replace('weight: 40', 'wieght: 50'))
    await until(
      () => gateway.output.includes('refused'),
      () => gateway.output,
    )
    expect(gateway.output).toMatch(/gateway\.yaml.*wieght.*weight/s)
    expect(await weight()).toBe(40)
    await until(async () => (await gateway.metrics()).includes('coalmine_config_reload_success 0'))
    gateway.edit((text) => text.replace('wieght: 50', 'weight: 50'))
    await until(async () => (await weight()) === 50)
    await until(async () => (await gateway.metrics()).includes('coalmine_config_reload_success 1'))
    await load.stop()
    expect(load.failures).toEqual([])
  })

  test('an operator changes the weight over the revision looked at; a later look is asked for when it is stale', async () => {
    const rollout = await gateway.admin('/api/v1/models/churn/rollout')
    const etag = rollout.headers.get('etag')!
    const change = (weightPercent: number, headers: Record<string, string>) =>
      gateway.admin('/api/v1/models/churn/rollout/weight', {
        method: 'PUT',
        headers,
        json: { weightPercent, reason: 'a test' },
      })
    expect((await change(25, {})).status).toBe(428)
    const changed = await change(25, { 'if-match': etag, 'idempotency-key': 'one' })
    expect(changed.status).toBe(200)
    const repeated = await change(25, { 'if-match': etag, 'idempotency-key': 'one' })
    expect([repeated.status, await repeated.json()]).toEqual([200, await changed.json()])
    const late = await change(30, { 'if-match': etag })
    expect(late.status).toBe(412)
    expect(await late.json()).toMatchObject({ code: 'revision-stale', status: 412 })
    expect(late.headers.get('content-type')).toBe('application/problem+json')
    expect((await gateway.model()).drift).toEqual([expect.stringContaining('50 %')])
    const { decisions } = await json(await gateway.admin('/api/v1/models/churn/decisions'))
    expect(decisions[0]).toMatchObject({
      kind: 'weight-set',
      actor: 'operator',
      reason: 'a test',
      before: { weightPercent: 50 },
      after: { weightPercent: 25 },
    })
  })

  test('a freeze lets no weight rise', async () => {
    const freeze = (frozen: boolean) =>
      gateway.admin('/api/v1/freeze', { method: 'PUT', json: { frozen, reason: 'incident' } })
    expect((await freeze(true)).status).toBe(200)
    const etag = (await gateway.admin('/api/v1/models/churn/rollout')).headers.get('etag')!
    const raise = (weightPercent: number) =>
      gateway.admin('/api/v1/models/churn/rollout/weight', {
        method: 'PUT',
        headers: { 'if-match': etag },
        json: { weightPercent, reason: 'x' },
      })
    const refused = await raise(60)
    expect([refused.status, (await json(refused)).code]).toEqual([409, 'frozen'])
    expect((await raise(5)).status).toBe(200)
    expect((await freeze(false)).status).toBe(200)
  })

  test.each([
    ['an unknown model', '/api/v1/models/nope', 404, 'model-unknown'],
    ['an unknown path', '/api/v2', 404, 'not-found'],
  ])('the admin API refuses %s with a problem', async (_, path, status, code) => {
    const response = await gateway.admin(path)
    expect([response.status, (await json(response)).code]).toEqual([status, code])
  })

  test('the admin API refuses what a web page could send', async () => {
    const form = await gateway.admin('/api/v1/freeze', {
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
      body: '{}',
    })
    expect(form.status).toBe(415)
  })

  test('a killed worker comes back; until then another version never answers for stable, and the canary is covered', async () => {
    const canary = (await gateway.model()).endpoints.find((e: { version: string }) => e.version === '1.1.0')
    const load = traffic(gateway, 4)
    process.kill(canary.worker.pid, 'SIGKILL')
    await until(async () =>
      (await gateway.model()).endpoints.some(
        (e: { version: string; worker: { pid: number }; healthy: boolean }) =>
          e.version === '1.1.0' && e.healthy && e.worker.pid !== canary.worker.pid,
      ),
    )
    await load.stop()
    expect(load.failures).toEqual([])
  })

  test('the stable worker killed: a clear 503 at worst, then back', async () => {
    const { worker } = (await gateway.model()).endpoints.find(
      (e: { version: string }) => e.version === '1.0.0',
    )
    process.kill(worker.pid, 'SIGKILL')
    const statuses = new Set<number>()
    await until(async () => {
      const response = await gateway.predict([{}])
      statuses.add(response.status)
      const endpoint = (await gateway.model()).endpoints.find(
        (e: { version: string }) => e.version === '1.0.0',
      )
      return endpoint.healthy && endpoint.worker.pid !== worker.pid
    })
    await until(async () => (await gateway.predict()).status === 200)
    expect([...statuses].filter((status) => ![422, 502, 503].includes(status))).toEqual([])
  })

  test('control killed: predictions go on, and control comes back to the same state', async () => {
    const before = await gateway.model()
    const load = traffic(gateway, 4)
    const [pid] = gateway.children('gateway/control/main.ts')
    process.kill(pid!, 'SIGKILL')
    await until(async () => gateway.children('gateway/control/main.ts').some((child) => child !== pid))
    await until(
      async () =>
        (await gateway.model().catch(() => undefined))?.endpoints.every(
          (e: { healthy: boolean }) => e.healthy,
        ) === true,
      () => gateway.output,
    )
    await load.stop()
    expect(load.failures).toEqual([])
    expect(await gateway.model()).toMatchObject({
      revision: before.revision,
      stable: before.stable,
      split: { weightPercent: { configured: 5 } },
    })
  })

  test('a faulty file and the end of control together: predictions go on, and control comes back with the right file', async () => {
    const load = traffic(gateway, 4)
    const [pid] = gateway.children('gateway/control/main.ts')
    gateway.edit((text) => text.replace('weight:', 'wieght:'))
    process.kill(pid!, 'SIGKILL')
    await until(
      () => gateway.output.includes('control cannot start; predictions go on'),
      () => gateway.output,
    )
    gateway.edit((text) => text.replace('wieght:', 'weight:'))
    await until(
      async () => (await gateway.model().catch(() => undefined))?.endpoints?.length > 0,
      () => gateway.output,
    )
    await load.stop()
    expect(load.failures).toEqual([])
  })

  test('an edit that needs other workers replaces them without a failed request', async () => {
    const pids = async () =>
      (await gateway.model()).endpoints.map((e: { worker: { pid: number } }) => e.worker?.pid)
    await until(async () => (await gateway.model()).endpoints.every((e: { healthy: boolean }) => e.healthy))
    const before = await pids()
    const load = traffic(gateway, 4)
    gateway.edit((text) => `${text}\n    limits: { instances: 1000 }`)
    await until(
      async () => {
        const after = await pids()
        return after.length === before.length && after.every((pid: number) => !before.includes(pid))
      },
      () => gateway.output,
    )
    await load.stop()
    expect(load.failures).toEqual([])
  })

  test('a version that does not run yet is made stable without a failed request', async () => {
    const load = traffic(gateway, 4)
    const set = (version: string) =>
      gateway.admin('/api/v1/models/churn/stable', { method: 'PUT', json: { version, reason: 'a test' } })
    expect((await set('1.2.0')).status).toBe(200)
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.2.0')
    expect((await set('1.0.0')).status).toBe(200)
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.0.0')
    await load.stop()
    expect(load.failures).toEqual([])
    // The way back to the split that the file asks for: a version that is taken out and put in again.
    gateway.edit((text) => text.replace('version: 1.1.0', 'version: 1.0.0'))
    await until(async () => (await gateway.model()).drift.length === 0)
    gateway.edit((text) =>
      text.replace('version: 1.0.0', 'version: 1.1.0').replace(/weight: \d+/, 'weight: 5'),
    )
    await until(
      async () => (await gateway.model()).split?.phase === 'split',
      () => gateway.output,
    )
  })

  test('a data process killed: the port stays open and the process comes back', async () => {
    const [pid] = gateway.children('gateway/data/main.ts')
    process.kill(pid!, 'SIGKILL')
    await until(() => gateway.children('gateway/data/main.ts').filter((child) => child !== pid).length === 2)
    await until(async () => (await gateway.predict()).status === 200)
  })

  test('SIGTERM under load answers everything that was accepted, and ends with 0', async () => {
    const load = traffic(gateway, 8)
    await until(() => load.answered() > 200)
    const code = await gateway.stop()
    await load.stop()
    expect(code).toBe(0)
    expect(load.failures).toEqual([])
    expect(gateway.children('worker/main.ts')).toEqual([])
  })

  test('weights and stable survive the restart', async () => {
    await gateway.start()
    const { split, stable, revision } = await gateway.model()
    expect([stable.version, split.canary.version, split.weightPercent.configured]).toEqual([
      '1.0.0',
      '1.1.0',
      5,
    ])
    const promoted = await gateway.admin('/api/v1/models/churn/stable', {
      method: 'PUT',
      headers: { 'if-match': `"${revision}"` },
      json: { version: '1.1.0', reason: 'good' },
    })
    expect(promoted.status).toBe(200)
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.1.0')
    const back = await gateway.admin('/api/v1/models/churn/rollback', {
      method: 'POST',
      json: { reason: 'not so good' },
    })
    expect(back.status).toBe(200)
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.0.0')
  })
})
