import { fileURLToPath } from 'node:url'
import type { Deployed } from '@coalmine/core/rollout/deployment.ts'
import { WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { ref, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { loadConfig } from '../../config/load-config.ts'
import { MemoryStore } from '../../store/memory.ts'
import { Catalog } from '../catalog.ts'
import { RecentTraffic } from '../recent-traffic.ts'
import { RolloutStarter } from './starter.ts'

const MODELS = fileURLToPath(new URL('../../../models', import.meta.url))
const LATENCY =
  '{ metric: latency, quantiles: [p50], tolerate: { relative: 5%, atLeast: 1ms }, margin: { relative: 10%, atLeast: 2ms } }'
const policyText = (guardrails: string, changes = '') => `
steps: [{ setWeight: 5, minDuration: 1m, proof: 0.3 }, { setWeight: 50, minDuration: 1m }]
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails: [${guardrails}]
${changes}`
const ERRORS = '{ metric: error_rate, tolerate: 0.1pp, margin: 2pp }'
const POLICIES = [
  { file: 'both.yaml', text: policyText(`${ERRORS}, ${LATENCY}`) },
  { file: 'latency.yaml', text: policyText(LATENCY) },
  { file: 'sticky.yaml', text: policyText(ERRORS, 'sessionAffinity: { header: x-user }') },
  { file: 'free.yaml', text: policyText(ERRORS, 'sessionAffinity: none') },
]
const STATIC = `{ static: { 1.0.0: ['http://127.0.0.1:1'], 1.1.0: ['http://127.0.0.1:2'] } }`
const BASELINE = STATIC.replace(/ }$/, `, baseline: { 1.0.0: ['http://127.0.0.1:3'] } }`)

async function starter(runtime = STATIC, policy = 'both') {
  const config = loadConfig(
    '/x/config/gateway.yaml',
    `models: { churn: { initial: 1.0.0, policy: ${policy}, runtime: ${runtime} } }`,
    {},
    POLICIES,
  )
  const catalog = new Catalog(MODELS)
  await catalog.scan(['churn'])
  const traffic = new RecentTraffic()
  return new RolloutStarter({
    config: () => config,
    catalog,
    traffic,
    store: new MemoryStore(),
    nowMs: () => START_MS,
  })
}

test.each([
  ['addresses without a baseline', STATIC, ['error_rate'], ['latency']],
  ['addresses with one', BASELINE, ['error_rate', 'latency'], []],
  ['workers of our own', 'process', ['error_rate', 'latency'], []],
])('with %s latency acts where it can be compared fairly', async (_, runtime, guardrails, signals) => {
  const policy = (await starter(runtime)).policy(WHOLE)
  expect(policy).toMatchObject({
    guardrails: guardrails.map((metric) => ({ metric })),
    signals: signals.map((metric) => ({ metric })),
  })
})

test('a policy of latency alone is of no use without a baseline, and says what is missing', async () => {
  expect((await starter()).policy(WHOLE, 'latency')).toMatchObject({
    kind: 'refused',
    code: 'policy-invalid',
    message: expect.stringContaining('runtime.baseline for 1.0.0 of churn'),
  })
})

test('a policy that nobody wrote is refused with the names of those that there are', async () => {
  const one = await starter()
  for (const name of ['nobody', 'constructor'])
    expect(one.policy(WHOLE, name)).toMatchObject({
      code: 'policy-unknown',
      message: `there is no policy '${name}'; there are: both, latency, sticky, free`,
    })
})

test('a version is known with what it saw in training', async () => {
  const one = await starter()
  expect(one.known('churn', '1.0.0')?.reference?.score?.edges.length).toBeGreaterThan(0)
  expect(one.known('churn', '9.9.9')).toBeUndefined()
  // It is there, and not configured.
  expect(one.known('digits', '1.0.0')).toBeUndefined()
})

test.each([
  ['sticky', { header: 'x-user' }],
  ['free', undefined],
  ['both', { cookie: 'session' }],
])('callers keep their version by the policy’s word, or else the model’s: %s', async (name, affinity) => {
  const one = await starter(STATIC, name)
  const policy = one.policy(WHOLE)
  if ('kind' in policy) throw new Error(policy.message)
  const deployment = { ...WHOLE, affinity: { cookie: 'session' } } as Deployed
  const started = one.started(deployment, { canary: ref('1.1.0'), policy, actor: 'ann' }, [])
  expect(started).toMatchObject({ kind: 'started' })
  expect('rollout' in started && started.rollout.affinity).toEqual(affinity)
})

test('what nobody knows cannot be compared', async () => {
  const one = await starter()
  const policy = one.policy(WHOLE)
  if ('kind' in policy) throw new Error(policy.message)
  expect(one.started(WHOLE as Deployed, { canary: ref('9.9.9'), policy, actor: 'ann' }, [])).toMatchObject({
    code: 'version-unknown',
  })
})

test('versions that accept the same requests are compatible, and so are those of which one is unknown', async () => {
  const one = await starter()
  expect(one.incompatible('churn', '1.0.0', '1.1.0')).toBeUndefined()
  expect(one.incompatible('churn', '1.0.0', '9.9.9')).toBeUndefined()
})
