import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around, rollingIn } from '@coalmine/core/rollout/testing/deployments.ts'
import { WATCHED_POLICY, WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { begin, decided, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../config/load-config.ts'
import { Fleet, type FleetView } from './fleet.ts'

const config = (limits = '{}') =>
  loadConfig(
    '/etc/coalmine/config/gateway.yaml',
    `models: { churn: { initial: 1.0.0, replicas: 2, keep: [0.9.0], limits: ${limits} } }`,
    {},
  )
const ref = (version: string) => ({ version, digest: `sha256:${version}` })
const deployment = {
  model: 'churn',
  revision: 1,
  serial: 1,
  applied: {},
  stable: ref('1.0.0'),
  previous: ref('0.8.0'),
  split: { canary: ref('1.1.0'), weightBp: 100, serial: 1, salt: 'churn/1', startedAtMs: 0, actor: 'test' },
}
const view = (changes: Partial<FleetView> = {}): FleetView => ({
  nowMs: 0,
  healthy: () => false,
  running: () => false,
  startable: () => true,
  preparing: () => [],
  ...changes,
})
const planned = (fleet: Fleet, changes: Partial<FleetView> = {}, limits?: string) => {
  fleet.plan(config(limits), [deployment], view(changes))
  return fleet.workers()
}
const slots = (specs: ReturnType<Fleet['workers']>) => specs.map(({ slot }) => slot)

test('stable runs first, then canary, previous and what is kept, each as often as there are replicas', () => {
  expect(slots(planned(new Fleet('/var/lib/coalmine')))).toEqual(
    ['1.0.0', '1.1.0', '0.8.0', '0.9.0'].flatMap((version) => [`churn/${version}/0`, `churn/${version}/1`]),
  )
})

test('a version that is being prepared runs before it is given anything', () => {
  expect(slots(planned(new Fleet('/x'), { preparing: () => ['2.0.0'] }))).toContain('churn/2.0.0/0')
})

test('a faulty version is not started, but one that runs already goes on', () => {
  const fleet = new Fleet('/x')
  const running = planned(fleet)[0]!.id
  const startable = (_: string, version: string) => version !== '1.0.0'
  expect(slots(planned(fleet, { startable }))).not.toContain('churn/1.0.0/0')
  expect(slots(planned(fleet, { startable, running: (id) => id === running }))).toContain('churn/1.0.0/0')
})

test('workers of the old settings stay until those in their place are healthy', () => {
  const fleet = new Fleet('/x')
  const old = planned(fleet).map(({ id }) => id)
  const both = planned(fleet, {}, '{ instances: 10 }').map(({ id }) => id)
  expect(both).toEqual(expect.arrayContaining(old))
  expect(both).toHaveLength(2 * old.length)
  const next = both.filter((id) => !old.includes(id))
  const paths = new Set(fleet.workers().map(({ socketPath }) => socketPath))
  expect(paths.size).toBe(both.length)
  expect(
    planned(fleet, { healthy: (id) => next.includes(id) }, '{ instances: 10 }').map(({ id }) => id),
  ).toEqual(next)
})

test('equal settings make equal workers, so that a restart of control starts none anew', () => {
  expect(planned(new Fleet('/x'))).toEqual(planned(new Fleet('/x')))
})

test('names too long for a socket are shortened and stay apart', () => {
  const fleet = new Fleet(`/${'x'.repeat(60)}`)
  const paths = planned(fleet, { preparing: () => ['v'.repeat(60), `${'v'.repeat(59)}w`] }).map(
    ({ socketPath }) => socketPath,
  )
  expect(new Set(paths).size).toBe(paths.length)
  for (const path of paths) expect(Buffer.byteLength(path)).toBeLessThan(107)
})

describe('what a rollout needs', () => {
  const roles = (one: Deployment, changes: Partial<FleetView> = {}) => {
    const fleet = new Fleet('/x')
    const text = 'models: { churn: { initial: 1.0.0, replicas: 2 } }'
    fleet.plan(loadConfig('/x/config/gateway.yaml', text, {}), [one], view(changes))
    return slots(fleet.workers()).map((slot) => slot.replace('churn/', ''))
  }

  test('is stable and canary', () => {
    expect(roles(rollingIn('stepping'))).toEqual(['1.0.0/0', '1.0.0/1', '1.1.0/0', '1.1.0/1'])
  })

  test('is a baseline as large as stable besides where latency is compared, in every phase with a canary', () => {
    for (const kind of ['preparing', 'stepping', 'paused', 'promoting'] as const)
      expect(roles(rollingIn(kind, WIDE_POLICY)).slice(4)).toEqual(['1.0.0@baseline/0', '1.0.0@baseline/1'])
  })

  test('is a canary of its own where stable is tried itself', () => {
    const itself = started({ canary: ref('1.0.0'), measure: true })
    expect(roles(around(decided(itself, begin)))).toEqual([
      '1.0.0/0',
      '1.0.0/1',
      '1.0.0@canary/0',
      '1.0.0@canary/1',
    ])
  })

  test('is both versions, and no baseline, while a promoted one is watched', () => {
    const policy = { ...WIDE_POLICY, ...(WATCHED_POLICY.watch && { watch: WATCHED_POLICY.watch }) }
    expect(roles(rollingIn('watching', policy))).toEqual(['1.1.0/0', '1.1.0/1', '1.0.0/0', '1.0.0/1'])
  })

  test('is nothing of the baseline that cannot be started', () => {
    expect(
      roles(rollingIn('stepping', WIDE_POLICY), { startable: (_, version) => version !== '1.0.0' }),
    ).toEqual(['1.1.0/0', '1.1.0/1'])
  })
})

test('what was stable before stays warm until its time, and for ever without one', () => {
  const warmUntil = (warmUntilMs: number | undefined, nowMs: number) => {
    const fleet = new Fleet('/x')
    const previous = { ...ref('0.8.0'), ...(warmUntilMs !== undefined && { warmUntilMs }) }
    fleet.plan(config(), [{ ...deployment, previous }], view({ nowMs }))
    return slots(fleet.workers()).includes('churn/0.8.0/0')
  }
  expect([warmUntil(1000, 999), warmUntil(1000, 1000), warmUntil(undefined, 1e15)]).toEqual([
    true,
    false,
    true,
  ])
})

test('workers of a baseline have identities and sockets of their own', () => {
  const fleet = new Fleet('/x')
  const text = 'models: { churn: { initial: 1.0.0 } }'
  fleet.plan(loadConfig('/x/config/gateway.yaml', text, {}), [rollingIn('stepping', WIDE_POLICY)], view())
  const targets = fleet.targets('churn')
  expect(targets.map(({ version, arm }) => [version, arm])).toEqual([
    ['1.0.0', undefined],
    ['1.1.0', undefined],
    ['1.0.0', 'baseline'],
  ])
  for (const key of ['id', 'socketPath'] as const)
    expect(new Set(targets.map((target) => target[key])).size).toBe(3)
})

test('addresses of a baseline serve that arm alone', async () => {
  const fleet = new Fleet('/x')
  const text = `models: { churn: { initial: 1.0.0, runtime: { static: { 1.0.0: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] }, baseline: { 1.0.0: ['http://127.0.0.1:3'] } } } }`
  fleet.plan(loadConfig('/x/config/gateway.yaml', text, {}), [rollingIn('stepping', WIDE_POLICY)], view())
  expect(fleet.resolved('churn')).toBe(false)
  await fleet.resolve()
  expect(fleet.resolved('churn')).toBe(true)
  expect(fleet.targets('churn').map(({ origin, arm }) => [origin, arm])).toEqual([
    ['http://127.0.0.1:1', undefined],
    ['http://127.0.0.1:2', undefined],
    ['http://127.0.0.1:3', 'baseline'],
  ])
  expect(fleet.workers()).toEqual([])
})
