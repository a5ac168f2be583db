import { describe, expect, test } from 'vitest'
import type { Action } from './act.ts'
import { CONTROLLER } from './apply.ts'
import type { Deployed } from './deployment.ts'
import type { Outcome, Phase } from './phase.ts'
import type { Rollout } from './rollout.ts'
import { deployed, finished } from './rollout-step.ts'
import { around, changed, rollingIn, startedIn, turned, WHOLE } from './testing/deployments.ts'
import { HOUR, MINUTE, POLICY, step, WATCHED_POLICY } from './testing/policies.ts'
import { acted, decided, hold, inPhase, PHASES, ref, START_MS, started } from './testing/rollouts.ts'
import { fairSecond, together } from './testing/windows.ts'

const SECOND = START_MS / 1000
const RUNNING = PHASES.filter((kind) => kind !== 'finished')
const stable = ref('1.0.0')
const canary = ref('1.1.0')
const earlier = { ...ref('0.9.0'), warmUntilMs: 5 }
const keptUntilMs = START_MS + POLICY.keepPreviousMs

const over = (rollout: Rollout, outcome: Outcome) =>
  finished(rollout, outcome, { because: 'it is over', nowMs: START_MS + MINUTE })

describe('a deployment whose rollout', () => {
  const before = (kind: Exclude<Phase['kind'], 'finished'>): Deployed => {
    const deployment = rollingIn(kind, WATCHED_POLICY)
    return kind === 'watching' ? deployment : { ...deployment, previous: earlier }
  }

  test.each(RUNNING.filter((kind) => kind !== 'watching'))('is %s keeps stable and the way back', (kind) => {
    expect(deployed(before('preparing'), inPhase(kind))).toEqual({
      ...before('preparing'),
      rollout: inPhase(kind),
    })
  })

  test('is watched has the canary as stable, and the version before as the way back, warm as long as the policy says', () => {
    const rollout = inPhase('watching', WATCHED_POLICY)
    expect(deployed(before('promoting'), rollout)).toEqual({
      ...before('promoting'),
      stable: canary,
      previous: { ...stable, warmUntilMs: keptUntilMs },
      rollout,
    })
  })

  test('is watched further stays as it is', () => {
    const later = { ...inPhase('watching', WATCHED_POLICY), evaluation: 7 }
    expect(deployed(before('watching'), later)).toEqual({ ...before('watching'), rollout: later })
  })

  test('was promoted without a watch has the canary as stable alone', () => {
    expect(deployed(before('promoting'), over(inPhase('promoting'), 'promoted'))).toEqual({
      model: 'churn',
      serial: 1,
      revision: before('promoting').revision,
      applied: {},
      stable: canary,
      previous: { ...stable, warmUntilMs: keptUntilMs + MINUTE },
    })
  })

  test('was watched to the end keeps the canary, and the way back as warm as since the promotion', () => {
    const { rollout: _, ...rest } = before('watching')
    expect(deployed(before('watching'), over(inPhase('watching'), 'promoted'))).toEqual(rest)
  })

  test('was rolled back while it was watched has the version before, and no way back to the one that failed', () => {
    const { rollout: _, previous: __, ...rest } = before('watching')
    expect(deployed(before('watching'), over(inPhase('watching'), 'rolled-back'))).toEqual({
      ...rest,
      stable,
    })
  })

  const UNPROMOTED = ['rolled-back', 'aborted', 'superseded', 'measured'] as const
  test.each(
    RUNNING.filter((kind) => kind !== 'watching').flatMap((kind) =>
      UNPROMOTED.map((outcome) => [kind, outcome] as const),
    ),
  )('was %s and is %s has the stable version alone, and the way back of before', (kind, outcome) => {
    const { rollout: _, ...rest } = before(kind)
    expect(deployed(before(kind), over(inPhase(kind), outcome))).toEqual(rest)
  })

  test('ends keeps its affinity, what the file said and its serial', () => {
    const kept = { affinity: { header: 'x-user-id' }, applied: { version: '1.1.0' }, serial: 9 }
    for (const outcome of ['promoted', ...UNPROMOTED] as const)
      expect(deployed({ ...before('stepping'), ...kept }, over(inPhase('stepping'), outcome))).toMatchObject(
        kept,
      )
  })
})

describe('a tick', () => {
  test('that waits knows more and changes nothing that people see', () => {
    const before = rollingIn('stepping')
    const { next, event, ended } = turned(before, fairSecond(SECOND, 500, 1000))
    expect([event, ended]).toEqual([undefined, undefined])
    const { rollout, ...rest } = next
    const { rollout: old, ...same } = before
    expect(rest).toEqual(same)
    expect(rollout).toMatchObject({ revision: old!.revision, evaluation: old!.evaluation + 1 })
    expect(rollout!.evidence.cursor.early).toBe(SECOND)
  })

  test('that decides counts one revision, the same in deployment, rollout, event and record', () => {
    const before = { ...rollingIn('preparing'), revision: 41, serial: 3 } as Deployed
    const { next, event, ended } = turned(before)
    expect(ended).toBeUndefined()
    expect(next).toMatchObject({ revision: 42, rollout: { revision: 42, evaluation: 1 } })
    expect(event).toMatchObject({
      kind: 'begun',
      model: 'churn',
      serial: 1,
      before: { revision: 41, weightBp: 0, stable: '1.0.0', canary: '1.1.0' },
      after: { revision: 42, weightBp: 500, stable: '1.0.0', canary: '1.1.0' },
      actor: CONTROLLER,
      reason: 'policy',
      because: '1.1.0 is ready and gets 5 % of the requests',
      atMs: START_MS,
      decision: { revision: 42, evaluation: 1, decision: { kind: 'begin' }, situation: { ready: true } },
    })
  })

  test('that ends the rollout leaves it, as it ended, to be kept', () => {
    const { next, event, ended } = turned(rollingIn('promoting'))
    expect(event).toMatchObject({
      kind: 'promoted',
      after: { stable: '1.1.0', weightBp: 0 },
      decision: { decision: { kind: 'switch' } },
    })
    expect(next).toMatchObject({ stable: canary, previous: stable, revision: event!.after.revision })
    expect(next.rollout).toBeUndefined()
    expect(ended).toMatchObject({
      revision: next.revision,
      evaluation: 1,
      phase: { kind: 'finished', outcome: 'promoted' },
    })
  })

  test('that promotes into a watch leaves nothing that ended', () => {
    const { next, event, ended } = turned(rollingIn('promoting', WATCHED_POLICY))
    expect(ended).toBeUndefined()
    expect(next).toMatchObject({
      stable: canary,
      previous: stable,
      rollout: { phase: { kind: 'watching', weightBp: 9900 } },
    })
    expect(event).toMatchObject({
      kind: 'promoted',
      after: { stable: '1.1.0', canary: '1.1.0', weightBp: 9900 },
    })
  })

  test('that ends the watch leaves the promoted version alone', () => {
    const { next, event, ended } = turned(
      rollingIn('watching', WATCHED_POLICY),
      {},
      { nowMs: START_MS + HOUR },
    )
    expect(event).toMatchObject({ kind: 'watch-ended', after: { stable: '1.1.0', weightBp: 0 } })
    expect(next).toMatchObject({ stable: canary, previous: stable })
    expect(next.rollout).toBeUndefined()
    expect(ended).toMatchObject({ phase: { outcome: 'promoted' } })
  })

  test('that finds the canary worse takes it out', () => {
    const { next, event, ended } = turned(
      rollingIn('stepping'),
      together([0, 1, 2].map((age) => fairSecond(SECOND + age, 500, 2000, { canary: 0.5, stable: 0.001 }))),
      { nowMs: START_MS + 3000 },
    )
    expect(event).toMatchObject({ kind: 'rolled-back', before: { weightBp: 500 }, after: { weightBp: 0 } })
    expect(next).toEqual({ ...WHOLE, serial: 1, revision: next.revision })
    expect(ended).toMatchObject({ phase: { outcome: 'rolled-back' } })
  })

  test('changes nothing of the deployment that it began with', () => {
    const before = rollingIn('promoting')
    const copy = structuredClone(before)
    turned(before)
    expect(before).toEqual(copy)
  })
})

describe('every decision has an event of its own', () => {
  const decisions: [string, Action | undefined, Deployed][] = [
    ['begun', undefined, rollingIn('preparing')],
    ['advanced', { kind: 'advance' }, rollingIn('stepping')],
    ['approved', { kind: 'approve' }, rollingIn('awaiting-approval')],
    ['paused', { kind: 'pause' }, rollingIn('stepping')],
    ['paused', { kind: 'set-weight', weightBp: 300 }, rollingIn('stepping')],
    ['resumed', { kind: 'resume' }, rollingIn('paused')],
    ['promotion-begun', { kind: 'promote' }, rollingIn('stepping')],
    ['promoted', undefined, rollingIn('promoting', WATCHED_POLICY)],
    ['promoted', undefined, rollingIn('promoting')],
    ['rolled-back', { kind: 'rollback' }, rollingIn('stepping')],
    ['rolled-back', { kind: 'rollback' }, rollingIn('watching')],
    ['rolled-back', { kind: 'safety-rollback' }, rollingIn('stepping')],
    ['aborted', { kind: 'abort' }, rollingIn('stepping')],
    ['rolled-back', { kind: 'abort' }, rollingIn('watching')],
    ['superseded', { kind: 'supersede', by: '1.2.0' }, rollingIn('stepping')],
    ['watch-ended', { kind: 'supersede', by: '1.2.0' }, rollingIn('watching')],
    [
      'policy-changed',
      { kind: 'change-policy', policy: { ...POLICY, hash: 'sha256:other', intervalMs: 2000 } },
      rollingIn('stepping'),
    ],
    [
      'restarted',
      {
        kind: 'restart',
        policy: { ...POLICY, hash: 'sha256:other', risk: { ...POLICY.risk, falseRollback: 0.02 } },
      },
      rollingIn('stepping'),
    ],
  ]
  test.each(decisions)('%s, %#', (kind, action, before) => {
    const { event, next } = action ? changed(before, { kind: 'act', action }) : turned(before)
    expect(event!.kind).toBe(kind)
    expect(event!.decision).toMatchObject({ revision: next.revision, serial: 1 })
  })

  test('held, released, approval asked and measured are of the controller alone', () => {
    const nowMs = START_MS + 20 * MINUTE
    const silent = turned(rollingIn('stepping'), {}, { nowMs })
    expect(silent.event!.kind).toBe('held')
    const again = fairSecond(SECOND + 1205, 500, 1000)
    expect(turned(silent.next, again, { nowMs: nowMs + 9000 }).event!.kind).toBe('released')

    const asking = {
      ...POLICY,
      steps: [step(500, 1, { requiresApproval: true, minDurationMs: 0 }), step(5000, 0.05)],
    }
    const seen = fairSecond(SECOND, 500, 1000)
    expect(turned(rollingIn('stepping', asking), seen, { nowMs: START_MS + 2000 }).event!.kind).toBe(
      'approval-asked',
    )

    const quick = { ...POLICY, steps: [step(5000, 0.05, { minDurationMs: 0 })] }
    const beside = decided(started({ policy: quick, canary: stable, measure: true }), {
      kind: 'begin',
      weightBp: 5000,
      because: 'it is ready',
    })
    let measuring = turned(around(beside))
    for (let second = 1; second < 60 && measuring.event === undefined; second++)
      measuring = turned(measuring.next, fairSecond(SECOND + second, 5000, 2000), {
        nowMs: START_MS + (second + 2) * 1000,
      })
    expect(measuring.event!.kind).toBe('measured')
    expect(measuring.next).toMatchObject({ stable })
  })
})

describe('a rollout that takes the place of another', () => {
  const superseding = (before: Deployed) =>
    changed(before, {
      kind: 'start-rollout',
      rollout: startedIn(before, { canary: ref('1.2.0'), stable: before.stable }),
      supersede: true,
    })

  test('while that one is stepping begins beside the same stable version', () => {
    const before = { ...rollingIn('stepping'), previous: earlier }
    const { next, ended, event } = superseding(before)
    expect(next).toMatchObject({
      serial: 2,
      stable,
      previous: earlier,
      rollout: { canary: ref('1.2.0'), stable, phase: { kind: 'preparing' } },
    })
    expect(ended).toMatchObject({
      serial: 1,
      revision: next.revision,
      canary,
      phase: {
        kind: 'finished',
        outcome: 'superseded',
        because: 'superseded by 1.2.0',
      },
    })
    expect(event).toMatchObject({ kind: 'rollout-started', serial: 2 })
    expect(event.because).toBe(
      '1.2.0 is tried beside stable 1.0.0 by policy churn, attempt 1 and takes the place of 1.1.0',
    )
  })

  test('while that one is watched begins beside the promoted version, which stays', () => {
    const before = rollingIn('watching', WATCHED_POLICY)
    const { next, ended } = superseding(before)
    expect(next).toMatchObject({
      stable: canary,
      previous: { ...stable, warmUntilMs: keptUntilMs },
      rollout: { canary: ref('1.2.0'), stable: canary },
    })
    expect(ended).toMatchObject({ phase: { kind: 'finished', outcome: 'promoted' } })
  })

  test('of a held or a paused one too', () => {
    const held = decided(inPhase('stepping'), hold('inconclusive', 500))
    for (const rollout of [held, acted(inPhase('stepping'), { kind: 'pause' })])
      expect(superseding(around(rollout)).ended).toMatchObject({ phase: { outcome: 'superseded' } })
  })
})
