import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gateway, PATIENT, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  decisions,
  expectWholeRecord,
  kinds,
  newest,
  served,
  start,
  untilOver,
  untilPhase,
  WIDE,
} from './rollout-record.ts'

const QUICK = `
steps:
  - { setWeight: 25, minDuration: 1s, proof: 0.5 }
  - { setWeight: 50, minDuration: 1s }
${WIDE}`

/** Refusals are known after a second, failures only when nobody waits any more. */
const EARLY = `
steps:
  - { setWeight: 50, minDuration: 1s }
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: rejected_rate, tolerate: 20pp, margin: 40pp }
interval: 250ms
`

describe('a version that the file asks for', () => {
  let gateway: Gateway
  let load: Load
  const workerOf = async (version: string) =>
    (await gateway.model()).endpoints.find((e: { version: string }) => e.version === version)
  const answering = async () => (await gateway.predict()).headers.get('x-model-version')

  beforeAll(async () => {
    gateway = await Gateway.start({
      processes: 2,
      policies: { quick: QUICK, early: EARLY },
      models: `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: quick
    runtime: process
    limits: { timeout: 3s }
    resilience: { ${PATIENT} }`,
    })
    load = startLoad(gateway)
  })
  afterAll(async () => {
    await load?.stop()
    await gateway?.dispose()
  })

  test('is promoted by itself, step by step, each with its reason; no client sees an error', async () => {
    await until(
      async () => (await kinds(gateway)).includes('promoted'),
      () => gateway.output,
    )
    const rows = await decisions(gateway)
    expect(rows.map(({ kind, actor, after }) => [kind, actor, after.weightPercent])).toEqual([
      ['initialised', 'config', 0],
      ['rollout-started', 'config', 0],
      ['begun', 'controller', 25],
      ['advanced', 'controller', 50],
      ['promotion-begun', 'controller', 50],
      ['promoted', 'controller', 0],
    ])
    const because = rows.slice(1).map((row) => row.because)
    expect(because).toEqual([
      '1.1.0 is tried beside stable 1.0.0 by policy quick, attempt 1',
      '1.1.0 is ready and gets 25 % of the requests',
      expect.stringMatching(/^error_rate within the margin at step 1, .*; 1\.1\.0 gets 50 %$/),
      expect.stringMatching(/^every guardrail of 1\.1\.0 is within its margin beside 1\.0\.0, /),
      '1.1.0 has the capacity for everything and becomes the stable version in place of 1.0.0',
    ])
    expect(rows.slice(3, 5).map(({ proven }) => proven)).toEqual([true, true])
    await expectWholeRecord(gateway)
    await until(async () => (await answering()) === '1.1.0')
    expect(troubles(load.seen())).toEqual({})
    const { stable, previous, rollout, last } = await served(gateway)
    expect([stable.version, previous.version, rollout, last.outcome]).toEqual([
      '1.1.0',
      '1.0.0',
      null,
      'promoted',
    ])
    expect(await gateway.metrics()).toContain(
      'coalmine_decisions_total{model="churn",kind="promoted",actor_kind="controller"} 1',
    )
  })

  test('leaves the version before warm: the way back starts nothing and fails nobody', async () => {
    const before = await workerOf('1.0.0')
    expect(before).toMatchObject({ healthy: true, worker: { state: 'ready' } })
    expect((await act(gateway, 'rollback')).status).toBe(200)
    await until(async () => (await answering()) === '1.0.0')
    expect((await workerOf('1.0.0')).worker.pid).toBe(before.worker.pid)
    expect(await newest(gateway)).toMatchObject({ kind: 'rolled-back', actor: 'operator', reason: 'a test' })
    expect(troubles(load.seen())).toEqual({})
  })

  test('is not tried again by the same file, touched or not, nor by a restart of the whole gateway', async () => {
    const before = await decisions(gateway)
    gateway.edit((text) => `${text}\n# the same wishes`)
    await until(() => gateway.output.includes('the configuration changed and is in force'))
    expect(troubles(await load.stop())).toEqual({})
    expect(await gateway.stop()).toBe(0)
    await gateway.start()
    load = startLoad(gateway)
    const { stable, drift, rollout } = await gateway.model()
    expect([stable.version, rollout, drift]).toEqual([
      '1.0.0',
      null,
      ['the file asks for 1.1.0 of churn, but it is served by 1.0.0'],
    ])
    expect(await decisions(gateway)).toEqual(before)
  })

  test('stable beside itself is measured, promotes nothing, and says what to tolerate', async () => {
    const refused = await start(gateway, '1.0.0')
    expect([refused.status, (await refused.json()) as object]).toEqual([
      409,
      expect.objectContaining({ code: 'canary-is-stable' }),
    ])
    expect((await start(gateway, '1.0.0', { measure: true, force: true, policy: 'early' })).status).toBe(201)
    expect(await untilPhase(gateway, 'stepping')).toMatchObject({ measures: true })
    expect(await untilOver(gateway)).toMatchObject({
      outcome: 'measured',
      because: expect.stringMatching(/^1\.0\.0 beside itself: every difference is within its margin, /),
    })
    const { stable, suggestions } = await served(gateway)
    expect(stable.version).toBe('1.0.0')
    expect(suggestions).toEqual([
      expect.objectContaining({ name: 'rejected_rate', raised: false, sentence: expect.any(String) }),
    ])
    expect(await kinds(gateway)).toEqual(expect.arrayContaining(['rollout-started', 'begun', 'measured']))
    await expectWholeRecord(gateway)
    expect(troubles(load.seen())).toEqual({})
  })
})
