import { describe, expect, test } from 'vitest'
import { type Action, type ActionRefusal, act, stepAtOrAbove } from './act.ts'
import { type Phase, weightOf } from './phase.ts'
import { changedStatistics, type Policy } from './policy.ts'
import type { Rollout } from './rollout.ts'
import { ERRORS, MINUTE, POLICY, step } from './testing/policies.ts'
import {
  ANN,
  acted,
  decided,
  hold,
  inPhase,
  PHASES,
  ref,
  START_MS,
  started,
  ticked,
} from './testing/rollouts.ts'
import { aSecond } from './testing/windows.ts'

const slower: Policy = { ...POLICY, name: 'slow', hash: 'slow', progressDeadlineMs: MINUTE }
const stricter: Policy = {
  ...POLICY,
  hash: 'stricter',
  guardrails: [{ ...ERRORS, margin: { kind: 'absolute', value: 0.01 } }],
}

const ACTIONS = {
  pause: { kind: 'pause' },
  resume: { kind: 'resume' },
  approve: { kind: 'approve' },
  advance: { kind: 'advance' },
  promote: { kind: 'promote' },
  abort: { kind: 'abort' },
  rollback: { kind: 'rollback' },
  'safety-rollback': { kind: 'safety-rollback' },
  supersede: { kind: 'supersede', by: '1.2.0' },
  'set-weight': { kind: 'set-weight', weightBp: 700 },
  'change-policy': { kind: 'change-policy', policy: slower },
  restart: { kind: 'restart', policy: stricter },
} as const satisfies { [K in Action['kind']]: Extract<Action, { kind: K }> }

const outcomeOf = (rollout: Rollout, action: Action, frozen = false) => {
  const outcome = act(rollout, action, { ...ANN, frozen })
  return outcome.kind === 'refused' ? outcome.code : outcome.next.phase.kind
}

// What an action makes of a rollout in a phase: the next phase, or the code of the refusal.
const no = 'wrong-phase'
const over = 'finished'
const TABLE: { [K in Action['kind']]: { [P in Phase['kind']]: string } } = {
  pause: row(no, 'paused', 'paused', 'paused', no, 'paused', no, no),
  resume: row(no, no, no, no, 'stepping', 'stepping', no, no),
  approve: row(no, no, no, 'stepping', no, no, no, no),
  advance: row(no, 'stepping', 'stepping', 'stepping', 'stepping', 'stepping', no, no),
  promote: row(no, no, 'promoting', 'promoting', 'promoting', 'promoting', no, no),
  abort: row(over, over, over, over, over, over, over, over),
  rollback: row(over, over, over, over, over, over, over, over),
  'safety-rollback': row(over, over, over, over, over, over, over, over),
  supersede: row(over, over, over, over, over, over, over, over),
  'set-weight': row(no, 'paused', 'paused', 'paused', 'paused', 'paused', no, no),
  // Without its mirror the policy is another one.
  'change-policy': row(
    ...PHASES.filter((kind) => kind !== 'finished').map((kind) =>
      kind === 'mirroring' ? 'needs-restart' : kind,
    ),
  ),
  restart: row('preparing', 'preparing', 'stepping', 'stepping', 'paused', 'held', no, no),
}

/** One outcome for each phase, in their order; a rollout that is over refuses all. */
function row(...outcomes: string[]) {
  return Object.fromEntries(PHASES.map((kind, i) => [kind, outcomes[i] ?? over])) as {
    [P in Phase['kind']]: string
  }
}

describe.each(Object.keys(TABLE) as Action['kind'][])('%s', (kind) => {
  test.each(PHASES)('of a rollout that is %s', (phase) => {
    expect(outcomeOf(inPhase(phase), ACTIONS[kind])).toBe(TABLE[kind][phase])
  })
})

test('a refusal names what was asked and where the rollout is', () => {
  expect(act(inPhase('preparing'), ACTIONS.approve, ANN)).toEqual({
    kind: 'refused',
    code: 'wrong-phase',
    message: 'cannot approve a rollout that is preparing',
  } satisfies ActionRefusal)
  expect(act(inPhase('finished'), ACTIONS.abort, ANN)).toMatchObject({
    message: 'the rollout of 1.1.0 is over; start another, or retry it',
  })
})

describe('the end', () => {
  test.each([
    ['abort', 'aborted', 'aborted by ann: because I can'],
    ['rollback', 'rolled-back', 'rolled back by ann: because I can'],
    [
      'safety-rollback',
      'rolled-back',
      '1.1.0 failed so hard that its share was taken away at once, without a comparison: because I can',
    ],
    ['supersede', 'superseded', 'superseded by the rollout of 1.2.0; 1.0.0 stays the way back'],
  ] as [keyof typeof ACTIONS, string, string][])('by %s says so', (kind, outcome, because) => {
    const { phase } = acted(inPhase('stepping'), ACTIONS[kind])
    expect(phase).toEqual({ kind: 'finished', outcome, sinceMs: START_MS, because })
    expect(weightOf(phase)).toBe(0)
  })

  test('by another rollout while a promoted version is watched leaves it promoted', () => {
    expect(acted(inPhase('watching'), ACTIONS.supersede).phase).toMatchObject({ outcome: 'promoted' })
  })

  test('by an abort while a promoted version is watched is a rollback', () => {
    expect(acted(inPhase('watching'), ACTIONS.abort).phase).toMatchObject({ outcome: 'rolled-back' })
  })

  test('by a rollback of people or of the gateway proves nothing', () => {
    for (const kind of ['rollback', 'safety-rollback'] as const)
      expect(act(inPhase('watching'), ACTIONS[kind], ANN)).toMatchObject({
        decision: { kind: 'roll-back', proven: false, culprits: [] },
      })
  })
})

describe('a freeze', () => {
  // Everything at 5 %, so that to go on anywhere else but down is more.
  const paused = (weightBp: number) => acted(inPhase('stepping'), { kind: 'set-weight', weightBp })
  test.each([
    ['a higher weight', inPhase('stepping'), ACTIONS['set-weight'], 'frozen'],
    ['the next step', inPhase('stepping'), ACTIONS.advance, 'frozen'],
    ['a promotion', inPhase('stepping'), ACTIONS.promote, 'frozen'],
    ['going on where more follows', paused(400), ACTIONS.resume, 'frozen'],
    ['a lower weight', inPhase('stepping'), { kind: 'set-weight', weightBp: 100 }, 'paused'],
    ['nothing', inPhase('stepping'), { kind: 'set-weight', weightBp: 0 }, 'paused'],
    ['going on where it was', paused(500), ACTIONS.resume, 'stepping'],
    ['going on where less follows', paused(6000), ACTIONS.resume, 'stepping'],
    ['an approval', inPhase('awaiting-approval'), ACTIONS.approve, 'stepping'],
    ['a pause', inPhase('stepping'), ACTIONS.pause, 'paused'],
    ['an abort', inPhase('promoting'), ACTIONS.abort, 'finished'],
    ['a rollback', inPhase('watching'), ACTIONS.rollback, 'finished'],
    ['another rollout', inPhase('stepping'), ACTIONS.supersede, 'finished'],
    ['other rules', inPhase('stepping'), ACTIONS['change-policy'], 'stepping'],
  ] as [string, Rollout, Action, string][])('and %s', (_, rollout, action, outcome) => {
    expect(outcomeOf(rollout, action, true)).toBe(outcome)
  })
})

describe('a weight set by a person', () => {
  test('pauses the rollout with who and why', () => {
    expect(acted(inPhase('stepping'), ACTIONS['set-weight']).phase).toEqual({
      kind: 'paused',
      step: 0,
      weightBp: 700,
      sinceMs: START_MS,
      actor: 'ann',
      reason: 'because I can',
    })
  })

  test.each([
    [0, 0, 500],
    [500, 0, 500],
    [501, 1, 2500],
    [2500, 1, 2500],
    [2501, 2, 5000],
    [9000, 2, 5000],
    [10_000, 2, 5000],
  ])('%d goes on at the first step at or above: step %d, %d', (set, atStep, weightBp) => {
    const paused = acted(inPhase('stepping'), { kind: 'set-weight', weightBp: set })
    expect(acted(paused, { kind: 'resume' }).phase).toMatchObject({
      kind: 'stepping',
      step: atStep,
      weightBp,
    })
    expect(stepAtOrAbove(POLICY, set)).toBe(atStep)
  })

  test.each([-1, 12.5, 10_001, Number.NaN])('is a weight: %d is none', (weightBp) => {
    expect(outcomeOf(inPhase('stepping'), { kind: 'set-weight', weightBp })).toBe('weight-out-of-range')
  })

  test('twice the same is said', () => {
    const paused = acted(inPhase('stepping'), ACTIONS['set-weight'])
    expect(outcomeOf(paused, ACTIONS['set-weight'])).toBe('unchanged')
  })
})

describe('a person who goes on', () => {
  test('to the next step proves nothing, and says so', () => {
    expect(act(inPhase('stepping'), ACTIONS.advance, ANN)).toMatchObject({
      decision: {
        kind: 'advance',
        step: 1,
        weightBp: 2500,
        proven: false,
        because: 'advanced by ann: because I can; no comparison proves it',
      },
    })
  })

  test('to everything proves nothing, and says so', () => {
    expect(acted(inPhase('held'), ACTIONS.promote).phase).toMatchObject({ kind: 'promoting', proven: false })
  })

  test('from the last step is told to promote', () => {
    const last = acted(acted(inPhase('stepping'), ACTIONS.advance), ACTIONS.advance)
    expect(outcomeOf(last, ACTIONS.advance)).toBe('last-step')
  })

  test('after the deadline has a new one, and is not held by the same evidence again', () => {
    const nowMs = START_MS + POLICY.progressDeadlineMs
    const held = decided(inPhase('stepping'), hold('inconclusive', 500), nowMs)
    for (const action of [ACTIONS.resume, ACTIONS.advance]) {
      const next = acted(held, action, { nowMs })
      expect(next.deadlineFromMs).toBe(nowMs)
      const turns = [[POLICY.progressDeadlineMs / 1000, {}]] as const
      expect(ticked(next, turns).decision.kind).toBe('wait')
    }
  })

  test('with a version beside itself is not promoted', () => {
    const stable = ref('1.0.0')
    const aa = decided(started({ canary: stable, measure: true }), {
      kind: 'begin',
      weightBp: 500,
      because: 'it is ready',
    })
    expect(outcomeOf(aa, ACTIONS.promote)).toBe('only-measures')
    expect(outcomeOf(aa, ACTIONS.advance)).toBe('stepping')
  })
})

describe('after a broken draw', () => {
  const second = START_MS / 1000
  const held = ticked(inPhase('stepping'), [
    [1, aSecond(second, 500, { requests: 1000 }, { requests: 1000 })],
  ]).next

  test('the rollout is held at nothing', () => {
    expect(held.phase).toMatchObject({ kind: 'held', cause: 'sample-ratio-mismatch', weightBp: 0 })
  })

  test('nothing brings the canary requests again, by no detour', () => {
    for (const rollout of [held, acted(held, ACTIONS.pause)]) {
      for (const action of [ACTIONS.resume, ACTIONS.advance, ACTIONS['set-weight']])
        expect(outcomeOf(rollout, action)).toBe('needs-retry')
      expect(outcomeOf(rollout, ACTIONS.abort)).toBe('finished')
    }
  })

  test('a restart begins with a draw that is believed', () => {
    const again = acted(held, ACTIONS.restart)
    expect(outcomeOf(again, ACTIONS.resume)).toBe('stepping')
  })
})

describe('the rules', () => {
  const stepping = inPhase('stepping')

  test('change at once where they are operational', () => {
    const next = acted(stepping, ACTIONS['change-policy'])
    expect(next).toEqual({ ...stepping, policy: slower, revision: stepping.revision + 1 })
  })

  test.each([
    ['risk', { risk: { falseRollback: 0.02, falsePromotion: 0.05 } }],
    ['guardrails', { guardrails: stricter.guardrails }],
    ['signals', { signals: [{ ...ERRORS, name: 'errors again' }] }],
  ])('need a restart where the proof rests on %s', (field, change) => {
    const policy = { ...slower, ...change }
    expect(changedStatistics(POLICY, policy)).toBe(field)
    expect(act(stepping, { kind: 'change-policy', policy }, ANN)).toMatchObject({
      code: 'needs-restart',
      message: expect.stringContaining(field),
    })
  })

  test('are the same in whatever order they are written', () => {
    const [{ name, ...rest }] = POLICY.guardrails as [typeof ERRORS]
    expect(changedStatistics(POLICY, { ...POLICY, guardrails: [{ ...rest, name }] })).toBeUndefined()
  })

  test.each([
    ['they are the same file', POLICY, 'unchanged'],
    ['they have no such step', { ...slower, steps: [step(500, 0.1)] }, 'wrong-phase'],
    ['they cannot be followed', { ...slower, steps: [] }, 'policy-invalid'],
  ] as [string, Policy, string][])('do not change when %s', (_, policy, code) => {
    const at2 = acted(stepping, ACTIONS.advance)
    expect(outcomeOf(at2, { kind: 'change-policy', policy })).toBe(code)
  })

  test('that cannot be followed restart nothing', () => {
    const policy = { ...stricter, guardrails: [] }
    expect(outcomeOf(stepping, { kind: 'restart', policy })).toBe('policy-invalid')
  })
})

test('a restart by the same rules is refused: it would only forget answers that are not liked', () => {
  expect(outcomeOf(inPhase('stepping'), { kind: 'restart', policy: POLICY })).toBe('unchanged')
})
