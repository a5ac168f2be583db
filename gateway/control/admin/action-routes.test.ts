import { whole } from '@coalmine/core/rollout/deployment.ts'
import type { Phase } from '@coalmine/core/rollout/phase.ts'
import { START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { afterEach, describe, expect, test } from 'vitest'
import { admin, NOBODY, rolling, versionRef } from './testing/admin.ts'

type Running = Exclude<Phase['kind'], 'finished'>
const PHASES: readonly Running[] = [
  'preparing',
  'stepping',
  'awaiting-approval',
  'paused',
  'held',
  'promoting',
  'watching',
]
const POLICY = 'initial: 1.0.0\n    policy: careful'

let api: Awaited<ReturnType<typeof admin>>

afterEach(() => api.close())

const inPhase = async (kind: Running) => {
  api = await admin({ fields: POLICY, stored: { deployment: await rolling(kind) } })
}
const post = (act: string, headers: Record<string, string> = {}, json: object = { reason: 'a test' }) =>
  api.churn('POST', `/rollout/${act}`, { json, headers })
const lookedAt = async () => ({ 'if-match': await api.etag() })

/** What each act makes of the phases in which it is possible; it is refused in all others. */
const ACTS = {
  pause: { stepping: 'paused', 'awaiting-approval': 'paused', held: 'paused' },
  resume: { paused: 'stepping', held: 'stepping' },
  approve: { 'awaiting-approval': 'stepping' },
  advance: { stepping: 'stepping', 'awaiting-approval': 'stepping', paused: 'stepping', held: 'stepping' },
  promote: {
    stepping: 'promoting',
    'awaiting-approval': 'promoting',
    paused: 'promoting',
    held: 'promoting',
  },
} as const

describe.each(Object.entries(ACTS))('to %s', (act, phases) => {
  test.each(PHASES)('a rollout that is %s', async (kind) => {
    await inPhase(kind)
    const { status, body } = await post(act, await lookedAt())
    const wanted = phases[kind as keyof typeof phases]
    if (wanted === undefined) expect(body).toMatchObject({ status: 409, code: 'wrong-phase' })
    else expect([status, body.rollout.phase.kind]).toEqual([200, wanted])
  })

  test('needs the revision that was looked at, and a reason', async () => {
    await inPhase('stepping')
    expect((await post(act)).body).toMatchObject({ status: 428, code: 'revision-required' })
    expect((await post(act, { 'if-match': '"99"' })).body).toMatchObject({
      status: 412,
      code: 'revision-stale',
    })
    expect((await post(act, await lookedAt(), {})).body).toMatchObject({
      status: 422,
      code: 'invalid-request',
    })
  })

  test('needs a rollout that runs', async () => {
    api = await admin({ fields: POLICY })
    expect((await post(act, await lookedAt())).body).toMatchObject({ status: 409, code: 'no-rollout' })
  })
})

test('of twenty promotions over one revision one is made, and recorded once', async () => {
  await inPhase('stepping')
  const headers = await lookedAt()
  const answers = await Promise.all(Array.from({ length: 20 }, () => post('promote', headers)))
  const statuses = answers.map(({ status }) => status).sort()
  expect(statuses).toEqual([200, ...Array<number>(19).fill(412)])
  const { decisions } = (await api.churn('GET', '/decisions')).body
  expect(decisions.map(({ kind, proven }: Record<string, unknown>) => [kind, proven])).toEqual([
    ['promotion-begun', false],
  ])
})

test('what a freeze forbids', async () => {
  await inPhase('paused')
  await api.call('PUT', '/api/v1/freeze', { json: { frozen: true, reason: 'incident' } })
  for (const act of ['advance', 'promote'])
    expect((await post(act, await lookedAt())).body).toMatchObject({ status: 409, code: 'frozen' })
  expect((await post('abort')).status).toBe(200)
})

test.each([
  ...Object.keys(ACTS).map((act) => ['POST', `/rollout/${act}`, {}] as const),
  ['POST', '/rollout/restart', {}],
  ['POST', '/rollout/abort', {}],
  ['POST', '/rollback', {}],
  ['PUT', '/rollout/weight', { weightPercent: 5 }],
  ['POST', '/rollout', { canary: '1.1.0', policy: 'careful' }],
] as const)('%s %s has to wait for a first version', async (method, path, json) => {
  api = await admin({ fields: 'initial: 9.9.9', origins: { '9.9.9': NOBODY } })
  const headers = { 'if-match': '"0"' }
  const { body } = await api.churn(method, path, { json: { reason: 'a test', ...json }, headers })
  const code = path === '/rollout/restart' ? 'no-rollout' : 'not-deployed'
  expect(body).toMatchObject({ status: 409, code })
})

test('the last step has no next one', async () => {
  await inPhase('stepping')
  await post('advance', await lookedAt())
  await post('advance', await lookedAt())
  expect((await post('advance', await lookedAt())).body).toMatchObject({ status: 409, code: 'last-step' })
})

test('stable beside itself is not promoted', async () => {
  const deployment = await rolling('stepping')
  const stable = await versionRef('1.0.0')
  api = await admin({
    fields: POLICY,
    stored: { deployment: { ...deployment, rollout: { ...deployment.rollout!, canary: stable } } as never },
  })
  expect((await post('promote', await lookedAt())).body).toMatchObject({ status: 409, code: 'only-measures' })
})

describe('the ways back need no revision, and work', () => {
  test.each(PHASES)('while it is %s', async (kind) => {
    const outcome = kind === 'watching' ? 'rolled-back' : 'aborted'
    await inPhase(kind)
    expect((await post('abort')).body).toMatchObject({
      stable: { version: '1.0.0' },
      rollout: null,
      last: { outcome },
    })
    await api.close()
    await inPhase(kind)
    const { body } = await api.churn('POST', '/rollback', { json: { reason: 'worse' } })
    expect(body).toMatchObject({ stable: { version: '1.0.0' }, last: { outcome: 'rolled-back' } })
  })

  test('for a split by hand', async () => {
    api = await admin({ fields: 'initial: 1.0.0\n    version: 1.1.0\n    policy: none\n    weight: 10' })
    expect((await post('abort')).body).toMatchObject({ stable: { version: '1.0.0' }, split: null })
    expect((await post('abort')).body).toMatchObject({ status: 409, code: 'no-split' })
  })

  test('but a revision that is given is heeded', async () => {
    await inPhase('stepping')
    expect((await post('abort', { 'if-match': '"99"' })).status).toBe(412)
  })
})

describe('without a rollout the previous version', () => {
  const served = async (previous: string, origins: Record<string, string>) => {
    const [stable, before] = [await versionRef('1.0.0'), await versionRef(previous)]
    const deployment = whole(await rolling('stepping'), stable, { ...before, warmUntilMs: START_MS })
    api = await admin({ fields: POLICY, origins, stored: { deployment } })
    return api.churn('POST', '/rollback', { json: { reason: 'worse' } })
  }

  test('is not stable again while nobody can answer for it', async () => {
    expect((await served('1.1.0', { '1.1.0': NOBODY })).body).toMatchObject({
      status: 409,
      code: 'version-not-ready',
      detail: expect.stringContaining('ECONNREFUSED'),
    })
    expect((await api.churn('GET', '/rollout')).body.stable.version).toBe('1.0.0')
  })

  test('is stable again once one of its workers answers, and nothing of before is left of it', async () => {
    const { body } = await served('1.2.0', {})
    expect(body).toMatchObject({ stable: await versionRef('1.2.0'), previous: null })
    expect(Object.keys(body.stable)).toEqual(['version', 'digest'])
  })
})

describe('a weight', () => {
  const weight = async (weightPercent: number) =>
    api.churn('PUT', '/rollout/weight', {
      json: { weightPercent, reason: 'care' },
      headers: await lookedAt(),
    })

  test('pauses a rollout', async () => {
    await inPhase('stepping')
    expect((await weight(2.5)).body.rollout).toMatchObject({
      phase: { kind: 'paused', weightPercent: 2.5, step: 1, actor: 'operator', reason: 'care' },
      weightPercent: { canary: { configured: 2.5 }, stable: { configured: 97.5 } },
    })
    expect((await weight(2.5)).body).toMatchObject({ status: 409, code: 'unchanged' })
  })

  test('has at most two decimals', async () => {
    await inPhase('stepping')
    expect((await weight(2.555)).body).toMatchObject({ status: 422, code: 'weight-out-of-range' })
  })

  test('is not set before the first step', async () => {
    await inPhase('preparing')
    expect((await weight(2)).body).toMatchObject({ status: 409, code: 'wrong-phase' })
  })

  test('needs a canary', async () => {
    api = await admin({ fields: POLICY })
    expect((await weight(2)).body).toMatchObject({ status: 409, code: 'no-split' })
  })
})

describe('a restart', () => {
  const restart = async (wish: object) =>
    post('restart', await lookedAt(), { reason: 'other margins', ...wish })

  test('judges anew by the text of a policy, and spends the risk once more', async () => {
    await inPhase('stepping')
    expect((await restart({ policy: 'strict' })).body.rollout).toMatchObject({
      attempt: 2,
      policy: { name: 'strict' },
      phase: { kind: 'stepping' },
      risks: { falseRollback: { spent: 0.02 }, falsePromotion: { spent: 0.1 } },
    })
  })

  test.each([
    ['by the same rules', {}, 409, 'unchanged'],
    ['by a policy that nobody wrote', { policy: 'brave' }, 422, 'policy-unknown'],
    ['by one that cannot work here', { policy: 'latency' }, 422, 'policy-invalid'],
  ])('%s is refused', async (_, wish, status, code) => {
    await inPhase('stepping')
    expect((await restart(wish)).body).toMatchObject({ status, code })
  })

  test('needs the revision, and a rollout that runs', async () => {
    await inPhase('stepping')
    expect((await post('restart')).status).toBe(428)
    await api.close()
    api = await admin({ fields: POLICY })
    expect((await restart({})).body).toMatchObject({ status: 409, code: 'no-rollout' })
  })
})
