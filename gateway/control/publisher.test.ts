import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around, changed, rollingIn, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { begin, decided, ref, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { beforeEach, expect, test } from 'vitest'
import type { OwnArm } from '../messages.ts'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { Publisher } from './publisher.ts'

const MANIFEST = { inputs: [], outputs: [] } as unknown as Manifest

let storeIsAway: boolean
let publisher: Publisher

/** As after a start of the gateway. */
beforeEach(() => {
  storeIsAway = false
  publisher = new Publisher(() => storeIsAway)
})

/** What data processes are told when these workers of the two versions are ready, and the others start. */
function publish(deployment: Deployment, ready: readonly string[]) {
  const workers: { version: string; arm?: OwnArm }[] = [
    { version: '1.0.0' },
    { version: '1.0.0', arm: 'baseline' },
    { version: '1.0.0', arm: 'canary' },
    { version: '1.1.0' },
  ]
  const endpoints = workers.map(({ version, arm }) => {
    const id = arm === undefined ? version : `${version} ${arm}`
    const target = { id, model: 'churn', version, ...(arm && { arm }), origin: 'http://localhost' }
    const standing = { own: true, link: undefined, silent: false }
    return { ...target, ...standing, healthy: ready.includes(id), failures: 0 }
  })
  return publisher.message({
    deployment,
    endpoints,
    versions: ['1.0.0', '1.1.0'].map((version) => ({ ...ref(version), manifest: MANIFEST })),
    limits: { timeoutMs: 1000, bodyBytes: 1000, instances: 1, jsonDepth: 1, jsonKeys: 1 },
    resilience: DEFAULT_RESILIENCE,
    looked: true,
  })!.table
}

const SPLIT = changed(WHOLE, { kind: 'start-split', canary: ref('1.1.0'), weightBp: 2000 }).next
const AA = around(decided(started({ policy: WIDE_POLICY, canary: ref('1.0.0'), measure: true }), begin))

test.each([
  ['steps', rollingIn('stepping', WIDE_POLICY), '1.1.0'],
  ['waits for approval', rollingIn('awaiting-approval', WIDE_POLICY), '1.1.0'],
  ['is promoted', rollingIn('promoting', WIDE_POLICY), '1.1.0'],
  ['is promoted and watched', rollingIn('watching'), '1.1.0'],
  ['is split by hand', SPLIT, '1.1.0'],
  ['is stable itself', AA, '1.0.0 canary'],
])(
  'a canary that %s gets nothing after a start until a worker of it is ready, and keeps its share from then on',
  (_, deployment, worker) => {
    const others = ['1.0.0', '1.0.0 baseline', '1.1.0', '1.0.0 canary'].filter((id) => id !== worker)
    expect(routingTable(deployment)!.weightBp).toBeGreaterThan(0)
    expect(publish(deployment, others)).toMatchObject({ weightBp: 0, counting: false })
    expect(publisher.withheld(deployment)).toMatch(/ gets nothing until a worker of it is ready$/)
    expect(publish(deployment, [worker])).toEqual(routingTable(deployment))
    // Whatever becomes of its workers now is its own.
    expect(publish(deployment, others)).toEqual(routingTable(deployment))
    expect(publisher.withheld(deployment)).toBeUndefined()
  },
)

test('the canary of the next rollout is waited for anew', () => {
  const first = rollingIn('stepping', WIDE_POLICY)
  publish(first, ['1.1.0'])
  const next = { ...first, serial: 2, rollout: { ...first.rollout!, serial: 2 } } as Deployment
  expect(publish(next, [])).toMatchObject({ serial: 2, weightBp: 0 })
})

test.each([
  ['everything goes to one version', WHOLE],
  ['the canary prepares', rollingIn('preparing', WIDE_POLICY)],
])('where %s nothing is withheld', (_, deployment) => {
  expect(publish(deployment, ['1.0.0'])).toEqual(routingTable(deployment))
  expect(publisher.withheld(deployment)).toBeUndefined()
})

test('a canary gets nothing while the store takes nothing, but for one that is promoted', () => {
  const stepping = rollingIn('stepping', WIDE_POLICY)
  const watched = rollingIn('watching')
  storeIsAway = true
  expect(publish(stepping, ['1.1.0'])).toMatchObject({ weightBp: 0, counting: false })
  expect(publisher.withheld(stepping)).toMatch(/ gets nothing while the store takes nothing/)
  expect(publish(watched, ['1.1.0'])).toEqual(routingTable(watched))
  storeIsAway = false
  expect(publish(stepping, ['1.1.0'])).toEqual(routingTable(stepping))
})
