import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startToxicServer, type ToxicServer } from '../faults/toxics/server.ts'
import { freePorts, Gateway, PATIENT, ROOT, until } from './gateway-process.ts'
import { startLoad, troubles } from './rollout-load.ts'

/** The network between the gateway and one of two workers, by toxiproxy's HTTP API; the link goes over it too. */
let toxics: ToxicServer
let workers: ChildProcess[]
let gateway: Gateway

async function api(method: string, path: string, body?: object): Promise<void> {
  const response = await fetch(toxics.origin + path, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true)
}

const isHealthy = async () =>
  (await gateway.model()).endpoints.every(({ healthy }: { healthy: boolean }) => healthy)

beforeAll(async () => {
  const [behind, beside, between] = (await freePorts(3)) as [number, number, number]
  workers = [behind, beside].map((port) =>
    spawn(
      process.execPath,
      [
        join(ROOT, 'worker/main.ts'),
        ...['--models', join(ROOT, 'models'), '--model', 'churn', '--version', '1.0.0', '--port', `${port}`],
      ],
      { stdio: 'ignore' },
    ),
  )
  toxics = await startToxicServer()
  await api('POST', '/proxies', {
    name: 'worker',
    listen: `127.0.0.1:${between}`,
    upstream: `127.0.0.1:${behind}`,
  })
  gateway = await Gateway.start({
    modelsFolder: './nothing',
    models: `  churn:
    initial: 1.0.0
    runtime: { static: { 1.0.0: ['http://127.0.0.1:${between}', 'http://127.0.0.1:${beside}'] } }
    resilience: { firstAttempt: 1s, retries: { budget: 50%, atLeast: 20 }, ${PATIENT} }`,
  })
  await until(isHealthy)
})
afterAll(async () => {
  await gateway?.dispose()
  await toxics?.close()
  for (const worker of workers ?? []) worker.kill('SIGTERM')
})
beforeEach(async () => {
  await api('POST', '/reset')
  await until(isHealthy)
})

describe('one of two workers, over a network that', () => {
  test.each([
    ['takes 30 ms more', { type: 'latency', attributes: { latency: 30, jitter: 10 } }],
    [
      'cuts packets into pieces',
      { type: 'slicer', attributes: { average_size: 50, size_variation: 20, delay: 100 } },
    ],
    ['is slow', { type: 'bandwidth', attributes: { rate: 20 } }],
    ['resets connections after 50 ms', { type: 'reset_peer', attributes: { timeout: 50 } }],
    ['ends connections after 2 kB', { type: 'limit_data', attributes: { bytes: 2_000 } }],
    ['lets nothing through', { type: 'timeout', attributes: { timeout: 0 } }],
    ['lets nothing to the worker', { type: 'timeout', stream: 'upstream', attributes: { timeout: 0 } }],
  ])('%s: no request fails', async (_, toxic) => {
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 50)
    await api('POST', '/proxies/worker/toxics', toxic)
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 400)
    expect(troubles(await load.stop())).toEqual({})
  })

  test('is down, and comes back: no request fails, and the worker gets its share again', async () => {
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 50)
    await api('POST', '/proxies/worker', { enabled: false })
    await until(async () => !(await isHealthy()))
    await api('POST', '/proxies/worker', { enabled: true })
    await until(isHealthy)
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 100)
    expect(troubles(await load.stop())).toEqual({})
  })
})
