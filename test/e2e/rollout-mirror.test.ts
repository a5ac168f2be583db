import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fault, faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { CUSTOMER, Gateway, PATIENT, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  decisions,
  expectWholeRecord,
  newest,
  served,
  start,
  untilOver,
  untilPhase,
  WIDE,
} from './rollout-record.ts'

const MIRRORED = `
steps:
  - { mirror: { percent: 100 }, minDuration: 1s, proof: 0.3, requiresApproval: true }
  - { setWeight: 50, minDuration: 1s, proof: 0.5 }
${WIDE}`

/** 1.2.0 has a fault that moves its scores and fails nothing. */
const SCORES = `
steps:
  - { mirror: { percent: 50 }, minDuration: 720h, proof: 0.3 }
  - { setWeight: 50, minDuration: 1s, proof: 0.5 }
risk: { falseRollback: 0.1%, falsePromotion: 5% }
guardrails:
  - { metric: score_distribution, distance: mean, tolerate: 0.1, margin: 0.2 }
interval: 250ms
`

describe('a rollout that begins with a mirror', () => {
  let gateway: Gateway
  let load: Load
  beforeAll(async () => {
    gateway = await Gateway.start({
      processes: 2,
      policies: { mirrored: MIRRORED, scores: SCORES },
      models: `  churn:
    initial: 1.0.0
    policy: mirrored
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

  const untilMirrored = (result: string) =>
    until(async () =>
      new RegExp(`coalmine_mirrored_requests_total\\{model="churn",result="${result}"\\} [1-9]`).test(
        await gateway.metrics(),
      ),
    )

  test('finds by copies what a version does to scores, before it has answered anybody', async () => {
    expect((await start(gateway, '1.2.0', { policy: 'scores', force: true })).status).toBe(201)
    const { mirror } = await untilPhase(gateway, 'mirroring')
    expect(mirror).toMatchObject({ percent: 50, comparisons: [{ name: 'score_distribution' }] })
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'rolled-back' })
    const { kind, actor, proven, because } = await newest(gateway)
    expect([kind, actor, proven]).toEqual(['rolled-back', 'controller', true])
    expect(because).toMatch(
      /^copies of \d+ requests: score_distribution .* of 1\.2\.0 is worse than tolerated/,
    )
    const seen = load.seen()
    expect(troubles(seen)).toEqual({})
    expect(Object.keys(seen.byVersion)).toEqual(['1.0.0'])
    const metrics = await gateway.metrics()
    expect(metrics).not.toMatch(/coalmine_requests_total\{model="churn",version="1\.2\.0"/)
    await untilMirrored('compared')
  })

  test('goes on to the steps when copies prove it and a person approves, and is promoted like any other', async () => {
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    const waiting = await untilPhase(gateway, 'awaiting-approval')
    expect(waiting.phase).toMatchObject({ step: 0, weightPercent: 0 })
    expect(load.seen().byVersion).not.toHaveProperty('1.1.0')
    expect((await act(gateway, 'rollout/approve')).status).toBe(200)
    await until(
      async () => (await decisions(gateway)).at(-1)?.kind === 'promoted',
      () => gateway.output,
    )
    const rows = (await decisions(gateway)).slice(-7)
    expect(rows.map(({ kind, after }) => [kind, after.weightPercent])).toEqual([
      ['rollout-started', 0],
      ['mirroring-begun', 0],
      ['approval-asked', 0],
      ['approved', 0],
      ['begun', 50],
      ['promotion-begun', 50],
      ['promoted', 0],
    ])
    expect(rows[4].because).toMatch(
      /^error_rate within the margin in copies of \d+ requests, certain to 70 % \(.* of the answers differ.*\); 1\.1\.0 gets 50 %$/,
    )
    await untilMirrored('floor')
    expect(troubles(load.seen())).toEqual({})
    expect((await served(gateway)).stable.version).toBe('1.1.0')
    await expectWholeRecord(gateway)
  })
})

describe('a mirror whose control process is killed', () => {
  /** Distinct, and each of them asked again and again. */
  const INPUTS = 6
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await Gateway.start({
      policies: { mirrored: MIRRORED.replace('1s', '720h') },
      models: `  churn:
    initial: 1.0.0
    policy: mirrored
    runtime: process`,
    })
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await untilPhase(gateway, 'mirroring')
  })
  afterAll(() => gateway?.dispose())

  const ask = async (months: number) => {
    const answer = await gateway.predict([{ ...CUSTOMER, tenure_months: months }])
    expect(answer.status).toBe(200)
    await answer.text()
  }
  const counted = async (): Promise<{ pairs: number; floor: number }> => {
    const { mirror } = (await served(gateway)).rollout
    return { pairs: mirror.pairs.pairs, floor: mirror.floor.pairs }
  }
  /** Asks all inputs and then a new one, until the new one has counted beside the canary. */
  const untilCounted = async (marker: number, most: number) =>
    until(async () => {
      for (let months = 0; months < INPUTS; months++) await ask(months)
      await ask(marker)
      const { pairs } = await counted()
      expect(pairs).toBeLessThanOrEqual(most)
      return pairs === most
    })

  test('counts each distinct input once, before and after', async () => {
    await until(async () => {
      for (let months = 0; months < INPUTS; months++) await ask(months)
      const { pairs, floor } = await counted()
      return pairs === INPUTS && floor === INPUTS
    })
    const [before] = gateway.children('gateway/control/main.ts')
    process.kill(before!, 'SIGKILL')
    await until(async () => {
      const [after] = gateway.children('gateway/control/main.ts')
      return after !== undefined && after !== before && (await counted().catch(() => undefined)) !== undefined
    })
    expect(await counted()).toEqual({ pairs: INPUTS, floor: INPUTS })
    // Once the first one has counted, every copy does that has not: the second comes behind all others again.
    await untilCounted(INPUTS, INPUTS + 1)
    const { latency } = (await served(gateway)).rollout.mirror
    expect(latency).toMatchObject({ stableMs: expect.any(Number), canaryMs: expect.any(Number) })
    await untilCounted(INPUTS + 1, INPUTS + 2)
  })

  test('paused keeps what it has counted, copies nothing, and goes on from there', async () => {
    const before = await counted()
    expect((await act(gateway, 'rollout/pause')).status).toBe(200)
    const paused = await untilPhase(gateway, 'paused')
    expect(paused.phase).toMatchObject({ step: 0, weightPercent: 0 })
    expect((await act(gateway, 'rollout/promote')).status).toBe(409)
    await ask(INPUTS + 2)
    expect((await act(gateway, 'rollout/resume')).status).toBe(200)
    await untilPhase(gateway, 'mirroring')
    await untilCounted(INPUTS + 3, before.pairs + 1)
    expect((await act(gateway, 'rollout/weight', { weightPercent: 5 })).status).toBe(200)
    expect((await untilPhase(gateway, 'paused')).phase).toMatchObject({ step: 1, weightPercent: 5 })
    expect((await newest(gateway)).kind).toBe('paused')
    await expectWholeRecord(gateway)
  })
})

describe('a canary that is harmed while it gets copies', () => {
  let stage: Stage
  let load: Load
  beforeAll(async () => {
    stage = await startStage({ canary: '1.1.0', policy: MIRRORED.replace('1s', '720h') })
    load = startLoad(stage.gateway)
    expect((await start(stage.gateway, '1.1.0', { force: true })).status).toBe(201)
  })
  afterAll(async () => {
    await load?.stop()
    await stage?.close()
  })

  test.each<[string, Fault]>([
    ['its answers are garbage', faultOf({ kind: 'garbage' })],
    ['its connections are reset', faultOf({ kind: 'reset' })],
    ['it answers nothing', faultOf({ kind: 'hang' })],
  ])('is gone when %s, and no client was ever near it', async (_, fault) => {
    await untilPhase(stage.gateway, 'mirroring')
    stage.proxies.canary.fault = fault
    expect(await untilOver(stage.gateway)).toMatchObject({ outcome: 'rolled-back' })
    stage.proxies.canary.fault = { kind: 'none' }
    expect(await newest(stage.gateway)).toMatchObject({
      actor: 'controller',
      proven: true,
      because: expect.stringContaining('copies of'),
    })
    const seen = load.seen()
    expect(troubles(seen)).toEqual({})
    expect(Object.keys(seen.byVersion)).toEqual(['1.0.0'])
    expect((await act(stage.gateway, 'rollout/retry')).status).toBe(201)
  })
})
