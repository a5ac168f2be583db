import { expect, test } from 'vitest'
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
