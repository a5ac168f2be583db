import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CUSTOMER, Gateway, until } from './gateway-process.ts'
import { kinds, served, start, untilPhase } from './rollout-record.ts'

/** Both guardrails would roll back a version that fails, or refuses, a fifth more of what it gets. */
const POLICY = `
steps:
  - { setWeight: 25, minDuration: 720h, proof: 0.5 }
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 40pp, share: 0.5 }
  - { metric: rejected_rate, tolerate: 20pp, margin: 40pp, share: 0.5 }
interval: 250ms
`
const KEYS = { app: 'the-key-of-the-app', noisy: 'the-key-of-the-noisy-one' }
const ACCESS = `
access:
  clients:
    app: { sha256: ${sha256(KEYS.app)} }
    noisy: { sha256: ${sha256(KEYS.noisy)}, rate: 1, burst: 1 }
`

/** What no version accepts. */
const { tenure_months: _, ...WITHOUT_A_FIELD } = CUSTOMER
const NOISE = [WITHOUT_A_FIELD, { ...CUSTOMER, contract: 'forever' }, 'no record', { ...CUSTOMER, more: 1 }]

describe('a client four fifths of whose requests are at fault', () => {
  let gateway: Gateway
  const callers: { stop(): Promise<void> }[] = []

  /** Asks in turn, as one client, until it is stopped. */
  function caller(client: keyof typeof KEYS, records: readonly unknown[]) {
    const statuses = new Map<number, number>()
    let stopped = false
    const ended = (async () => {
      for (let i = 0; !stopped; i++) {
        const answer = await gateway.predict([records[i % records.length]], { 'x-api-key': KEYS[client] })
        await answer.arrayBuffer()
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
    })()
    const stop = () => {
      stopped = true
      return ended
    }
    callers.push({ stop })
    return { statuses, stop }
  }
  const untilRejectedMore = async (by: number) => {
    const { rejected } = (await served(gateway)).rollout.counts.canary
    await until(async () => (await served(gateway)).rollout.counts.canary.rejected > rejected + by)
  }

  beforeAll(async () => {
    gateway = await Gateway.start({
      policies: { policy: POLICY },
      models: '  churn: { initial: 1.0.0, policy: policy, runtime: process }',
    })
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
  })
  afterAll(async () => {
    await Promise.all(callers.map(({ stop }) => stop()))
    await gateway?.dispose()
  })

  test('does not get a canary rolled back: what it is told is no error, and is told by both versions', async () => {
    const noisy = Array.from({ length: 3 }, () => caller('noisy', [CUSTOMER, ...NOISE]))
    await untilRejectedMore(200)
    await Promise.all(noisy.map(({ stop }) => stop()))
    const { rollout } = await served(gateway)
    expect(rollout.phase.kind).toBe('stepping')
    const { canary, stable } = rollout.counts
    expect([canary.errors, canary.failed, stable.errors, stable.failed]).toEqual([0, 0, 0, 0])
    expect(stable.rejected).toBeGreaterThan(canary.rejected)
    expect(await kinds(gateway)).toEqual(['initialised', 'rollout-started', 'begun'])
    for (const { statuses } of noisy) expect([...statuses.keys()].sort()).toEqual([200, 422])
  })

  test('is held to its own rate, before its requests are drawn, and nobody else is', async () => {
    gateway.edit((text) => `${text}\n${ACCESS}`)
    await until(
      async () => (await gateway.predict()).status === 401,
      () => gateway.output,
    )
    const [app, ...noisy] = [
      caller('app', [CUSTOMER]),
      ...Array.from({ length: 4 }, () => caller('noisy', NOISE)),
    ]
    await until(() => (app!.statuses.get(200) ?? 0) > 200)
    await Promise.all([app!.stop(), ...noisy.map(({ stop }) => stop())])
    expect([...app!.statuses.keys()]).toEqual([200])
    const counted = (status: number) =>
      noisy.reduce((sum, { statuses }) => sum + (statuses.get(status) ?? 0), 0)
    expect(counted(429)).toBeGreaterThan(counted(422))
    const limited = /coalmine_client_requests_total\{client="noisy",outcome="limited"\} [1-9]/
    await until(async () => limited.test(await gateway.metrics()))
    expect((await served(gateway)).rollout.phase.kind).toBe('stepping')
  })
})

function sha256(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
