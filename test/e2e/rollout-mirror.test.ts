import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fault, faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { Gateway, until } from './gateway-process.ts'
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
  - { mirror: { percent: 100 }, minDuration: 1s, proof: 0.3 }
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
    limits: { timeout: 3s }`,
    })
    load = startLoad(gateway)
  })
  afterAll(async () => {
    await load?.stop()
    await gateway?.dispose()
  })

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
    expect(metrics).toMatch(/coalmine_mirrored_requests_total\{model="churn",result="compared"\} [1-9]/)
    expect(metrics).toMatch(/coalmine_mirrored_requests_total\{model="churn",result="floor"\} [1-9]/)
  })

  test('goes on to the steps when copies prove it, and is promoted like any other', async () => {
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await until(
      async () => (await decisions(gateway)).at(-1)?.kind === 'promoted',
      () => gateway.output,
    )
    const rows = (await decisions(gateway)).slice(-5)
    expect(rows.map(({ kind, after }) => [kind, after.weightPercent])).toEqual([
      ['rollout-started', 0],
      ['mirroring-begun', 0],
      ['begun', 50],
      ['promotion-begun', 50],
      ['promoted', 0],
    ])
    expect(rows[2].because).toMatch(
      /^error_rate within the margin in copies of \d+ requests, certain to 70 % \(.* of the answers differ.*\); 1\.1\.0 gets 50 %$/,
    )
    expect(troubles(load.seen())).toEqual({})
    expect((await served(gateway)).stable.version).toBe('1.1.0')
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
