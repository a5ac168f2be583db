import { describe, expect, test } from 'vitest'
import type { Intent } from './intent.ts'
import { driftOf, type ReconcileContext, type Wish } from './reconcile.ts'
import { startedIn } from './testing/deployments.ts'
import { type FileLife, fileLife } from './testing/file-life.ts'
import { POLICY, step, WATCHED_POLICY } from './testing/policies.ts'
import { ref, START_MS } from './testing/rollouts.ts'

/*
 * A model whose file names a policy: the version is reached by a rollout.
 */

const settled: Wish = { initial: '1.0.0', policy: POLICY }
const wanted: Wish = { ...settled, version: '1.1.0' }

/** A life in which the file has asked for 1.1.0. */
function asked(wish: Wish = wanted): FileLife {
  const churn = fileLife()
  churn.file({ ...wish, version: '1.0.0' })
  churn.file(wish)
  return churn
}

/** And 1.1.0 is watched as the stable version. */
function watched(): { churn: FileLife; wish: Wish } {
  const wish = { ...wanted, policy: WATCHED_POLICY }
  const churn = asked(wish)
  promote(churn)
  return { churn, wish }
}

/** From the preparation to the watch. */
function promote(churn: FileLife): void {
  churn.tick()
  churn.person(act({ kind: 'promote' }))
  churn.tick()
  expect(churn.now).toMatchObject({ stable: ref('1.1.0'), rollout: { phase: { kind: 'watching' } } })
}

/** A person starts a rollout in place of whatever runs. */
const startOf = (churn: FileLife, version: string, policy = POLICY): Intent => ({
  kind: 'start-rollout',
  rollout: startedIn(churn.now, { canary: ref(version), policy, actor: 'ann' }),
  supersede: true,
})
const act = (action: Extract<Intent, { kind: 'act' }>['action']): Intent => ({ kind: 'act', action })
const kinds = (churn: FileLife, since: number) => churn.events.slice(since).map(({ kind }) => kind)
const nothing = { changes: [], pending: [], drift: [] }

/** What the file does in one turn. */
function does(churn: FileLife, wish: Wish, world = {}) {
  const since = churn.events.length
  const { pending, drift } = churn.file(wish, world)
  return { events: kinds(churn, since), pending, drift: drift.map(({ sentence }) => sentence) }
}

describe('a version in the file', () => {
  test('starts a rollout, once', () => {
    const churn = fileLife()
    expect(does(churn, wanted)).toEqual({
      events: ['initialised', 'rollout-started'],
      pending: [],
      drift: [],
    })
    expect(churn.now).toMatchObject({
      stable: ref('1.0.0'),
      applied: { initial: '1.0.0', version: '1.1.0' },
      rollout: { canary: ref('1.1.0'), policy: POLICY, phase: { kind: 'preparing' } },
    })
    expect(churn.events.at(-1)).toMatchObject({ actor: 'config', reason: 'the file says version: 1.1.0' })
    expect(churn.file(wanted)).toEqual(nothing)
    churn.tick()
    expect(churn.file(wanted)).toEqual(nothing)
  })

  test('starts a rollout with the affinity that the same edit brings', () => {
    const affinity = { header: 'x-user-id' }
    const churn = fileLife()
    expect(does(churn, { ...wanted, affinity }).events).toEqual([
      'initialised',
      'affinity-set',
      'rollout-started',
    ])
    expect(churn.now.rollout?.affinity).toEqual(affinity)
  })

  test('takes the place of a split that runs', () => {
    const churn = fileLife()
    churn.file(settled)
    churn.person({ kind: 'start-split', canary: ref('1.2.0'), weightBp: 500 })
    expect(does(churn, wanted).events).toEqual(['rollout-started'])
    expect(churn.now.split).toBeUndefined()
  })

  test('that cannot be started pends, is not remembered, and starts as soon as it can', () => {
    const churn = fileLife()
    churn.file(settled)
    const refusing = {
      startRollout: () =>
        ({ kind: 'refused', code: 'cannot-be-decided', message: 'too few requests' }) as const,
    }
    for (const _ of [1, 2])
      expect(does(churn, wanted, refusing)).toEqual({
        events: [],
        pending: ['the file says version: 1.1.0: too few requests'],
        drift: ['the file asks for 1.1.0 of churn, but it is served by 1.0.0'],
      })
    expect(churn.now.applied).toEqual({ initial: '1.0.0' })
    expect(does(churn, wanted).events).toEqual(['rollout-started'])
  })

  test('prepares during a freeze: nothing goes to it', () => {
    const churn = fileLife()
    churn.file(settled)
    expect(does(churn, wanted, { frozen: true }).events).toEqual(['rollout-started'])
    churn.tick({}, { frozen: true })
    expect(churn.now.rollout).toMatchObject({ phase: { kind: 'preparing' } })
  })

  test('that is rolled back is not tried again by the unchanged file, nor after a restart', () => {
    const churn = asked()
    churn.tick()
    churn.person(act({ kind: 'rollback' }))
    for (const _ of [1, 2])
      expect(does(churn, wanted)).toEqual({
        events: [],
        pending: [],
        drift: ['the file asks for 1.1.0 of churn, but it is served by 1.0.0'],
      })
  })

  test('that was judged pends when the file asks for it anew', () => {
    const churn = asked()
    churn.tick()
    churn.person(act({ kind: 'rollback' }))
    churn.file({ ...wanted, version: '1.0.0' })
    expect(does(churn, wanted)).toMatchObject({
      events: [],
      pending: [
        'the file says version: 1.1.0: 1.1.0 was judged beside 1.0.0 before (rolled-back: rolled back by ann: because I can); retry judges it again',
      ],
    })
  })

  test('that a person tries already is noted', () => {
    const churn = fileLife()
    churn.file(settled)
    churn.person(startOf(churn, '1.1.0'))
    expect(does(churn, wanted)).toEqual({ events: ['file-noted'], pending: [], drift: [] })
    expect(churn.now.rollout).toMatchObject({ serial: 1, actor: 'ann' })
    expect(does(churn, settled).events).toEqual(['aborted'])
  })
})

describe('while a rollout runs', () => {
  test('another version in the file takes its place', () => {
    const churn = asked()
    churn.tick()
    expect(does(churn, { ...wanted, version: '1.2.0' })).toEqual({
      events: ['rollout-started'],
      pending: [],
      drift: [],
    })
    expect(churn.now).toMatchObject({
      stable: ref('1.0.0'),
      rollout: { canary: ref('1.2.0'), stable: ref('1.0.0'), serial: 2 },
    })
    expect(churn.past).toMatchObject([{ serial: 1, phase: { outcome: 'superseded' } }])
  })

  test.each([
    ['no longer names its version', settled],
    ['names the stable version', { ...wanted, version: '1.0.0' }],
  ])('a file that %s aborts it', (_what, wish) => {
    const churn = asked()
    churn.tick()
    expect(does(churn, wish)).toEqual({ events: ['aborted'], pending: [], drift: [] })
    expect(churn.now).toMatchObject({ stable: ref('1.0.0') })
    expect(churn.now.rollout).toBeUndefined()
    expect(churn.past).toMatchObject([{ phase: { outcome: 'aborted' } }])
    expect(churn.file(wish)).toEqual(nothing)
  })

  test("a file that no longer names a version leaves a person's rollout alone", () => {
    const churn = asked()
    churn.person(startOf(churn, '1.2.0'))
    expect(does(churn, settled).events).toEqual(['file-noted'])
    expect(churn.now.rollout).toMatchObject({ canary: ref('1.2.0') })
  })

  test('operational rules follow the file of its policy at once', () => {
    const churn = asked()
    const policy = { ...POLICY, hash: 'sha256:slower', intervalMs: 5000 }
    expect(does(churn, { ...wanted, policy })).toEqual({ events: ['policy-changed'], pending: [], drift: [] })
    expect(churn.now.rollout).toMatchObject({ serial: 1, policy })
    expect(churn.file({ ...wanted, policy })).toEqual(nothing)
  })

  test('statistical rules wait for a restart', () => {
    const churn = asked()
    const policy = { ...POLICY, hash: 'sha256:stricter', risk: { ...POLICY.risk, falseRollback: 0.005 } }
    for (const _ of [1, 2])
      expect(does(churn, { ...wanted, policy })).toEqual({
        events: [],
        pending: [
          'the file of policy churn changed: risk cannot change under a running comparison: restart it, which judges anew and spends the risk once more',
        ],
        drift: [],
      })
    churn.person(act({ kind: 'restart', policy }))
    expect(churn.file({ ...wanted, policy })).toEqual(nothing)
  })

  test('fewer steps than it has taken wait', () => {
    const churn = asked()
    churn.tick()
    churn.person(act({ kind: 'advance' }))
    const policy = { ...POLICY, hash: 'sha256:shorter', steps: [step(5000, 0.05)] }
    expect(does(churn, { ...wanted, policy }).pending).toEqual([
      'the file of policy churn changed: the rollout is at step 2, the new policy has 1',
    ])
  })

  test('while it is watched it follows its policy as that is beside the version before', () => {
    const { churn, wish } = watched()
    const policyBeside: ReconcileContext['policyBeside'] = ({ version }, policy) =>
      version === '1.0.0' ? policy : { ...policy, hash: 'sha256:unpaired', guardrails: [] }
    expect(does(churn, wish, { policyBeside })).toEqual({ events: [], pending: [], drift: [] })
    expect(does(churn, wish, { policyBeside: () => undefined }).pending).toEqual([])
  })

  test('a policy of another name is for the next rollout', () => {
    const churn = asked()
    expect(churn.file({ ...wanted, policy: { ...POLICY, name: 'other', hash: 'sha256:other' } })).toEqual(
      nothing,
    )
    expect(churn.now.rollout!.policy).toEqual(POLICY)
  })

  test('its policy is not asked for a weight: the weight in the file is noted', () => {
    const churn = asked()
    expect(does(churn, { ...wanted, weightBp: 4000 }).events).toEqual(['file-noted'])
    expect(churn.now.rollout).toMatchObject({ phase: { kind: 'preparing' } })
  })

  test('the affinity waits for its end', () => {
    const churn = asked()
    const wish: Wish = { ...wanted, affinity: { header: 'x-user-id' } }
    expect(does(churn, wish)).toMatchObject({
      events: [],
      pending: [
        'the file says sessionAffinity: header x-user-id: a rollout of 1.1.0 is running in churn; it has to end first',
      ],
    })
    churn.person(act({ kind: 'abort' }))
    expect(does(churn, wish).events).toEqual(['affinity-set'])
  })
})

describe('a promoted version that is watched', () => {
  test('is left alone by the file that asked for it', () => {
    const { churn, wish } = watched()
    expect(churn.file(wish)).toEqual(nothing)
    expect(churn.now.rollout!.phase.kind).toBe('watching')
  })

  test('is left alone by a file that asks for it only now', () => {
    const churn = fileLife()
    churn.file(settled)
    churn.person(startOf(churn, '1.1.0', WATCHED_POLICY))
    promote(churn)
    expect(does(churn, { ...wanted, policy: WATCHED_POLICY })).toEqual({
      events: ['file-noted'],
      pending: [],
      drift: [],
    })
    expect(churn.now.rollout!.phase.kind).toBe('watching')
  })

  test('makes room for another version, which begins beside it', () => {
    const { churn, wish } = watched()
    expect(does(churn, { ...wish, version: '1.2.0' }).events).toEqual(['rollout-started'])
    expect(churn.now).toMatchObject({
      stable: ref('1.1.0'),
      rollout: { stable: ref('1.1.0'), canary: ref('1.2.0') },
    })
    expect(churn.past).toMatchObject([{ canary: ref('1.1.0'), phase: { outcome: 'promoted' } }])
  })

  test('is left alone when the file asks for nothing any more', () => {
    const { churn, wish } = watched()
    const { version: _, ...without } = wish
    expect(does(churn, without).events).toEqual(['file-noted'])
    expect(churn.now.rollout!.phase.kind).toBe('watching')
  })

  test('is rolled back when the file goes back to the version before', () => {
    const { churn, wish } = watched()
    expect(does(churn, { ...wish, version: '1.0.0' }).events).toEqual(['rolled-back'])
    expect(churn.now.stable).toEqual(ref('1.0.0'))
  })

  test('that an alarm takes back is not tried again by the unchanged file', () => {
    const { churn, wish } = watched()
    churn.person({ kind: 'rollback' })
    expect(does(churn, wish)).toEqual({
      events: [],
      pending: [],
      drift: ['the file asks for 1.1.0 of churn, but it is served by 1.0.0'],
    })
  })

  test('and stays to the end is what the file asks for', () => {
    const { churn, wish } = watched()
    churn.tick({}, { nowMs: START_MS + 2 * WATCHED_POLICY.watch!.durationMs })
    expect(churn.events.at(-1)!.kind).toBe('watch-ended')
    expect(churn.file(wish)).toEqual(nothing)
  })
})

describe('drift', () => {
  test('there is none while the version of the file is tried, at whatever weight', () => {
    const churn = asked()
    churn.tick()
    churn.person({ kind: 'set-weight', weightBp: 300 })
    expect(driftOf(churn.now, { ...wanted, weightBp: 1000 })).toEqual([])
  })

  test("names stable and a person's canary beside the version of the file", () => {
    const churn = asked()
    churn.tick()
    expect(driftOf(churn.now, { ...wanted, version: '1.2.0' })).toEqual([
      {
        key: 'version',
        file: '1.2.0',
        served: '1.0.0, and 1.1.0 at 5 %',
        sentence: 'the file asks for 1.2.0 of churn, but it is served by 1.0.0, and 1.1.0 at 5 %',
      },
    ])
    expect(driftOf(churn.now, { ...wanted, version: '1.0.0' })).toMatchObject([
      { key: 'version', served: '1.0.0, and 1.1.0 at 5 %' },
    ])
  })
})
