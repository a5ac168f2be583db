import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  clock,
  evidence,
  freshDataPlane,
  idOf,
  outcomes,
  plane,
  route,
  stable,
  trips,
} from '../testing/data-port.ts'
import { FAULTS } from '../testing/upstream.ts'

freshDataPlane()

describe.each(Object.keys(adapters))('before the draw, over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (headers?: Record<string, string>) =>
    call('POST', '/v1/models/churn:predict', { body: BODY, ...(headers ? { headers } : {}) })

  /** Not drawn: stable answered, and it is nobody's evidence. */
  async function notDrawn(reason: string, headers?: Record<string, string>) {
    const before = stable.requests.length
    const reply = await predict(headers)
    expect([reply.status, stable.requests.length]).toEqual([200, before + 1])
    expect(idOf(reply)).toMatchObject({ arm: 'stable', counts: false, shielded: false })
    expect(plane.recorder.snapshot().unrouted).toEqual([{ reason, count: 1 }])
  }

  test('a caller with too little time for two attempts goes to stable', async () => {
    route({ weightBp: 10_000, trial: { reserveMs: 200 } })
    await notDrawn('short-deadline', { 'x-request-timeout-ms': '399' })
    expect(evidence()).toEqual({})
    await predict({ 'x-request-timeout-ms': '400' })
    expect(canary.requests).toHaveLength(1)
  })

  test('a table that control has not confirmed for 30 s gives the canary nothing', async () => {
    route({ weightBp: 10_000, trial: {} })
    clock.ms += 30_001
    await notDrawn('stale-table')
    expect(evidence()).toEqual({})
  })

  test.each([
    ['none', []],
    ['none that control holds to be well', [{ arm: 'baseline', healthy: false } as const]],
  ])('a baseline with %s of its endpoints is no control to be compared with', async (_, more) => {
    route({ weightBp: 5_000, baselineBp: 5_000, trial: {}, more })
    await notDrawn('baseline-unavailable')
    expect([canary.requests.length, evidence()]).toEqual([0, {}])
  })

  test('before the canary has a share a baseline that is not up yet leaves its requests to stable', async () => {
    route({ weightBp: 0, baselineBp: 10_000, trial: {}, more: [{ arm: 'baseline', healthy: false }] })
    expect(idOf(await predict())).toMatchObject({ arm: 'stable', counts: false })
    // No failure of stable, whose rate is what bets are placed by.
    expect([outcomes(), evidence()]).toEqual([{ stable: { ok: 1 } }, {}])
  })

  test('beside a stable version that nothing serves a canary proves nothing', async () => {
    // What is drawn for stable fails, so that in a few seconds every canary would look better.
    route({ weightBp: 5_000, stableHealthy: false, trial: {} })
    for (let i = 0; i < 20; i++) await predict()
    expect([canary.requests.length > 0, evidence()]).toEqual([true, {}])
    expect(Object.keys(outcomes()).sort()).toEqual(['canary', 'stable'])
    route({ weightBp: 10_000, stableHealthy: false, trial: {} })
    expect(idOf(await predict())).toMatchObject({ arm: 'canary', counts: true })
    expect(evidence()).toMatchObject({ canary: { requests: 1 } })
  })

  test('a prediction beside such a stable version says that it does not count', async () => {
    route({ weightBp: 9_999, stableHealthy: false, trial: {} })
    expect(idOf(await predict())).toMatchObject({ arm: 'canary', counts: false })
  })

  /** A canary that fails so hard that this process gives it nothing. */
  async function trip() {
    route({ weightBp: 10_000, trial: {} })
    canary.behave(FAULTS['an internal error']!)
    for (let i = 0; i < 15; i++) await predict()
    route({ weightBp: 0, trial: {} })
    for (let i = 0; i < 5; i++) await predict()
    route({ weightBp: 10_000, trial: {} })
  }

  test('a canary that failed hard gets nothing, and control is told until it has heard', async () => {
    await trip()
    await notDrawn('canary-tripped')
    expect(canary.requests).toHaveLength(15)
    plane.flush()
    const said = { kind: 'tripped', model: 'churn', serial: 7, failed: 15, of: 15, outcome: 'error' }
    expect(trips).toEqual([said])
    clock.ms += 4_999
    route({ weightBp: 10_000, trial: {} })
    plane.flush()
    expect(trips).toHaveLength(1)
    clock.ms += 1
    plane.flush()
    expect(trips).toEqual([said, said])
  })

  test('another rollout begins without the failures of the last', async () => {
    await trip()
    route({ weightBp: 10_000, serial: 8, trial: { recording: 'churn/8/0' } })
    await predict()
    expect(canary.requests).toHaveLength(16)
    plane.flush()
    expect(trips).toEqual([])
  })
})
