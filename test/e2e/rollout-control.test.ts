import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gateway, json, PATIENT, until } from './gateway-process.ts'
import { evaluate, INSPECTABLE } from './inspector.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  decisions,
  expectWholeRecord,
  kinds,
  served,
  start,
  untilOver,
  untilPhase,
  WIDE,
} from './rollout-record.ts'

/** Its times are long, and shorter than what clocks are moved by. */
const POLICY = `
steps:
  - { setWeight: 20, minDuration: 30m, proof: 0.5 }
  - { setWeight: 50, minDuration: 30m }
${WIDE}
progressDeadline: 45m
onInconclusive: rollback
onNoTraffic: { action: rollback, after: 30m }
`
const STALLED = /^coalmine_evidence_stalled_seconds_total\{model="churn"\} [1-9]/m
const HOUR_MS = 3_600_000
const CONTROL = 'gateway/control/main.ts'
const DATA = 'gateway/data/main.ts'

describe('a rollout', () => {
  let gateway: Gateway
  let load: Load

  let moves = 0

  /** When events of this kind were, as the log has it. */
  const logged = (event: string) =>
    gateway.output
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line): string => JSON.parse(line).time)
  const untilMoreIsKnown = async () => {
    const before = (await served(gateway)).rollout.counts.canary.requests
    await until(
      async () => (await served(gateway)).rollout.counts.canary.requests > before + 20,
      () => gateway.output,
    )
  }

  beforeAll(async () => {
    gateway = await Gateway.start({
      env: INSPECTABLE,
      policies: { policy: POLICY },
      // To be moved its clocks' processes are halted for a moment.
      models: `  churn: { initial: 1.0.0, policy: policy, runtime: process, resilience: { ${PATIENT} } }`,
    })
    load = startLoad(gateway)
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    await untilMoreIsKnown()
  })
  afterAll(async () => {
    await load?.stop()
    await gateway?.dispose()
  })

  /** Moves the time of day that a process sees; its monotonic clock goes on. */
  const move = (pid: number, byMs: number) =>
    evaluate(
      gateway,
      pid,
      `{
        const Before = Date
        globalThis.Date = class extends Before {
          constructor(...given) { given.length > 0 ? super(...given) : super(Before.now() + ${byMs}) }
          static now() { return Before.now() + ${byMs} }
        }
      }`,
    )

  test.each([
    ['an hour on', HOUR_MS],
    ['two hours back', -2 * HOUR_MS],
  ])('goes on as it was when the clocks of its processes are put %s', async (_, byMs) => {
    const before = await served(gateway)
    const asked = await gateway.predict()
    for (const pid of [gateway.child.pid!, ...gateway.children(CONTROL), ...gateway.children(DATA)])
      await move(pid, byMs)
    moves++
    await untilMoreIsKnown()
    const after = await served(gateway)
    expect([after.revision, after.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    // Ids say when they were made, by the time of the evidence.
    const { predictions } = await json(asked)
    const feedback = { prediction_id: predictions[0].prediction_id, truth: 'stay' }
    const init = { method: 'POST', body: JSON.stringify(feedback) }
    expect((await gateway.data('/v1/models/churn:feedback', init)).status).toBe(202)
    expect((await act(gateway, 'rollout/pause')).status).toBe(200)
    // The clock was moved indeed: the log goes by it.
    await until(() => logged('paused').length === moves)
    const offMs = Math.abs(Date.parse(logged('paused').at(-1)!) - Date.now())
    expect(offMs).toBeGreaterThan(HOUR_MS / 2)
    expect((await act(gateway, 'rollout/resume')).status).toBe(200)
    await untilPhase(gateway, 'stepping')
    expect(troubles(load.seen())).toEqual({})
  })

  test('has a record in order, whatever the clocks said', async () => {
    const rows = await decisions(gateway)
    expect(rows.map(({ kind }) => kind)).toEqual([
      ...['initialised', 'rollout-started', 'begun'],
      ...['paused', 'resumed', 'paused', 'resumed'],
    ])
    const instants = rows.map(({ at }) => Date.parse(at))
    expect(instants).toEqual(instants.toSorted((a, b) => a - b))
    await expectWholeRecord(gateway)
  })

  test('whose control process stands still gives its canary nothing, lets no other gateway in, and then goes on', async () => {
    const before = await served(gateway)
    const [control] = gateway.children(CONTROL)
    process.kill(control!, 'SIGSTOP')
    try {
      const second = new Gateway({
        env: {
          COALMINE_LISTEN_DATA: '127.0.0.1:0',
          COALMINE_LISTEN_ADMIN: '127.0.0.1:0',
          COALMINE_LISTEN_METRICS: '127.0.0.1:0',
        },
      })
      Object.defineProperty(second, 'configFile', { value: gateway.configFile })
      second.spawn()
      expect(await second.exited()).toBe(2)
      expect(second.output).toContain('another gateway is running with the state folder')
      // At a fifth of the requests none of a hundred is the canary's only when nothing is drawn for it.
      await until(async () => {
        const { answered, byArm } = load.seen()
        await until(() => load.seen().answered > answered + 100)
        return load.seen().byArm.canary === byArm.canary
      })
      expect(gateway.children(CONTROL)).toEqual([control])
    } finally {
      process.kill(control!, 'SIGCONT')
    }
    await untilMoreIsKnown()
    const after = await served(gateway)
    expect([after.revision, after.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    expect(after.rollout.counts.canary.requests).toBeLessThanOrEqual(load.seen().byArm.canary! + 10)
    await expectWholeRecord(gateway)
    expect(troubles(load.seen())).toEqual({})
  })

  test('is not held up by a data process that stands still: its seconds are marked, and it goes on', async () => {
    const before = await served(gateway)
    const [data] = gateway.children(DATA)
    const stand = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)'
    await evaluate(gateway, data!, `setTimeout(() => ${stand})`)
    await until(async () => STALLED.test(await gateway.metrics()))
    await untilMoreIsKnown()
    const after = await served(gateway)
    expect([after.revision, after.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    expect(gateway.children(DATA)).toEqual([data])
    await expectWholeRecord(gateway)
  })

  test('is ended by a person as ever', async () => {
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'aborted' })
    expect((await kinds(gateway)).at(-1)).toBe('aborted')
    // Some who waited for the data process were refused for overload.
    const { 503: _, ...others } = troubles(await load.stop())
    expect(others).toEqual({})
  })
})
