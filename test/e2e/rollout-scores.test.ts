import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultOf } from '../faults/fault.ts'
import { type Stage, startStage, TWIN } from '../stage/stage.ts'
import { json, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import { act, expectWholeRecord, newest, served, start, untilOver, untilPhase } from './rollout-record.ts'

/** Scores alone may decide: errors and latency are judged beside them, by rules that only a broken version meets. */
const POLICY = `
steps:
  - { setWeight: 20, minDuration: 720h, proof: 0.5 }
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 40pp, share: 0.25 }
  - metric: latency
    quantiles: [p50]
    tolerate: { relative: 1000%, atLeast: 10s }
    margin: { relative: 1000%, atLeast: 20s }
    share: 0.25
  - { metric: score_distribution, distance: ks, tolerate: 0.1, margin: 0.3, share: 0.5 }
interval: 250ms
`

interface Comparison {
  name: string
  logRollback: number
}

describe('a canary whose answers are good but for their scores', () => {
  let stage: Stage
  let load: Load

  beforeAll(async () => {
    stage = await startStage({ canary: TWIN, policy: POLICY })
    load = startLoad(stage.gateway)
    expect((await start(stage.gateway, TWIN, { force: true })).status).toBe(201)
  })
  afterAll(async () => {
    await load?.stop()
    await stage?.close()
  })

  test.each([
    ['are moved', { kind: 'shift', by: 0.3 }],
    ['are all the same', { kind: 'shift', by: 1 }],
  ])('is rolled back for them when they %s, and for nothing else', async (_, fault) => {
    await untilPhase(stage.gateway, 'stepping')
    stage.proxies.canary.fault = faultOf(fault)
    expect(await untilOver(stage.gateway)).toMatchObject({ outcome: 'rolled-back' })
    stage.proxies.canary.fault = { kind: 'none' }
    const row = await newest(stage.gateway)
    expect([row.kind, row.actor, row.proven]).toEqual(['rolled-back', 'controller', true])
    expect(row.because).toMatch(
      /^the scores of 1\.0\.1 differ from those of 1\.0\.0, most clearly in scores of /,
    )
    // What errors and latency are worth as evidence against it is no more than at the start.
    const { record } = await json(await stage.gateway.admin(`/api/v1/models/churn/decisions/${row.id}`))
    const worth = Object.fromEntries(
      record.situation.assessment.comparisons.map(({ name, logRollback }: Comparison) => [name, logRollback]),
    )
    expect(worth.error_rate).toBeLessThanOrEqual(0)
    expect(worth.latency).toBeLessThanOrEqual(0)
    expect(worth.score_distribution).toBeGreaterThan(Math.log(1 / 0.0001) - 0.1)
    expect(troubles(load.seen())).toEqual({})
    expect((await act(stage.gateway, 'rollout/retry')).status).toBe(201)
  })

  test('stays while it says what stable says, and the record is whole', async () => {
    await untilPhase(stage.gateway, 'stepping')
    // The faults were found in fewer.
    await until(async () => (await served(stage.gateway)).rollout.counts.canary.scored > 150)
    expect((await served(stage.gateway)).rollout.phase.kind).toBe('stepping')
    await expectWholeRecord(stage.gateway)
    expect(troubles(await load.stop())).toEqual({})
  })
})
