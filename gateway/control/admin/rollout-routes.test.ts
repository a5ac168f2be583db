import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { whole } from '@coalmine/core/rollout/deployment.ts'
import type { Phase } from '@coalmine/core/rollout/phase.ts'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { answering, upstream } from '../../testing/upstream.ts'
import { dryRunSchema, modelSchema, startedSchema, trafficSchema } from './model-schemas.ts'
import { rolloutSummarySchema } from './rollout-schemas.ts'
import { admin, MODELS, policyNamed, rolling, rolloutIn, versionRef } from './testing/admin.ts'

const POLICY = 'initial: 1.0.0\n    policy: careful'

let api: Awaited<ReturnType<typeof admin>>

afterEach(() => api.close())

const start = (wish: object, headers: Record<string, string> = {}) =>
  api.churn('POST', '/rollout', { json: { canary: '1.1.0', reason: 'a test', ...wish }, headers })

/** A rollout that ended like this, and 1.0.0 is stable. */
async function after(kind: Exclude<Phase['kind'], 'finished'> = 'stepping', act: string = 'abort') {
  api = await admin({ fields: POLICY, stored: { deployment: await rolling(kind) } })
  expect((await api.churn('POST', `/rollout/${act}`, { json: { reason: 'not now' } })).status).toBe(200)
}

describe('a start', () => {
  test('answers with the rollout, its plan and where it is found for good', async () => {
    api = await admin({ fields: POLICY })
    const { status, headers, body } = await start({})
    expect(status).toBe(201)
    expect(startedSchema.parse(body)).toMatchObject({
      revision: 2,
      stable: { version: '1.0.0' },
      split: null,
      rollout: {
        serial: 1,
        attempt: 1,
        canary: { version: '1.1.0' },
        policy: { name: 'careful', hash: policyNamed('careful').hash },
        phase: { kind: 'preparing' },
        steps: 3,
        weightPercent: { canary: { configured: 0 }, stable: { configured: 100, observed: null } },
        startedBy: 'operator',
        risks: {
          falseRollback: { allowed: 0.01, spent: 0.01 },
          falsePromotion: { allowed: 0.05, spent: 0.05 },
        },
      },
      plan: {
        cannotDecide: [],
        warnings: [expect.stringContaining('no traffic'), expect.stringContaining('rejected_rate')],
      },
    })
    expect([headers.get('etag'), headers.get('location')]).toEqual(['"2"', '/api/v1/models/churn/rollouts/1'])
    const found = await api.call('GET', headers.get('location')!)
    expect(rolloutSummarySchema.parse(found.body)).toMatchObject({
      serial: 1,
      outcome: null,
      finishedAt: null,
    })
    expect((await api.churn('GET', '/decisions')).body.decisions[0]).toMatchObject({
      kind: 'rollout-started',
      actor: 'operator',
      reason: 'a test',
    })
  })

  test('repeated with its key is one start, and answered alike', async () => {
    api = await admin({ fields: POLICY })
    const key = { 'idempotency-key': 'once' }
    const [first, second] = [await start({}, key), await start({}, key)]
    expect([second.status, second.body, second.headers.get('location')]).toEqual([
      201,
      first.body,
      first.headers.get('location'),
    ])
  })

  test('that somebody ends before it is answered was made all the same', async () => {
    api = await admin({ fields: POLICY })
    api.control.listen(({ kind }) => {
      if (kind === 'rollout-started')
        void api.control.act('churn', { kind: 'end-split' }, { actor: 'ann', reason: 'no' })
    })
    const { status, headers, body } = await start({})
    expect([status, headers.get('location')]).toEqual([201, '/api/v1/models/churn/rollouts/1'])
    expect(body).toMatchObject({ rollout: null, last: { serial: 1, outcome: 'aborted' } })
  })

  test('that is only imagined stores nothing and gives the plan', async () => {
    api = await admin({ fields: POLICY })
    const { status, body } = await start({ dryRun: true })
    expect(status).toBe(200)
    expect(dryRunSchema.parse(body)).toMatchObject({
      plan: { comparisons: [{ name: 'error_rate', acts: true }] },
      refusal: null,
    })
    expect((await api.churn('GET', '/rollout')).body).toMatchObject({ revision: 1, rollout: null })
    const { body: refused } = await start({ dryRun: true, canary: '1.2.0', policy: 'scores' })
    expect(refused).toMatchObject({
      plan: { cannotDecide: [expect.stringContaining('differ by')] },
      refusal: { code: 'cannot-be-decided' },
    })
  })

  test.each([
    ['a version that nobody has', { canary: '9.9.9' }, 404, 'version-unknown', '9.9.9'],
    ['a policy that nobody wrote', { policy: 'brave' }, 422, 'policy-unknown', 'careful, strict'],
    ['a policy that cannot work here', { policy: 'latency' }, 422, 'policy-invalid', 'runtime.baseline'],
    ['the stable version', { canary: '1.0.0' }, 409, 'canary-is-stable', '"measure": true'],
    ['what can never be proven', { canary: '1.2.0', policy: 'scores' }, 409, 'cannot-be-decided', 'margin'],
    ['a word that no field has', { cannary: '1.1.0' }, 422, 'invalid-request', 'cannary'],
  ])('of %s is refused', async (_, wish, status, code, says) => {
    api = await admin({ fields: POLICY })
    const answer = await start(wish)
    expect(answer.body).toMatchObject({ status, code, detail: expect.stringContaining(says) })
    expect((await api.churn('GET', '/rollout')).body.rollout).toBeNull()
  })

  test('of what cannot be decided names each reason, and a person can insist', async () => {
    api = await admin({ fields: POLICY })
    const wish = { canary: '1.2.0', policy: 'scores' }
    expect((await start(wish)).body.reasons).toEqual([expect.stringContaining('can never be proven')])
    expect((await start({ ...wish, force: true })).status).toBe(201)
  })

  test('of a version that breaks the request contract needs a word of its own', async () => {
    const { manifest } = await loadModelFolder(MODELS, 'churn', '1.0.0')
    const [, ...inputs] = manifest.inputs
    const broken = await upstream(
      answering({ digest: `sha256:${'a'.repeat(64)}`, manifest: { ...manifest, version: '2.0.0', inputs } }),
    )
    api = await admin({ fields: POLICY, origins: { '2.0.0': broken.origin } })
    await expect.poll(() => api.control.catalog.version('churn', '2.0.0')).toBeDefined()
    expect((await start({ canary: '2.0.0' })).body).toMatchObject({
      status: 409,
      code: 'contract-breaks',
      detail: expect.stringContaining('tenure_months was removed'),
    })
    expect((await start({ canary: '2.0.0', allowContractChange: true })).status).toBe(201)
    await broken.close()
  })

  test('of stable beside itself measures', async () => {
    api = await admin({ fields: POLICY })
    const { body } = await start({ canary: '1.0.0', measure: true })
    expect(body).toMatchObject({ rollout: { measures: true }, suggestions: [] })
  })

  test('during another is refused, and ends it where that is wanted', async () => {
    api = await admin({ fields: POLICY, stored: { deployment: await rolling('stepping') } })
    const wish = { canary: '1.2.0' }
    expect((await start(wish)).body).toMatchObject({ status: 409, code: 'rollout-running' })
    const { body } = await start({ ...wish, supersede: true })
    expect(body).toMatchObject({ rollout: { serial: 2 }, last: { serial: 1, outcome: 'superseded' } })
  })

  test('beside a split by hand is refused, and ends it where that is wanted', async () => {
    api = await admin({ fields: 'initial: 1.0.0\n    version: 1.1.0\n    policy: none\n    weight: 10' })
    const wish = { canary: '1.2.0', policy: 'careful' }
    expect((await start(wish)).body).toMatchObject({ status: 409, code: 'split-running' })
    expect((await start({ ...wish, supersede: true })).body).toMatchObject({
      split: null,
      rollout: { serial: 2 },
    })
  })

  test('of a pair that was judged says when, why and how to judge it again', async () => {
    await after()
    const { body } = await start({})
    expect(body).toMatchObject({ status: 409, code: 'already-judged' })
    expect(body.detail).toMatch(/aborted by operator: not now.*rollout 1.*20\d\d-\d\d-\d\dT.*"retry": true/)
    expect((await start({ retry: true })).body.rollout).toMatchObject({
      attempt: 2,
      risks: { falseRollback: { spent: 0.02 } },
    })
  })

  test('over another revision than the one looked at is refused', async () => {
    api = await admin({ fields: POLICY })
    expect((await start({}, { 'if-match': '"7"' })).body).toMatchObject({
      status: 412,
      code: 'revision-stale',
    })
  })
})

describe('a retry', () => {
  const retry = () => api.churn('POST', '/rollout/retry', { json: { reason: 'mended' } })

  test('starts the last pair again, by the policy of the same name', async () => {
    await after()
    const { status, headers, body } = await retry()
    expect([status, headers.get('location')]).toEqual([201, '/api/v1/models/churn/rollouts/2'])
    expect(body.rollout).toMatchObject({
      attempt: 2,
      canary: { version: '1.1.0' },
      policy: { name: 'careful' },
    })
  })

  test('needs a rollout that is over', async () => {
    api = await admin({ fields: POLICY })
    expect((await retry()).body).toMatchObject({ status: 409, code: 'nothing-to-retry' })
    await start({})
    expect((await retry()).body).toMatchObject({ status: 409, code: 'rollout-running' })
  })

  test('needs the same stable version', async () => {
    await after()
    await api.churn('PUT', '/stable', { json: { version: '1.2.0', reason: 'better' } })
    expect((await retry()).body).toMatchObject({
      code: 'nothing-to-retry',
      detail: expect.stringContaining('stable is 1.2.0 now'),
    })
  })
})

describe('what runs', () => {
  test.each([
    ['preparing', { kind: 'preparing' }, 0],
    ['stepping', { kind: 'stepping', step: 1, weightPercent: 5, approvedBy: null }, 5],
    ['awaiting-approval', { kind: 'awaiting-approval', step: 1, weightPercent: 5 }, 5],
    ['paused', { kind: 'paused', step: 1, weightPercent: 5, actor: 'ann', reason: 'because I can' }, 5],
    ['held', { kind: 'held', step: 1, weightPercent: 5, cause: 'inconclusive' }, 5],
    ['promoting', { kind: 'promoting', weightPercent: 5, proven: true }, 5],
    ['watching', { kind: 'watching', weightPercent: 99, until: expect.stringMatching(/Z$/) }, 99],
  ] as const)('is told with the facts of its phase: %s', async (kind, phase, configured) => {
    api = await admin({ fields: POLICY, stored: { deployment: await rolling(kind) } })
    const { body } = await api.churn('GET', '/rollout')
    expect(trafficSchema.parse(body).rollout).toMatchObject({
      phase,
      weightPercent: {
        canary: { configured },
        stable: { configured: 100 - configured },
        baseline: { configured: 0 },
      },
      counts: { canary: { requests: 0 }, stable: { requests: 0 }, baseline: { requests: 0 } },
      evidence: { processes: 1, processesHeard: 0, lagSeconds: null },
    })
    expect(trafficSchema.parse(body).rollout!.readings.map(({ name }) => name)).toEqual(['error_rate'])
    const model = modelSchema.parse((await api.churn('GET', '')).body)
    expect(model.rollout).toMatchObject({ phase, serial: 1 })
    expect(model.rollout).not.toHaveProperty('readings')
  })

  test('says what it waits for, as a person left it a moment ago', async () => {
    const canary = await upstream((incoming, outgoing, seen) =>
      answering({}, incoming.url === '/manifest' ? 404 : 200)(incoming, outgoing, seen),
    )
    const deployment = await rolling('stepping')
    api = await admin({ fields: POLICY, origins: { '1.1.0': canary.origin }, stored: { deployment } })
    await vi.waitUntil(() => api.control.withheld('churn') === undefined)
    await api.control.rollouts.tick()
    const before = (await api.churn('GET', '/rollout')).body.rollout.waitsFor
    expect(before).toContain('step 1 of 3 (5 %) lasts another')
    const headers = { 'if-match': await api.etag() }
    const { body } = await api.churn('POST', '/rollout/pause', { json: { reason: 'lunch' }, headers })
    expect(body.rollout.waitsFor).toBe('paused by operator: lunch')
    await canary.close()
  })

  test('says that the canary gets nothing until it is ready', async () => {
    api = await admin({ fields: POLICY, stored: { deployment: await rolling('stepping') } })
    const { rollout } = (await api.churn('GET', '/rollout')).body
    expect(rollout.waitsFor).toMatch(/^1.1.0 gets nothing until its workers are ready/)
    expect(rollout.weightPercent.canary.configured).toBe(5)
  })

  test('leaves the version before in sight while its promotion is watched', async () => {
    api = await admin({ fields: POLICY, stored: { deployment: await rolling('watching') } })
    const { body } = await api.churn('GET', '')
    expect(body).toMatchObject({
      stable: { version: '1.1.0' },
      previous: { version: '1.0.0', warmUntil: expect.stringMatching(/Z$/) },
    })
    expect(body.versions.map(({ role }: { role: string }) => role)).toEqual([
      'previous',
      'stable',
      'available',
    ])
  })

  test('is told by endpoints too, which may serve an arm alone', async () => {
    api = await admin({ fields: POLICY })
    const { body } = await api.churn('GET', '')
    expect(body.endpoints.map(({ version, arm }: Record<string, unknown>) => [version, arm])).toEqual([
      ['1.0.0', null],
      ['1.1.0', null],
      ['1.2.0', null],
    ])
  })
})

describe('what is over', () => {
  test('is kept with how it ended and what was counted, newest first, in pages', async () => {
    await after()
    await api.churn('POST', '/rollout/retry', { json: { reason: 'once more' } })
    await api.churn('POST', '/rollout/abort', { json: { reason: 'enough' } })
    await api.churn('POST', '/rollout/retry', { json: { reason: 'once more' } })
    const page = async (query: string) =>
      (await api.churn('GET', `/rollouts${query}`)).body.rollouts.map((r: { serial: number }) => r.serial)
    expect([await page(''), await page('?limit=1'), await page('?limit=1&before=2')]).toEqual([
      [2, 1],
      [2],
      [1],
    ])
    const { body } = await api.churn('GET', '/rollouts/2')
    expect(rolloutSummarySchema.parse(body)).toMatchObject({
      serial: 2,
      attempt: 2,
      outcome: 'aborted',
      because: 'aborted by operator: enough',
      durationSeconds: expect.any(Number),
      counts: { canary: { requests: 0 } },
    })
  })

  test('is the last that a model without a running one tells of', async () => {
    await after('watching', 'abort')
    const { body } = await api.churn('GET', '/rollout')
    expect(trafficSchema.parse(body)).toMatchObject({
      rollout: null,
      split: null,
      last: { serial: 1, outcome: 'rolled-back' },
    })
  })

  test('can be asked for by its number alone', async () => {
    api = await admin({
      fields: POLICY,
      stored: {
        deployment: whole(await rolling('stepping'), await versionRef('1.0.0')),
        ended: await rolloutIn('finished'),
      },
    })
    expect((await api.churn('GET', '/rollouts/2')).body).toMatchObject({
      status: 404,
      code: 'rollout-unknown',
    })
    expect((await api.churn('GET', '/rollouts/0')).body).toMatchObject({
      status: 422,
      code: 'invalid-request',
    })
    expect((await api.churn('GET', '/rollouts/1')).body.outcome).toBe('aborted')
  })
})
