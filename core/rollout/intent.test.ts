import { expect, test } from 'vitest'
import { type Deployment, emptyDeployment } from './deployment.ts'
import { applyIntent, type Change, type Intent, type IntentContext } from './intent.ts'
import { startedIn } from './testing/deployments.ts'
import { ref } from './testing/rollouts.ts'

const operator: IntentContext = { actor: 'ann', reason: 'because I can', nowMs: 5000, frozen: false }

/** The deployment after these intents; a refusal ends the test. */
function after(...intents: Intent[]): Deployment {
  return intents.reduce((deployment, intent) => changed(deployment, intent).next, emptyDeployment('churn'))
}

function changed(deployment: Deployment, intent: Intent, context = operator): Change {
  const outcome = applyIntent(deployment, intent, context)
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return outcome
}

const initialise: Intent = { kind: 'initialise', stable: ref('1.0.0') }
const start = (version: string, weightBp: number): Intent => ({
  kind: 'start-split',
  canary: ref(version),
  weightBp,
})
const setStable = (version: string): Intent => ({ kind: 'set-stable', stable: ref(version) })
const weigh = (weightBp: number): Intent => ({ kind: 'set-weight', weightBp })
const rollout = (deployment: Deployment): Extract<Intent, { kind: 'start-rollout' }> => ({
  kind: 'start-rollout',
  rollout: startedIn(deployment, { canary: ref('1.2.0') }),
})

const nothing = after()
const whole = after(initialise)
const divided = after(initialise, start('1.1.0', 1000))
const promoted = after(initialise, start('1.1.0', 1000), setStable('1.1.0'))

test('the first version becomes stable, by the file or by a person', () => {
  expect(whole).toEqual({ model: 'churn', revision: 1, serial: 0, applied: {}, stable: ref('1.0.0') })
  expect(after(setStable('1.0.0'))).toEqual(whole)
})

test('a split names its canary, weight, serial, salt, start and actor', () => {
  expect(divided.split).toEqual({
    canary: ref('1.1.0'),
    weightBp: 1000,
    serial: 1,
    salt: 'churn/1',
    startedAtMs: 5000,
    actor: 'ann',
  })
})

test('a change of the weight keeps the split, its serial and its salt', () => {
  expect(changed(divided, weigh(2500)).next).toEqual({
    ...divided,
    revision: 3,
    split: { ...divided.split, weightBp: 2500 },
  })
})

test('stable set to the canary is a promotion: the split ends and the old stable is the way back', () => {
  expect(promoted).toMatchObject({ stable: ref('1.1.0'), previous: ref('1.0.0'), serial: 1 })
  expect(promoted.split).toBeUndefined()
  expect(changed(divided, setStable('1.1.0')).event.because).toBe(
    'ann promoted 1.1.0 at 10 % of the requests; before, 1.0.0 was stable. No comparison proves it',
  )
})

test('stable set to a third version ends the split as well', () => {
  const { next, event } = changed(divided, setStable('1.2.0'))
  expect(next).toMatchObject({ stable: ref('1.2.0'), previous: ref('1.0.0') })
  expect(next.split).toBeUndefined()
  expect(event).toMatchObject({ kind: 'stable-set', serial: 1 })
  expect(event.because).toContain('the split with 1.1.0 ended')
})

test('stable set to itself ends a split and keeps the way back', () => {
  const again = changed(promoted, start('1.2.0', 100)).next
  expect(changed(again, setStable('1.1.0')).next).toEqual({ ...promoted, revision: 5, serial: 2 })
})

test('an ended split leaves stable and the way back as they were', () => {
  const again = changed(promoted, start('1.2.0', 100)).next
  expect(changed(again, { kind: 'end-split' }).next).toEqual({ ...promoted, revision: 5, serial: 2 })
})

test('a rollback returns to what was stable before, and a second one does not return from there', () => {
  const { next, event } = changed(promoted, { kind: 'rollback' })
  expect(next).toEqual({ model: 'churn', revision: 4, serial: 1, applied: {}, stable: ref('1.0.0') })
  expect(event).toMatchObject({
    kind: 'rolled-back',
    before: { stable: '1.1.0' },
    after: { stable: '1.0.0' },
  })
  expect(applyIntent(next, { kind: 'rollback' }, operator)).toMatchObject({ code: 'no-previous' })
})

test('a split that supersedes another has a serial of its own', () => {
  const { next, event } = changed(divided, { ...start('1.2.0', 500), supersede: true } as Intent)
  expect(next.split).toMatchObject({ canary: ref('1.2.0'), serial: 2, salt: 'churn/2' })
  expect(event.because).toBe(
    '1.2.0 gets 5 % of the requests beside stable 1.0.0 and takes the place of 1.1.0',
  )
})

test('a rollout begins beside one version; its canary has nothing yet', () => {
  const intent = rollout(whole)
  const { next, event, ended } = changed(whole, intent)
  expect(next).toEqual({ ...whole, revision: 2, serial: 1, rollout: { ...intent.rollout, revision: 2 } })
  expect(event).toMatchObject({
    kind: 'rollout-started',
    serial: 1,
    after: { revision: 2, weightBp: 0, stable: '1.0.0', canary: '1.2.0' },
    because: '1.2.0 is tried beside stable 1.0.0 by policy churn, attempt 1',
  })
  expect(ended).toBeUndefined()
})

test('a rollout that supersedes a split ends it, with a serial of its own', () => {
  const { next, ended } = changed(divided, { ...rollout(divided), supersede: true })
  expect(next).toMatchObject({ stable: ref('1.0.0'), serial: 2, rollout: { serial: 2, salt: 'churn/2' } })
  expect(next.split).toBeUndefined()
  expect(ended).toBeUndefined()
})

test('session affinity comes, goes and stays through everything else', () => {
  const sticky = changed(divided, { kind: 'set-affinity', affinity: { header: 'x-user-id' } }).next
  expect(changed(sticky, setStable('1.1.0')).next.affinity).toEqual({ header: 'x-user-id' })
  expect(changed(sticky, { kind: 'set-affinity' }).next).toEqual({ ...divided, revision: 4 })
})

test('an event tells who, why, when, and the revisions, versions and weights around it', () => {
  expect(changed(divided, weigh(2500)).event).toEqual({
    kind: 'weight-set',
    model: 'churn',
    serial: 1,
    before: { revision: 2, weightBp: 1000, stable: '1.0.0', canary: '1.1.0' },
    after: { revision: 3, weightBp: 2500, stable: '1.0.0', canary: '1.1.0' },
    actor: 'ann',
    reason: 'because I can',
    because: '1.1.0 gets 25 % of the requests, before 10 %',
    atMs: 5000,
  })
})

test.each([
  ['nothing', nothing, start('1.1.0', 100), 'not-deployed'],
  ['nothing', nothing, { kind: 'rollback' }, 'not-deployed'],
  ['nothing', nothing, { kind: 'note-file' }, 'not-deployed'],
  ['one version', whole, initialise, 'already-deployed'],
  ['one version', whole, start('1.0.0', 100), 'canary-is-stable'],
  ['one version', whole, start('1.1.0', 10_001), 'weight-out-of-range'],
  ['one version', whole, weigh(100), 'no-split'],
  ['one version', whole, { kind: 'end-split' }, 'no-split'],
  ['one version', whole, { kind: 'rollback' }, 'no-previous'],
  ['one version', whole, setStable('1.0.0'), 'unchanged'],
  ['one version', whole, { kind: 'set-affinity' }, 'unchanged'],
  ['a split', divided, start('1.2.0', 100), 'split-running'],
  ['a split', divided, start('1.1.0', 100), 'split-running'],
  ['a split', divided, weigh(1000), 'unchanged'],
  ['a split', divided, weigh(12.5), 'weight-out-of-range'],
  ['a split', divided, weigh(-1), 'weight-out-of-range'],
  ['a split', divided, { kind: 'rollback' }, 'no-previous'],
  ['nothing', nothing, rollout(whole), 'not-deployed'],
  ['nothing', nothing, { kind: 'act', action: { kind: 'abort' } }, 'not-deployed'],
  ['one version', whole, { kind: 'act', action: { kind: 'abort' } }, 'no-rollout'],
  ['a split', divided, { kind: 'act', action: { kind: 'pause' } }, 'no-rollout'],
  ['a split', divided, rollout(divided), 'split-running'],
] as [string, Deployment, Intent, string][])(
  'with %s, %#: %j is refused as %s',
  (_state, deployment, intent, code) => {
    expect(applyIntent(deployment, intent, operator)).toMatchObject({ kind: 'refused', code })
  },
)

const parked = after(initialise, setStable('1.1.0'), start('1.2.0', 1000))

test.each([
  ['a split begins', whole, start('1.1.0', 1), 'refused'],
  ['a split begins at 0', whole, start('1.1.0', 0), 'changed'],
  [
    'one split takes the place of a larger one',
    divided,
    { ...start('1.2.0', 1), supersede: true },
    'refused',
  ],
  ['a weight rises', divided, weigh(1001), 'refused'],
  ['a weight falls', divided, weigh(999), 'changed'],
  ['the canary is promoted', divided, setStable('1.1.0'), 'refused'],
  ['a split ends', divided, { kind: 'end-split' }, 'changed'],
  ['a rollback', promoted, { kind: 'rollback' }, 'changed'],
  ['a rollback during a split', parked, { kind: 'rollback' }, 'changed'],
  ['an emergency', divided, setStable('1.2.0'), 'changed'],
  ['a first deployment', nothing, initialise, 'changed'],
] as [string, Deployment, Intent, string][])(
  'during a freeze, when %s: %#',
  (_what, deployment, intent, kind) => {
    const outcome = applyIntent(deployment, intent, { ...operator, frozen: true })
    expect(outcome.kind).toBe(kind)
    if (outcome.kind === 'refused') expect(outcome.code).toBe('frozen')
  },
)

test('the file remembers what it acted with, and forgets what it is told to', () => {
  const noted = changed(
    whole,
    { kind: 'note-file' },
    { ...operator, applied: { version: '1.0.0', weightBp: 500 } },
  ).next
  expect(noted.applied).toEqual({ version: '1.0.0', weightBp: 500 })
  expect(
    changed(noted, { kind: 'note-file' }, { ...operator, applied: { version: undefined } }).next.applied,
  ).toEqual({
    weightBp: 500,
  })
  expect(changed(noted, setStable('1.1.0')).next.applied).toEqual(noted.applied)
})
