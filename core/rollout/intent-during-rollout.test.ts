import { describe, expect, test } from 'vitest'
import type { Action } from './act.ts'
import type { Deployed } from './deployment.ts'
import { applyIntent, type Intent } from './intent.ts'
import { changed, rollingIn, startedIn } from './testing/deployments.ts'
import { POLICY, WATCHED_POLICY } from './testing/policies.ts'
import { ANN, ref, START_MS } from './testing/rollouts.ts'

/*
 * What people and the file can do while a rollout runs. The rollout is of 1.1.0 beside 1.0.0, before which 0.9.0 was
 * stable.
 */

const previous = ref('0.9.0')
const stepping: Deployed = { ...rollingIn('stepping'), previous }
const watching = rollingIn('watching', WATCHED_POLICY)
const { rollout: _, ...withoutRollout } = stepping
const revision = stepping.revision + 1
const wayBack = { ...ref('1.0.0'), warmUntilMs: START_MS + POLICY.keepPreviousMs }

const act = (action: Action): Intent => ({ kind: 'act', action })
const setStable = (version: string): Intent => ({ kind: 'set-stable', stable: ref(version) })
const startSplit = (version: string, supersede = false): Intent => ({
  kind: 'start-split',
  canary: ref(version),
  weightBp: 100,
  supersede,
})
const startRollout = (before: Deployed, version: string, supersede = false): Intent => ({
  kind: 'start-rollout',
  rollout: startedIn(before, { canary: ref(version) }),
  supersede,
})

describe('an action', () => {
  test('changes the rollout under the next revision, with the row that tells of it', () => {
    const { next, event, ended } = changed(stepping, act({ kind: 'pause' }))
    expect(next).toMatchObject({
      revision,
      serial: 1,
      stable: ref('1.0.0'),
      previous,
      rollout: { revision, phase: { kind: 'paused', actor: 'ann', weightBp: 500 } },
    })
    expect(event).toMatchObject({
      kind: 'paused',
      serial: 1,
      actor: 'ann',
      reason: 'because I can',
      because: 'because I can',
      decision: { revision, actor: 'ann', decision: { kind: 'pause' }, weightAfterBp: 500 },
    })
    expect(ended).toBeUndefined()
  })

  test('that ends the rollout leaves it, as it ended, to be kept', () => {
    const { next, event, ended } = changed(stepping, act({ kind: 'abort' }))
    expect(next).toEqual({ ...withoutRollout, revision })
    expect(event).toMatchObject({ kind: 'aborted', serial: 1, because: 'aborted by ann: because I can' })
    expect(ended).toMatchObject({ revision, phase: { kind: 'finished', outcome: 'aborted' } })
  })

  test('that the rollout refuses is refused with its reason', () => {
    expect(applyIntent(stepping, act({ kind: 'resume' }), ANN)).toEqual({
      kind: 'refused',
      code: 'wrong-phase',
      message: 'cannot resume a rollout that is stepping',
    })
  })
})

describe('what works on splits works on rollouts', () => {
  test('a weight that is set pauses it there', () => {
    const { next, event } = changed(stepping, { kind: 'set-weight', weightBp: 300 })
    expect(event.kind).toBe('paused')
    expect(next.rollout).toMatchObject({ revision, phase: { kind: 'paused', weightBp: 300 } })
  })

  test('to end it is to abort it', () => {
    const { next, event, ended } = changed(stepping, { kind: 'end-split' })
    expect([event.kind, next]).toEqual(['aborted', { ...withoutRollout, revision }])
    expect(ended).toMatchObject({ phase: { outcome: 'aborted' } })
  })

  test('a rollback is to stable, not to what was stable before', () => {
    const { next, event, ended } = changed(stepping, { kind: 'rollback' })
    expect([event.kind, next]).toEqual(['rolled-back', { ...withoutRollout, revision }])
    expect(ended).toMatchObject({ phase: { outcome: 'rolled-back' } })
  })

  test('while a promoted version is watched a rollback is to the one before, and leaves no way back', () => {
    for (const kind of ['rollback', 'end-split'] as const) {
      const { next, event, ended } = changed(watching, { kind })
      expect(event).toMatchObject({
        kind: 'rolled-back',
        before: { stable: '1.1.0' },
        after: { stable: '1.0.0' },
      })
      expect(next).toMatchObject({ stable: ref('1.0.0') })
      expect([next.previous, next.rollout]).toEqual([undefined, undefined])
      expect(ended).toMatchObject({ phase: { outcome: 'rolled-back' } })
    }
  })
})

describe('stable', () => {
  test('set to the canary promotes it without a proof', () => {
    const { next, event, ended } = changed(stepping, setStable('1.1.0'))
    expect(next).toEqual({ ...withoutRollout, revision, stable: ref('1.1.0'), previous: ref('1.0.0') })
    expect(event).toMatchObject({
      kind: 'promoted',
      serial: 1,
      because: 'ann promoted 1.1.0 at 5 % of the requests; before, 1.0.0 was stable. No comparison proves it',
    })
    expect(ended).toMatchObject({
      revision,
      phase: { kind: 'finished', outcome: 'promoted', because: 'ann set 1.1.0 as stable: because I can' },
    })
  })

  test.each([
    ['itself', '1.0.0', previous, '1.0.0 was set as stable again; the rollout of 1.1.0 ended'],
    [
      'a third version',
      '1.2.0',
      ref('1.0.0'),
      '1.2.0 became stable in place of 1.0.0 without a rollout; the rollout of 1.1.0 ended',
    ],
  ])('set to %s ends the rollout', (_what, version, back, because) => {
    const { next, event, ended } = changed(stepping, setStable(version))
    expect(next).toEqual({ ...withoutRollout, revision, stable: ref(version), previous: back })
    expect(event).toMatchObject({ kind: 'stable-set', serial: 1, because })
    expect(ended).toMatchObject({ phase: { outcome: 'aborted' } })
  })

  test('set to the version that is watched ends the watch: it stays promoted', () => {
    const { next, event, ended } = changed(watching, setStable('1.1.0'))
    expect(next).toMatchObject({ stable: ref('1.1.0'), previous: wayBack })
    expect(next.rollout).toBeUndefined()
    expect(event.kind).toBe('stable-set')
    expect(ended).toMatchObject({ phase: { outcome: 'promoted' } })
  })

  test.each(['1.0.0', '1.2.0'])('set to %s takes a version back that is watched', (version) => {
    const { next, ended } = changed(watching, setStable(version))
    expect(next).toMatchObject({ stable: ref(version), previous: ref('1.1.0') })
    expect(ended).toMatchObject({ phase: { outcome: 'rolled-back' } })
  })
})

test('a split that supersedes a rollout ends it and keeps what is stable', () => {
  const { next, event, ended } = changed(stepping, startSplit('1.2.0', true))
  expect(next).toMatchObject({ stable: ref('1.0.0'), previous, serial: 2, split: { serial: 2 } })
  expect(next.rollout).toBeUndefined()
  expect(event).toMatchObject({ kind: 'split-started', serial: 2 })
  expect(ended).toMatchObject({ serial: 1, revision, phase: { outcome: 'superseded' } })

  const beside = changed(watching, startSplit('1.2.0', true))
  expect(beside.next).toMatchObject({ stable: ref('1.1.0'), previous: wayBack })
  expect(beside.ended).toMatchObject({ phase: { outcome: 'promoted' } })
})

test('what the file says can be noted', () => {
  const { next, ended } = changed(stepping, { kind: 'note-file' }, { applied: { version: '1.1.0' } })
  expect(next).toEqual({
    ...stepping,
    revision,
    applied: { version: '1.1.0' },
    rollout: { ...stepping.rollout, revision },
  })
  expect(ended).toBeUndefined()
})

test.each([
  ['a rollout', startRollout(stepping, '1.2.0'), 'rollout-running'],
  ['a split', startSplit('1.2.0'), 'rollout-running'],
  ['a split of stable', startSplit('1.0.0', true), 'canary-is-stable'],
  ['a first version', { kind: 'initialise', stable: ref('1.0.0') }, 'already-deployed'],
  ['another affinity', { kind: 'set-affinity', affinity: { header: 'x-user-id' } }, 'rollout-running'],
  ['a weight beyond all', { kind: 'set-weight', weightBp: 10_001 }, 'weight-out-of-range'],
] as [string, Intent, string][])('%s is refused while a rollout runs: %#', (_what, intent, code) => {
  expect(applyIntent(stepping, intent, ANN)).toMatchObject({ kind: 'refused', code })
})

test.each([
  ['advance', stepping, act({ kind: 'advance' }), 'refused'],
  ['promote', stepping, act({ kind: 'promote' }), 'refused'],
  ['raise', stepping, { kind: 'set-weight', weightBp: 501 }, 'refused'],
  ['lower', stepping, { kind: 'set-weight', weightBp: 499 }, 'changed'],
  ['set the canary as stable', stepping, setStable('1.1.0'), 'refused'],
  ['pause', stepping, act({ kind: 'pause' }), 'changed'],
  ['abort', stepping, act({ kind: 'abort' }), 'changed'],
  ['roll back', stepping, { kind: 'rollback' }, 'changed'],
  ['roll back what is watched', watching, { kind: 'rollback' }, 'changed'],
  ['start another, which prepares', stepping, startRollout(stepping, '1.2.0', true), 'changed'],
  ['start a split', stepping, startSplit('1.2.0', true), 'refused'],
  ['keep what is watched', watching, setStable('1.1.0'), 'changed'],
] as [string, Deployed, Intent, string][])(
  'during a freeze, to %s is %#',
  (_what, deployment, intent, kind) => {
    const outcome = applyIntent(deployment, intent, { ...ANN, frozen: true })
    expect(outcome.kind).toBe(kind)
    if (outcome.kind === 'refused') expect(outcome.code).toBe('frozen')
  },
)
