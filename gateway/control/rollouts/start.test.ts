import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Deployed } from '@coalmine/core/rollout/deployment.ts'
import { around, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { POLICY, SCORES } from '@coalmine/core/rollout/testing/policies.ts'
import { acted, inPhase, ref, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { type StartKnowledge, type StartWish, startedFor } from './start.ts'

const VERSION = { manifest: { outputs: [] } }
const wish = (changes: Partial<StartWish> = {}): StartWish => ({
  canary: ref('1.1.0'),
  policy: POLICY,
  actor: 'ann',
  nowMs: START_MS,
  ...changes,
})
const knowing = (changes: Partial<StartKnowledge> = {}): StartKnowledge => ({
  stable: VERSION,
  canary: VERSION,
  facts: undefined,
  timeoutMs: 500,
  before: [],
  ...changes,
})
const start = (deployment: Deployed, wanted = wish(), known = knowing()) => {
  const outcome = startedFor(deployment, wanted, known)
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return outcome
}
const RUNNING = around(inPhase('stepping'))
const ROLLED_BACK = acted(inPhase('stepping'), { kind: 'rollback' })

test('a rollout of this deployment: the next serial, stable as it is, limits within the timeout', () => {
  const { rollout, plan } = start({ ...(WHOLE as Deployed), serial: 6 })
  expect(rollout).toMatchObject({
    model: 'churn',
    serial: 7,
    salt: 'churn/7',
    stable: ref('1.0.0'),
    canary: ref('1.1.0'),
    firstAttempt: { limitMs: 450, reserveMs: 50 },
    actor: 'ann',
    startedAtMs: START_MS,
    attempt: 1,
  })
  expect(plan.warnings).toEqual([expect.stringContaining('no traffic')])
})

test('what is known of stable’s traffic is what its bets are placed by', () => {
  const latency = Float64Array.from({ length: LATENCY_BINS }, (_, bin) => Number(bin === latencyBin(8)))
  const rates = { errorRate: 0.04, unfinishedRate: 0.04, rejectedRate: 0 }
  const facts = { ...rates, requests: 999, requestsPerSecond: 50, latency, p99Ms: 100, p999Ms: 2500 }
  const { rollout } = start(WHOLE as Deployed, wish(), knowing({ facts }))
  expect(rollout.evidence.references).toMatchObject({ horizonMs: 5000, errorRate: 0.04046 })
  expect(rollout.firstAttempt).toEqual({ limitMs: 300, reserveMs: 200 })
})

test('what cannot be decided is refused with its plan, until a person insists', () => {
  const asking = { policy: { ...POLICY, guardrails: [SCORES] } }
  const refused = startedFor(WHOLE as Deployed, wish(asking), knowing())
  expect(refused).toMatchObject({ kind: 'refused', code: 'cannot-be-decided' })
  expect(refused.plan.cannotDecide).toHaveLength(1)
  expect(start(WHOLE as Deployed, wish({ ...asking, force: true })).kind).toBe('started')
})

test('one that runs is in the way, unless it is to be superseded', () => {
  const canary = ref('1.2.0')
  expect(startedFor(RUNNING, wish({ canary }), knowing())).toMatchObject({ code: 'rollout-running' })
  expect(start(RUNNING, wish({ canary, supersede: true })).rollout).toMatchObject({ serial: 2, canary })
})

test('a pair of versions is judged once, and a retry spends its risk again', () => {
  const before = [ROLLED_BACK]
  expect(startedFor(WHOLE as Deployed, wish(), knowing({ before }))).toMatchObject({ code: 'already-judged' })
  const { rollout } = start(WHOLE as Deployed, wish({ retry: true }), knowing({ before }))
  expect(rollout).toMatchObject({ attempt: 2, falseRollbackSpent: 0.02 })
})

test('nor does superseding a rollout by itself forget what it has spent', () => {
  const known = knowing({ before: [RUNNING.rollout!] })
  expect(startedFor(RUNNING, wish({ supersede: true }), known)).toMatchObject({ code: 'already-judged' })
  const { rollout } = start(RUNNING, wish({ supersede: true, retry: true }), known)
  expect(rollout).toMatchObject({
    serial: 2,
    attempt: 2,
    falseRollbackSpent: 0.02,
    phase: { kind: 'preparing' },
  })
})

test('a version is not tried beside itself unless that is what is wanted', () => {
  const itself = { canary: ref('1.0.0') }
  expect(startedFor(WHOLE as Deployed, wish(itself), knowing())).toMatchObject({ code: 'canary-is-stable' })
  expect(start(WHOLE as Deployed, wish({ ...itself, measure: true })).rollout.canary).toEqual(ref('1.0.0'))
})
