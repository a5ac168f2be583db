import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadConfig } from '../config/load-config.ts'
import { ArmRecorder } from '../data/recorder.ts'
import type { ControlRequest, DownMessage } from '../messages.ts'
import { MemoryStore } from '../store/memory.ts'
import { answering, upstream } from '../testing/upstream.ts'
import { Control } from './control.ts'
import { RecentTraffic } from './recent-traffic.ts'

const clock = vi.hoisted(() => ({ aheadMs: 0 }))
vi.mock(import('../clock.ts'), async (original) => {
  const { monotonicMs } = await original()
  return { monotonicMs: () => monotonicMs() + clock.aheadMs }
})

const MODELS = fileURLToPath(new URL('../../models', import.meta.url))
const GUARDRAILS = `
  - { metric: error_rate, tolerate: 0.1pp, margin: 2pp }
  - { metric: latency, quantiles: [p50], tolerate: { relative: 5%, atLeast: 1ms }, margin: { relative: 10%, atLeast: 2ms } }`
const policyText = (changes = '', guardrails = GUARDRAILS) => `
steps: [{ setWeight: 5, minDuration: 1m, proof: 0.3 }, { setWeight: 50, minDuration: 1m }]
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails: ${guardrails}
${changes}`

let folder: string
let worker: Awaited<ReturnType<typeof upstream>>
let store: MemoryStore
let control: Control
let traffic: RecentTraffic
let sent: (DownMessage | ControlRequest)[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-control-'))
  clock.aheadMs = 0
  sent = []
  store = new MemoryStore()
  traffic = new RecentTraffic()
  // Turns and checks are made when a test says so.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  // Ready, and of another make: it has no /manifest.
  worker = await upstream((incoming, outgoing, seen) =>
    answering({}, incoming.url === '/manifest' ? 404 : 200)(incoming, outgoing, seen),
  )
})
afterEach(async () => {
  control.close()
  vi.useRealTimers()
  await worker.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Written {
  fields?: string
  baseline?: boolean
  policy?: string
  runtime?: string
}

/** The configuration of churn: 1.0.0 first, then whatever it says. */
function configured({
  fields = 'version: 1.1.0',
  baseline = false,
  policy = policyText(),
  runtime,
}: Written) {
  const { origin } = worker
  const addresses = ['1.0.0', '1.1.0', '1.2.0'].map((version) => `${version}: ['${origin}']`)
  const own = baseline ? `, baseline: { 1.0.0: ['http://127.0.0.1:1'] }` : ''
  const text = `
store: 'memory:'
modelsFolder: ${MODELS}
models:
  churn:
    initial: 1.0.0
    policy: churn
    ${fields}
    runtime: ${runtime ?? `{ static: { ${addresses.join(', ')} }${own} }`}
`
  return loadConfig(join(folder, 'config/gateway.yaml'), text, {}, [{ file: 'churn.yaml', text: policy }])
}

async function start(written: Written = {}): Promise<void> {
  control = new Control({
    traffic,
    config: configured(written),
    store,
    stateFolder: folder,
    send: (message) => sent.push(message),
  })
  await control.start()
}

const edit = (written: Written = {}) => control.reconfigure(configured(written))
const deployment = (): Deployment => control.deployment('churn')
const events = async () =>
  (await store.events({ model: 'churn', limit: 100 })).reverse().map(({ kind }) => kind)
const by = { actor: 'ann', reason: 'test' }
/** Lets what is under way on sockets and in promises come to its end. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
/** A minute of requests that stable answers in 8 ms. */
function stableAnswers(count = 6000): void {
  const recorder = new ArmRecorder('churn', '1.0.0', 'stable')
  for (const nowMs of [0, 60_000]) {
    traffic.add({ arms: [recorder.counts()], truths: [] }, nowMs)
    for (let i = 0; i < count; i++) recorder.record('ok', 8)
  }
}

describe('a version and a policy in the file', () => {
  test('start a rollout, once', async () => {
    await start({ fields: '' })
    await edit()
    expect(deployment().rollout).toMatchObject({
      serial: 1,
      stable: { version: '1.0.0' },
      canary: { version: '1.1.0' },
      actor: 'config',
      phase: { kind: 'preparing' },
    })
    await edit()
    expect(await events()).toEqual(['initialised', 'rollout-started'])
    expect(control.drift('churn').pending).toEqual([])
  })

  test('start it with the first deployment too', async () => {
    await start()
    expect(await events()).toEqual(['initialised', 'rollout-started'])
  })

  test('start it with the affinity that the same edit brings', async () => {
    await start({
      fields: `version: 1.1.0
    sessionAffinity: { header: x-user-id }`,
    })
    expect(await events()).toEqual(['initialised', 'affinity-set', 'rollout-started'])
    expect(deployment().rollout).toMatchObject({ affinity: { header: 'x-user-id' } })
    expect(routingTable(deployment())).toMatchObject({ affinity: { header: 'x-user-id' } })
  })

  test('that an earlier process began goes on with the next one', async () => {
    await start()
    const { rollout } = deployment()
    control.close()
    await start()
    expect(deployment().rollout).toEqual(rollout)
    expect(await events()).toHaveLength(2)
  })

  test('start nothing after a rollback, and say so as long as the file asks anew', async () => {
    await start({ fields: '' })
    await edit()
    await begin()
    expect(await control.act('churn', { kind: 'rollback' }, by)).toMatchObject({ kind: 'changed' })
    await edit()
    expect(control.drift('churn').drift).toEqual([
      expect.objectContaining({ key: 'version', file: '1.1.0', served: '1.0.0' }),
    ])
    // Back and forth in the file is no other question.
    await edit({ fields: 'version: 1.0.0' })
    await edit()
    expect(control.drift('churn').pending).toEqual([
      expect.stringContaining('1.1.0 was judged beside 1.0.0 before (rolled-back'),
    ])
    expect(await events()).toEqual(['initialised', 'rollout-started', 'begun', 'rolled-back', 'file-noted'])
  })

  test('of another version supersede the one that runs', async () => {
    await start()
    await edit({ fields: 'version: 1.2.0' })
    expect(deployment().rollout).toMatchObject({ serial: 2, canary: { version: '1.2.0' } })
    expect((await store.rollouts({ model: 'churn', limit: 5 })).map(({ phase }) => phase)).toMatchObject([
      { kind: 'preparing' },
      { kind: 'finished', outcome: 'superseded' },
    ])
  })

  test('that was never published waits, and says what for', async () => {
    await start({ fields: 'version: 9.0.0', runtime: 'process' })
    expect(control.drift('churn').pending).toEqual([expect.stringContaining('9.0.0')])
    expect(await events()).toEqual(['initialised'])
  })
})

describe('an edit of the policy', () => {
  test('of its conduct is in force at once', async () => {
    await start({ fields: '' })
    await edit()
    await edit({ policy: policyText('shield: false') })
    expect(deployment().rollout!.policy.shield).toBe(false)
    expect(sent.findLast(({ kind }) => kind === 'table')).toMatchObject({ trial: { shield: false } })
    expect(await events()).toEqual(['initialised', 'rollout-started', 'policy-changed'])
  })

  test('of its questions does not change what a running rollout was asked', async () => {
    await start({ fields: '' })
    await edit()
    const { policy } = deployment().rollout!
    await edit({ policy: policyText().replace('falsePromotion: 5%', 'falsePromotion: 1%') })
    expect(deployment().rollout!.policy).toEqual(policy)
    expect(control.drift('churn').pending).toHaveLength(1)
  })
})

describe('addresses of somebody else’s workers', () => {
  test('without a baseline latency is a signal, and the others share its risk', async () => {
    await start({ fields: '' })
    await edit()
    const { guardrails, signals } = deployment().rollout!.policy
    expect(guardrails).toMatchObject([{ metric: 'error_rate', share: 1 }])
    expect(signals).toMatchObject([{ metric: 'latency' }])
  })

  test('with one latency acts', async () => {
    await start({ fields: '', baseline: true })
    await edit({ baseline: true })
    expect(deployment().rollout!.policy.guardrails.map(({ metric }) => metric)).toEqual([
      'error_rate',
      'latency',
    ])
  })

  test('while a promoted version is watched its policy is that of the version before, which has a baseline', async () => {
    const policy = policyText('watch: {}')
    await start({ fields: '', baseline: true, policy })
    await edit({ baseline: true, policy })
    const before = deployment()
    const { stable, canary, evaluation } = before.rollout!
    const revision = before.revision + 1
    const nowMs = control.nowMs()
    const phase = { kind: 'watching', sinceMs: nowMs, weightBp: 9900, untilMs: nowMs + 60_000 } as const
    const rollout = { ...before.rollout!, revision, phase }
    const next = { ...before, revision, stable: canary, previous: stable, rollout } as Deployment
    const event = { ...(await store.events({ limit: 1 }))[0]!, kind: 'promoted' } as DeploymentEvent
    await store.commit([{ parent: { revision: before.revision, evaluation }, next, event }])
    await edit({ baseline: true, policy })
    expect(control.drift('churn').pending).toEqual([])
    await edit({ baseline: true, policy: policyText('watch: {}\nshield: false') })
    expect(deployment().rollout!.policy).toMatchObject({
      shield: false,
      guardrails: [{}, { metric: 'latency' }],
    })
  })
})

describe('traffic', () => {
  test('of stable is what a person’s rollout is planned by', async () => {
    await start({ fields: '' })
    const wish = { canary: '1.1.0', dryRun: true }
    const blind = await control.startRollout('churn', wish, by)
    expect([blind.outcome, blind.plan]).toMatchObject([{ kind: 'changed' }, { steps: [] }])
    stableAnswers()
    const seeing = await control.startRollout('churn', wish, by)
    expect(seeing.plan!.expected!.seconds).toBeGreaterThanOrEqual(120)
    // Neither is stored.
    expect(await events()).toEqual(['initialised'])
  })
})

describe('workers of our own', () => {
  const versions = () => {
    const message = sent.findLast(({ kind }) => kind === 'workers') as Extract<
      ControlRequest,
      { kind: 'workers' }
    >
    return [...new Set(message.desired.map(({ version, arm }) => (arm ? `${version} ${arm}` : version)))]
  }

  test('of what was stable before run until their time has come', async () => {
    const ref = (version: string) => ({ version, digest: control.catalog.version('churn', version)!.digest })
    await start({ fields: '', runtime: 'process' })
    const previous = { ...ref('1.0.0'), warmUntilMs: control.nowMs() + 60_000 }
    const before = await store.read('churn')
    const next = { ...before!, revision: 2, stable: ref('1.1.0'), previous } as Deployment
    await store.commit([{ parent: { revision: 1, evaluation: 0 }, next }])
    await edit({ fields: '', runtime: 'process' })
    expect(versions()).toEqual(['1.1.0', '1.0.0'])
    clock.aheadMs = 60_001
    await edit({ fields: '', runtime: 'process' })
    expect(versions()).toEqual(['1.1.0'])
  })

  test('serve the baseline besides while latency is compared', async () => {
    await start({ runtime: 'process' })
    expect(versions()).toEqual(['1.0.0', '1.1.0', '1.0.0 baseline'])
  })
})

/** The canary gets its first requests. */
async function begin(): Promise<void> {
  await until(() => control.endpoints('churn').every(({ healthy }) => healthy))
  stableAnswers()
  clock.aheadMs += 5000
  await control.rollouts.tick()
  for (let process = 0; process < control.config.processes; process++)
    control.rollouts.accept({
      kind: 'delta',
      model: 'churn',
      recording: control.rollouts.intake('churn')!.recording,
      incarnation: `${process}`,
      sequence: 0,
      flush: {},
    })
  clock.aheadMs += 1000
  await control.rollouts.tick()
  expect(deployment().rollout!.phase.kind).toBe('stepping')
}

test('without a baseline latency is a signal with the first deployment too', async () => {
  await start()
  expect(deployment().rollout!.policy.guardrails.map(({ metric }) => metric)).toEqual(['error_rate'])
})

test('a policy that is of no use here splits nothing by hand; the file waits and says so', async () => {
  const policy = policyText(
    '',
    '[{ metric: latency, quantiles: [p50], tolerate: { relative: 5%, atLeast: 1ms }, margin: { relative: 10%, atLeast: 2ms } }]',
  )
  await start({ fields: '', policy })
  await edit({ policy })
  expect(deployment().split).toBeUndefined()
  expect(control.drift('churn').pending).toEqual([expect.stringContaining('runtime.baseline')])
})

test('of a rollout that has just taken the place of another nothing was decided yet', async () => {
  await start({ fields: '' })
  await edit()
  await begin()
  await edit({ fields: 'version: 1.2.0' })
  expect(control.rollouts.situation('churn')).toBeUndefined()
})
