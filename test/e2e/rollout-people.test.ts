import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gateway, json, PATIENT, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  change,
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

const steps = (minDuration: string) => `
steps:
  - { setWeight: 10, minDuration: ${minDuration}, proof: 0.5 }
  - { setWeight: 30, minDuration: ${minDuration}, proof: 0.5 }
  - { setWeight: 50, minDuration: 1s, requiresApproval: true }`
/** Nothing goes on by itself. */
const STANDING = `${steps('720h')}${WIDE}`
const MOVING = `${steps('1s')}${WIDE}`

describe('people and a rollout', () => {
  let gateway: Gateway
  let load: Load
  const problem = async (response: Response) => [response.status, (await json(response)).code]

  /** Writes the policy and waits until the gateway has taken note, whatever it makes of it. */
  const edit = async (text: string) => {
    const news = () =>
      gateway.output.match(/the configuration changed and is (in force|refused)/g)?.length ?? 0
    const before = news()
    gateway.writePolicy('people', text)
    await until(
      () => news() > before,
      () => gateway.output,
    )
    // A start takes its turn behind what the edit changes.
    expect((await start(gateway, '9.9.9')).status).toBe(404)
  }

  beforeAll(async () => {
    gateway = await Gateway.start({
      policies: { people: STANDING },
      models: `  churn:
    initial: 1.0.0
    policy: people
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

  test('what does not exist cannot be tried, nor by rules that do not exist', async () => {
    expect(await problem(await start(gateway, '9.9.9'))).toEqual([404, 'version-unknown'])
    expect(await problem(await start(gateway, '1.1.0', { policy: 'nope' }))).toEqual([422, 'policy-unknown'])
    expect(await kinds(gateway)).toEqual(['initialised'])
  })

  test('a person starts one; it begins when the workers are ready', async () => {
    const started = await start(gateway, '1.1.0', { force: true })
    expect(started.status).toBe(201)
    expect(started.headers.get('location')).toBe('/api/v1/models/churn/rollouts/1')
    expect(await untilPhase(gateway, 'stepping')).toMatchObject({
      phase: { step: 1, weightPercent: 10 },
      startedBy: 'operator',
    })
    expect(await problem(await start(gateway, '1.2.0', { force: true }))).toEqual([409, 'rollout-running'])
  })

  test('of two people who looked at the same, one is heard and the other looks again', async () => {
    const etag = (await gateway.admin('/api/v1/models/churn/rollout')).headers.get('etag')!
    const before = await decisions(gateway)
    const answers = await Promise.all([
      change(gateway, 'rollout/pause', etag),
      change(gateway, 'rollout/weight', etag, { weightPercent: 20 }),
    ])
    const late = answers.find(({ status }) => status !== 200)!
    expect(await problem(late)).toEqual([412, 'revision-stale'])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412])
    const after = await decisions(gateway)
    expect(after).toHaveLength(before.length + 1)
    expect(after.at(-1)).toMatchObject({ kind: 'paused', actor: 'operator' })
    expect(late.headers.get('etag')).toBe(`"${after.at(-1).after.revision}"`)
  })

  test('paused it keeps its share, takes another from a person, and goes on at the step above', async () => {
    expect((await served(gateway)).rollout.phase).toMatchObject({ kind: 'paused', actor: 'operator' })
    expect((await act(gateway, 'rollout/weight', { weightPercent: 15 })).status).toBe(200)
    await until(async () =>
      (await gateway.metrics()).includes(
        'coalmine_weight_configured{model="churn",version="1.1.0",arm="canary"} 0.15',
      ),
    )
    expect(await gateway.metrics()).toContain('coalmine_rollout_phase{model="churn",phase="paused"} 1')
    const resumed = await act(gateway, 'rollout/resume')
    expect((await json(resumed)).rollout.phase).toMatchObject({
      kind: 'stepping',
      step: 2,
      weightPercent: 30,
    })
    expect(await problem(await act(gateway, 'rollout/resume'))).toEqual([409, 'wrong-phase'])
  })

  test('an error in the policy changes nothing and is told with its line; mended, it holds for the running rollout', async () => {
    const { policy } = (await served(gateway)).rollout
    await edit(MOVING.replace('minDuration', 'minDuraton'))
    expect(gateway.output).toMatch(/people\.yaml:3:\d+.*minDuraton.*refused/)
    await until(async () => (await gateway.metrics()).includes('coalmine_config_reload_success 0'))
    expect((await served(gateway)).rollout).toMatchObject({ policy, phase: { kind: 'stepping', step: 2 } })
    await edit(MOVING)
    await until(async () => (await gateway.metrics()).includes('coalmine_config_reload_success 1'))
    expect(await untilPhase(gateway, 'awaiting-approval')).toMatchObject({
      policy: { name: 'people' },
      phase: { step: 3, weightPercent: 50 },
    })
    const rows = await decisions(gateway)
    expect(rows.slice(-3)).toMatchObject([
      { kind: 'policy-changed', actor: 'config', reason: 'the file of policy people changed' },
      { kind: 'advanced', actor: 'controller', after: { weightPercent: 50 } },
      { kind: 'approval-asked', because: expect.stringContaining("waits for a person's approval") },
    ])
  })

  test('other margins do not change a running comparison: they wait, and say for what', async () => {
    const { policy } = (await served(gateway)).rollout
    await edit(MOVING.replace('margin: 40pp', 'margin: 30pp'))
    await until(async () => (await gateway.model()).pending.length > 0)
    expect((await gateway.model()).pending).toEqual([
      expect.stringMatching(/policy people changed: .* cannot change under a running comparison: restart it/),
    ])
    expect((await served(gateway)).rollout.policy).toEqual(policy)
    await edit(MOVING)
    await until(async () => (await gateway.model()).pending.length === 0)
  })

  test('approved it is promoted; the way back is one call', async () => {
    expect((await act(gateway, 'rollout/approve')).status).toBe(200)
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'promoted' })
    expect((await served(gateway)).stable.version).toBe('1.1.0')
    expect((await kinds(gateway)).slice(-3)).toEqual(['approved', 'promotion-begun', 'promoted'])
    expect((await act(gateway, 'rollback')).status).toBe(200)
    expect((await served(gateway)).stable.version).toBe('1.0.0')
    expect(await newest(gateway)).toMatchObject({ kind: 'rolled-back', actor: 'operator' })
  })

  test('what was judged is not judged again by accident, and is by a retry', async () => {
    const again = await start(gateway, '1.1.0', { force: true })
    expect([again.status, await json(again)]).toEqual([
      409,
      expect.objectContaining({
        code: 'already-judged',
        detail: expect.stringMatching(/That was rollout 1, .*; say "retry": true$/),
      }),
    ])
    await edit(STANDING)
    expect((await act(gateway, 'rollout/retry')).status).toBe(201)
    expect(await untilPhase(gateway, 'stepping')).toMatchObject({ attempt: 2, serial: 2 })
  })

  test('without requests it is held, and released when they come again', async () => {
    await edit(`${STANDING}onNoTraffic: { action: hold, after: 2s }\n`)
    await until(async () => (await kinds(gateway)).at(-1) === 'policy-changed')
    expect(troubles(await load.stop())).toEqual({})
    expect(await untilPhase(gateway, 'held')).toMatchObject({
      phase: { cause: 'no-traffic', weightPercent: 10 },
    })
    load = startLoad(gateway)
    await untilPhase(gateway, 'stepping')
    const [held, released] = (await decisions(gateway)).slice(-2)
    expect(held).toMatchObject({ kind: 'held', because: expect.stringMatching(/^no request came/) })
    expect(released).toMatchObject({ kind: 'released', because: 'requests come to the canary again' })
    await edit(STANDING)
    await until(async () => (await kinds(gateway)).at(-1) === 'policy-changed')
  })

  test('aborted it gets nothing any more', async () => {
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    expect((await served(gateway)).last).toMatchObject({
      outcome: 'aborted',
      because: 'aborted by operator: a test',
    })
    expect(await problem(await act(gateway, 'rollout/abort'))).toEqual([409, 'no-split'])
  })

  test('and so it is while it is promoted', async () => {
    expect((await act(gateway, 'rollout/retry')).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    // Promoting lasts until the next look.
    await edit(STANDING.replace('interval: 250ms', 'interval: 60s'))
    await until(async () => (await kinds(gateway)).at(-1) === 'policy-changed')
    expect((await json(await act(gateway, 'rollout/promote'))).rollout.phase).toMatchObject({
      kind: 'promoting',
      proven: false,
    })
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    const { stable, last } = await served(gateway)
    expect([stable.version, last.outcome]).toEqual(['1.0.0', 'aborted'])
  })

  test('all of it is on the record, and no client saw anything', async () => {
    await expectWholeRecord(gateway)
    expect(troubles(load.seen())).toEqual({})
  })
})
