import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fault, faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  expectWholeRecord,
  kinds,
  newest,
  start,
  untilOver,
  untilPhase,
  WIDE,
} from './rollout-record.ts'

const POLICY = `
steps:
  - { setWeight: 20, minDuration: 720h, proof: 0.5 }
${WIDE}`
const requests = (outcome: string) =>
  new RegExp(
    `coalmine_requests_total\\{model="churn",version="1\\.1\\.0",arm="canary",outcome="${outcome}"\\} [1-9]`,
  )

const IDLE = /coalmine_endpoint_requests_in_flight\{model="churn",version="1\.1\.0",[^}]*\} 0/

describe('a canary that is harmed', () => {
  let stage: Stage
  let load: Load
  const harm = async (fault: Fault) => {
    await untilPhase(stage.gateway, 'stepping')
    stage.proxies.canary.fault = fault
    const over = await untilOver(stage.gateway)
    stage.proxies.canary.fault = { kind: 'none' }
    return over
  }

  beforeAll(async () => {
    stage = await startStage({ canary: '1.1.0', policy: POLICY })
    load = startLoad(stage.gateway)
    expect((await start(stage.gateway, '1.1.0', { force: true })).status).toBe(201)
  })
  afterAll(async () => {
    await load?.stop()
    await stage?.close()
  })

  test.each([
    ['half of its answers are errors', { kind: 'errors', rate: 0.5 }, 'error'],
    ['its answers are garbage', { kind: 'garbage' }, 'invalid'],
    ['its connections are reset', { kind: 'reset' }, 'error'],
    ['it answers nothing', { kind: 'hang' }, 'timeout'],
    ['it answers too late', { kind: 'slow', addMs: 6_000 }, 'timeout'],
  ])('is rolled back when %s, and no client sees anything', async (_, fault, outcome) => {
    expect(await harm(faultOf(fault))).toMatchObject({ outcome: 'rolled-back' })
    const { kind, actor, proven, because, after } = await newest(stage.gateway)
    expect([kind, proven, after.weightPercent]).toEqual(['rolled-back', actor === 'controller', 0])
    // All connections of one that hangs are soon taken, and those that wait for one are counted before they are too late.
    expect(because).toMatch(
      actor === 'gateway'
        ? new RegExp(
            `^1\\.1\\.0 failed so hard that .* first attempts on it failed \\((${outcome}|unavailable)\\)$`,
          )
        : /^re.* with 1\.1\.0 and .* with 1\.0\.0; tolerated is at most 20 percentage points more/,
    )
    await until(async () => requests(outcome).test(await stage.gateway.metrics()))
    await until(async () => (await stage.gateway.predict()).headers.get('x-model-version') === '1.0.0')
    expect(troubles(load.seen())).toEqual({})
    // What the fault held up still holds the canary's connections.
    await until(async () => IDLE.test(await stage.gateway.metrics()))
    expect((await act(stage.gateway, 'rollout/retry')).status).toBe(201)
  })

  test('without the shield clients see its failures, and only those', async () => {
    await untilPhase(stage.gateway, 'stepping')
    stage.gateway.writePolicy('stage', `${POLICY}shield: false\n`)
    await until(async () => (await kinds(stage.gateway)).at(-1) === 'policy-changed')
    const { harmed } = stage.proxies.canary.counts
    const before = load.seen().byArm.canary ?? 0
    expect(await harm(faultOf({ kind: 'errors' }))).toMatchObject({ outcome: 'rolled-back' })
    const seen = await load.stop()
    const shown = seen.byStatus['500'] ?? 0
    expect(shown).toBeGreaterThan(0)
    expect(shown).toBeLessThanOrEqual(stage.proxies.canary.counts.harmed - harmed)
    expect(troubles(seen)).toEqual({ 500: shown })
    expect(seen.byArm.canary! - before).toBeLessThan(seen.answered)
    await expectWholeRecord(stage.gateway)
  })
})
