import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Summary } from '../demo/tally.ts'
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
} from './rollout-record.ts'

/** Nothing goes on by itself. The latency only gives the baseline workers of its own. */
const STANDING = `
steps:
  - { setWeight: 20, minDuration: 720h, proof: 0.5 }
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 40pp, share: 0.5 }
  - metric: latency
    quantiles: [p50]
    tolerate: { relative: 1000%, atLeast: 10s }
    margin: { relative: 1000%, atLeast: 20s }
    share: 0.5
interval: 250ms
`
const DATA = 'gateway/data/main.ts'
const CONTROL = 'gateway/control/main.ts'
/** How clients see the end of the process that had their connection. */
const CUT_OFF = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** Counted after a second, and not answered yet. */
const IN_FLIGHT = 10

interface Endpoint {
  version: string
  arm: string | null
  healthy: boolean
  worker: { pid: number; state: string } | null
}

describe('a rollout whose processes are killed', () => {
  let gateway: Gateway
  let load: Load
  /** What was drawn for the canary as far as clients know, in loads that were stopped. */
  let drawnBefore = 0
  const drawn = ({ byArm, failed }: Summary) =>
    drawnBefore + (byArm.canary ?? 0) + Object.values(failed).reduce((sum, count) => sum + count, 0)

  const endpoints = async (version: string, arm: string | null = null): Promise<Endpoint[]> =>
    (await gateway.model()).endpoints.filter((e: Endpoint) => e.version === version && e.arm === arm)
  const kill = (pid: number | undefined) => process.kill(pid!, 'SIGKILL')
  const killWorker = async (version: string, arm: string | null = null) => {
    const [first] = await endpoints(version, arm)
    kill(first!.worker!.pid)
    return first!.worker!.pid
  }
  const untilAllAnswer = (gone: readonly number[] = []) =>
    until(
      async () => {
        const all: Endpoint[] = (await gateway.model().catch(() => undefined))?.endpoints ?? []
        return (
          all.length > 0 && all.every(({ healthy, worker }) => healthy && !gone.includes(worker?.pid ?? 0))
        )
      },
      () => gateway.output,
    )
  /** Kills a process of this program and waits until there is another one. */
  const killOne = async (program: string) => {
    const before = gateway.children(program)
    kill(before[0])
    await until(() => {
      const after = gateway.children(program)
      return after.length === before.length && !after.includes(before[0]!)
    })
  }
  /** The evidence grows, and holds no request twice. */
  const untilMoreIsKnown = async () => {
    const before = (await served(gateway)).rollout
    await until(
      async () => {
        const now = (await served(gateway).catch(() => undefined))?.rollout
        return now !== undefined && now.counts.canary.requests > before.counts.canary.requests
      },
      () => gateway.output,
    )
    const { counts } = (await served(gateway)).rollout
    expect(counts.canary.requests).toBeLessThanOrEqual(drawn(load.seen()) + IN_FLIGHT)
  }
  const restLoad = async () => {
    const seen = await load.stop()
    drawnBefore = drawn(seen)
    load = startLoad(gateway)
    return seen
  }

  beforeAll(async () => {
    gateway = await Gateway.start({
      processes: 2,
      policies: { standing: STANDING },
      models: `  churn:
    initial: 1.0.0
    policy: standing
    runtime: process
    replicas: 2
    limits: { timeout: 3s }
    resilience: { ${PATIENT} }`,
    })
    load = startLoad(gateway)
  })
  afterAll(async () => {
    await load?.stop()
    await gateway?.dispose()
  })

  test('preparing: it goes on to prepare, and begins once', async () => {
    const freeze = (frozen: boolean) =>
      gateway.admin('/api/v1/freeze', { method: 'PUT', json: { frozen, reason: 'a test' } })
    expect((await freeze(true)).status).toBe(200)
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await untilAllAnswer()
    const canary = await killWorker('1.1.0')
    await killOne(CONTROL)
    await untilAllAnswer([canary])
    expect((await untilPhase(gateway, 'preparing')).weightPercent.canary.configured).toBe(0)
    expect((await freeze(false)).status).toBe(200)
    await untilPhase(gateway, 'stepping')
    expect(await kinds(gateway)).toEqual(['initialised', 'rollout-started', 'begun'])
    expect(troubles(await restLoad())).toEqual({})
    await untilMoreIsKnown()
  })

  test.each([
    ['canary', '1.1.0', null],
    ['baseline', '1.0.0', 'baseline'],
    ['stable', '1.0.0', null],
  ] as const)('a worker of the %s: another one answers, and it comes back', async (_, version, arm) => {
    const gone = await killWorker(version, arm)
    await untilAllAnswer([gone])
    expect(troubles(load.seen())).toEqual({})
    await untilMoreIsKnown()
    expect((await served(gateway)).rollout.phase.kind).toBe('stepping')
  })

  test('control: it goes on where it was', async () => {
    const before = await served(gateway)
    await killOne(CONTROL)
    await untilAllAnswer()
    const after = await served(gateway)
    expect([after.revision, after.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    expect(after.rollout.counts.canary.requests).toBeGreaterThanOrEqual(before.rollout.counts.canary.requests)
    await untilMoreIsKnown()
    expect(troubles(await restLoad())).toEqual({})
  })

  test('a data process: nobody but its own callers notices', async () => {
    await killOne(DATA)
    await untilMoreIsKnown()
    const cut = troubles(await restLoad())
    expect(Object.keys(cut).filter((code) => !CUT_OFF.has(code))).toEqual([])
    expect((await served(gateway)).rollout.phase.kind).toBe('stepping')
  })

  test('the supervisor: nothing is left running, and the next one goes on', async () => {
    const before = await served(gateway)
    const children = [DATA, CONTROL, 'worker/main.ts'].flatMap((program) => gateway.children(program))
    drawnBefore = drawn(await load.stop())
    kill(gateway.child.pid)
    await gateway.exited()
    await until(() => children.every((pid) => !isRunning(pid)))
    await gateway.start()
    load = startLoad(gateway)
    const after = await served(gateway)
    expect([after.revision, after.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    await untilAllAnswer()
    await untilMoreIsKnown()
  })

  test('a third end within ten minutes that nobody asked for: the canary is paused at 0', async () => {
    await killOne(DATA)
    expect(await untilPhase(gateway, 'paused')).toMatchObject({
      phase: { actor: 'gateway', weightPercent: 0 },
    })
    expect(await newest(gateway)).toMatchObject({
      kind: 'paused',
      actor: 'gateway',
      because: expect.stringMatching(/ended by themselves 3 times within ten minutes/),
    })
    await restLoad()
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.0.0')
    expect((await act(gateway, 'rollout/resume')).status).toBe(200)
    await untilMoreIsKnown()
  })

  test('every worker of the canary as often as it comes back: it is rolled back, and clients see nothing', async () => {
    await until(
      async () => {
        for (const { worker } of await endpoints('1.1.0'))
          if (worker?.state === 'ready' && isRunning(worker.pid)) kill(worker.pid)
        return (await served(gateway)).rollout === null
      },
      () => gateway.output,
    )
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'rolled-back' })
    const row = await newest(gateway)
    expect([row.kind, row.proven]).toEqual(['rolled-back', row.actor === 'controller'])
    expect(row.because).toMatch(/1\.1\.0/)
    expect(troubles(load.seen())).toEqual({})
  })

  test('control while promoting: the promotion is made once', async () => {
    expect((await act(gateway, 'rollout/retry')).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    // Promoting lasts until the next look.
    gateway.writePolicy('standing', STANDING.replace('interval: 250ms', 'interval: 60s'))
    await until(async () => (await kinds(gateway)).at(-1) === 'policy-changed')
    expect((await act(gateway, 'rollout/promote')).status).toBe(200)
    await killOne(CONTROL)
    await until(async () => (await served(gateway).catch(() => undefined)) !== undefined)
    expect((await served(gateway)).rollout.phase.kind).toBe('promoting')
    gateway.writePolicy('standing', STANDING)
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'promoted' })
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.1.0')
    expect((await decisions(gateway)).filter(({ kind }) => kind === 'promoted')).toHaveLength(1)
    await expectWholeRecord(gateway)
    expect(troubles(load.seen())).toEqual({})
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
