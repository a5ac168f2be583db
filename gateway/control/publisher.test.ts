import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around, changed, rollingIn, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { ERRORS, LATENCY, WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { begin, decided, ref, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { beforeEach, expect, test } from 'vitest'
import type { OwnArm } from '../messages.ts'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { Publisher } from './publisher.ts'

const MANIFEST = { inputs: [], outputs: [] } as unknown as Manifest

let storeIsAway: boolean
let nowMs: number
let publisher: Publisher

/** As after a start of the gateway. */
beforeEach(() => {
  storeIsAway = false
  nowMs = 1_000
  publisher = new Publisher({ isUnstored: () => storeIsAway, nowMs: () => nowMs })
})

const WORKERS: readonly { version: string; arm?: OwnArm }[] = [
  { version: '1.0.0' },
  { version: '1.0.0', arm: 'baseline' },
  { version: '1.0.0', arm: 'canary' },
  { version: '1.1.0' },
]
const idOf = ({ version, arm }: (typeof WORKERS)[number]) =>
  arm === undefined ? version : `${version} ${arm}`
const ALL = WORKERS.map(idOf)

/** What data processes are told when these workers of the two versions are ready, and the others start. */
function published(deployment: Deployment, ready: readonly string[]) {
  const endpoints = WORKERS.map((worker) => {
    const id = idOf(worker)
    const standing = { own: true, link: undefined, silent: false }
    const health = { healthy: ready.includes(id), failures: 0 }
    return { id, ...worker, model: 'churn', origin: 'http://localhost', ...standing, ...health }
  })
  return publisher.message({
    deployment,
    endpoints,
    versions: ['1.0.0', '1.1.0'].map((version) => ({ ...ref(version), manifest: MANIFEST })),
    limits: { timeoutMs: 1000, bodyBytes: 1000, instances: 1, jsonDepth: 1, jsonKeys: 1 },
    resilience: DEFAULT_RESILIENCE,
    looked: true,
  })!
}

const publish = (deployment: Deployment, ready: readonly string[]) => published(deployment, ready).table

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
  'a canary that %s gets nothing after a start until its workers are ready, and keeps its share from then on',
  (_, deployment, worker) => {
    const others = ALL.filter((id) => id !== worker)
    expect(routingTable(deployment)!.weightBp).toBeGreaterThan(0)
    expect(publish(deployment, others)).toMatchObject({ weightBp: 0, counting: false })
    expect(publisher.withheld(deployment)).toMatch(/ gets nothing until its workers are ready$/)
    expect(publish(deployment, ALL)).toEqual(routingTable(deployment))
    // Whatever becomes of its workers now is its own.
    expect(publish(deployment, others)).toEqual(routingTable(deployment))
    expect(publisher.withheld(deployment)).toBeUndefined()
  },
)

test('nor does it get copies', () => {
  const mirroring = rollingIn('mirroring', WIDE_POLICY)
  expect(published(mirroring, ['1.0.0']).trial).toMatchObject({ mirrorBp: 0 })
  expect(published(mirroring, ALL).trial).toMatchObject({ mirrorBp: 2000 })
  expect(published(mirroring, ['1.0.0']).trial).toMatchObject({ mirrorBp: 2000 })
})

test('where latency is compared the baseline is waited for as well', () => {
  const stepping = rollingIn('stepping', {
    ...WIDE_POLICY,
    guardrails: [ERRORS, LATENCY].map((one) => ({ ...one, share: 0.5 })),
  })
  expect(publish(stepping, ['1.0.0', '1.1.0'])).toMatchObject({ weightBp: 0, baselineBp: 0 })
  expect(publish(stepping, ALL)).toEqual(routingTable(stepping))
})

test.each([
  ['a rollout', rollingIn('stepping', WIDE_POLICY), false],
  ['a split', SPLIT, true],
])('the canary of %s that does not come back within five minutes', (_, deployment, waits) => {
  nowMs += 5 * 60_000 - 1
  expect(publish(deployment, ['1.0.0'])).toMatchObject({ weightBp: 0 })
  nowMs += 1
  expect(publish(deployment, ['1.0.0']).weightBp === 0).toBe(waits)
})

test('the canary of the next rollout is waited for anew', () => {
  const first = rollingIn('stepping', WIDE_POLICY)
  publish(first, ALL)
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
  expect(publish(stepping, ALL)).toMatchObject({ weightBp: 0, counting: false })
  expect(publisher.withheld(stepping)).toMatch(/ gets nothing while the store takes nothing/)
  expect(publish(watched, ALL)).toEqual(routingTable(watched))
  storeIsAway = false
  expect(publish(stepping, ALL)).toEqual(routingTable(stepping))
})
