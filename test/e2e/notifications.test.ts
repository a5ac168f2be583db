import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { Gateway, until } from './gateway-process.ts'
import { startLoad } from './rollout-load.ts'
import { act, start, untilPhase } from './rollout-record.ts'

interface Told {
  id: string
  type: string
  signed: boolean
}

/** Somebody who is told, and may be away. */
async function startReceiver() {
  const told: Told[] = []
  const receiver = { told, isAway: true, address: '', close: () => void server.close() }
  const server = createServer(async (incoming, outgoing) => {
    const body = await text(incoming)
    if (receiver.isAway) return void outgoing.writeHead(503).end()
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = incoming.headers
    const expected = createHmac('sha256', SECRET).update(`${id}.${at}.${body}`).digest('base64')
    told.push({ id: `${id}`, type: JSON.parse(body).type, signed: signature === `v1,${expected}` })
    outgoing.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  receiver.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return receiver
}

const startGateway = (address: string) =>
  Gateway.start({
    models: `  churn: { initial: 1.0.0, policy: none, runtime: process }
notifications:
  - { name: ops, url: '${address}', secretEnv: HOOK_SECRET }`,
    policies: { slow: POLICY },
    env: { HOOK_SECRET: SECRET },
  })

const untilRetried = (gateway: Gateway) =>
  until(async () =>
    /coalmine_notifications_total\{receiver="ops",outcome="retried"\} [1-9]/.test(
      await gateway.metrics().catch(() => ''),
    ),
  )

const SECRET = 'a-secret-of-the-webhooks'
const POLICY = `
steps:
  - { setWeight: 20, minDuration: 720h, proof: 0.9 }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 30pp }
progressDeadline: 2000h
`

test('a rollout is told in order, once each, signed; a receiver that is away holds nothing up and hears it later', async () => {
  const receiver = await startReceiver()
  const gateway = await startGateway(receiver.address)
  const load = startLoad(gateway)
  try {
    expect((await start(gateway, '1.1.0', { policy: 'slow', force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    await untilRetried(gateway)
    receiver.isAway = false
    const { told } = receiver
    await until(() => told.length === 2)
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    appendFileSync(gateway.configFile, '\nnonsense: true\n')
    await until(() => told.length === 4)
    expect(told.map(({ type }) => type)).toEqual(['started', 'step', 'aborted', 'invalid'])
    expect(new Set(told.map(({ id }) => id)).size).toBe(4)
    expect(told.every(({ signed }) => signed)).toBe(true)
    expect(gateway.output + (await gateway.metrics())).not.toContain(SECRET)
  } finally {
    await load.stop()
    await gateway.dispose()
    receiver.close()
  }
})

test('what waits is told after control was killed, and after the gateway was stopped, under the same ids', async () => {
  const receiver = await startReceiver()
  const gateway = await startGateway(receiver.address)
  const load = startLoad(gateway)
  try {
    expect((await start(gateway, '1.1.0', { policy: 'slow', force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    await untilRetried(gateway)
    const [killed] = gateway.children('control/main.ts')
    process.kill(killed!, 'SIGKILL')
    // The next one tries anew, to no avail, and is ended in good order.
    await until(() => gateway.children('control/main.ts').some((pid) => pid !== killed))
    await untilRetried(gateway)
    await load.stop()
    expect(await gateway.stop()).toBe(0)
    expect(receiver.told).toEqual([])
    receiver.isAway = false
    await gateway.start()
    await until(() => receiver.told.length === 2)
    expect(receiver.told.map(({ type }) => type)).toEqual(['started', 'step'])
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    // Whatever was told more than once before has the id that it had.
    await until(() => receiver.told.at(-1)!.type === 'aborted')
    expect(new Set(receiver.told.map(({ id }) => id)).size).toBe(3)
  } finally {
    await load.stop()
    await gateway.dispose()
    receiver.close()
  }
})

test('a secret that is not there is refused at the start', async () => {
  const gateway = new Gateway()
  gateway.configure(
    "  digits: { initial: 1.0.0, runtime: process }\nnotifications: [{ name: ops, url: 'http://127.0.0.1:1/', secretEnv: NOT_THERE }]",
  )
  gateway.spawn()
  expect(await gateway.exited()).not.toBe(0)
  expect(gateway.output).toContain('NOT_THERE')
  await gateway.dispose()
})
