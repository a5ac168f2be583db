import { describe, expect, test } from 'vitest'
import { assess } from '../evidence/assessment.ts'
import { aSecond, HEALTHY, uniform } from '../evidence/testing/traffic.ts'
import { prepared } from './attempt.ts'
import type { Policy } from './policy.ts'
import { type Rollout, sharesOf } from './rollout.ts'
import { type StartRequest, startRollout } from './start-rollout.ts'
import { ERRORS, HOUR, POLICY, step, WIDE_POLICY } from './testing/policies.ts'
import {
  acted,
  begin,
  decided,
  inPhase,
  PHASES,
  REFERENCES,
  REQUEST,
  ref,
  START_MS,
  started,
  ticked,
} from './testing/rollouts.ts'
import { fairSecond } from './testing/windows.ts'
import { evaluate } from './tick.ts'

const outcomeOf = (changes: Partial<StartRequest>, before: readonly Rollout[] = []) => {
  const outcome = startRollout({ ...REQUEST, ...changes }, before)
  return outcome.kind === 'refused' ? outcome.code : outcome.kind
}

/** A rollout that has learned something and was aborted. */
const judged = acted(
  evaluate(inPhase('stepping'), fairSecond(START_MS / 1000 + 1, 500, 20_000), START_MS + 1000),
  { kind: 'abort' },
)
const other = acted(decided(started({ canary: ref('1.0.9') }), begin), { kind: 'abort' })

test('a rollout begins by preparing, with everything worth 1', () => {
  const { evidence, ...rollout } = started({ affinity: { header: 'x-user-id' } })
  expect(rollout).toEqual({
    model: 'churn',
    serial: 1,
    salt: 'churn/1',
    stable: ref('1.0.0'),
    canary: ref('1.1.0'),
    policy: POLICY,
    affinity: { header: 'x-user-id' },
    revision: 1,
    evaluation: 0,
    evaluatedMs: START_MS,
    firstAttempt: { limitMs: 5000, reserveMs: 50 },
    startedAtMs: START_MS,
    actor: 'config',
    phase: { kind: 'preparing', sinceMs: START_MS },
    highestStep: -1,
    deadlineFromMs: START_MS,
    canarySeenMs: START_MS,
    attempt: 1,
    falseRollbackSpent: 0.01,
    falsePromotionSpent: 0.05,
  })
  expect(evidence).toMatchObject({ references: REFERENCES, plannedSteps: 3 })
  expect(assess(POLICY, evidence).comparisons).toMatchObject([{ verdict: 'no-data' }])
})

test.each(PHASES.filter((kind) => kind !== 'finished'))('not beside one that is %s', (kind) => {
  expect(outcomeOf({ canary: ref('1.2.0') }, [inPhase(kind)])).toBe('rollout-running')
})

test.each([
  ['after one of another version', {}, [other], 'started'],
  ['after one of the same', {}, [judged], 'already-judged'],
  ['after one of the same, long ago', {}, [other, judged], 'already-judged'],
  ['again', { retry: true }, [judged], 'started'],
  ['again, for the first time', { retry: true }, [], 'started'],
  ['beside another stable version', { stable: ref('1.0.5') }, [judged], 'started'],
  [
    'by another name with the same bytes',
    { canary: { ...ref('1.1.0'), version: '1.1.0-rc.1' } },
    [judged],
    'already-judged',
  ],
  [
    'by the same name with other bytes',
    { canary: { version: '1.1.0', digest: 'sha256:new' } },
    [judged],
    'started',
  ],
  ['beside the same bytes', { canary: ref('1.0.0') }, [], 'canary-is-stable'],
  [
    'beside the same bytes by another name',
    { canary: { ...ref('1.0.0'), version: '1.0.1' } },
    [],
    'canary-is-stable',
  ],
  ['beside itself, to measure', { canary: ref('1.0.0'), measure: true }, [], 'started'],
  ['by rules that cannot be followed', { policy: { ...POLICY, steps: [] } }, [], 'policy-invalid'],
  ['in vain', { cannotDecide: ['errors need 900 h'] }, [], 'cannot-be-decided'],
  ['in vain, as a person insists', { cannotDecide: ['errors need 900 h'], force: true }, [], 'started'],
] as [string, Partial<StartRequest>, Rollout[], string][])('%s', (_, changes, before, outcome) => {
  expect(outcomeOf(changes, before)).toBe(outcome)
})

test('refusals say what would work', () => {
  const messageOf = (changes: Partial<StartRequest>, before: readonly Rollout[]) =>
    startRollout({ ...REQUEST, ...changes }, before)
  expect(messageOf({}, [judged])).toMatchObject({
    message:
      '1.1.0 was judged beside 1.0.0 before (aborted: aborted by ann: because I can); retry judges it again',
  })
  expect(messageOf({}, [inPhase('stepping')])).toMatchObject({
    message: 'a rollout of 1.1.0 is running; abort it, or supersede it with this one',
  })
  expect(messageOf({ cannotDecide: ['errors need 900 h', 'scores are missing'] }, [])).toMatchObject({
    message: 'errors need 900 h; scores are missing',
  })
})

describe('a retry', () => {
  const retry = (changes: Partial<StartRequest> = {}, before = [judged]) =>
    started({ serial: 2, nowMs: START_MS + HOUR, actor: 'ann', retry: true, ...changes }, before)
  const proofOf = ({ policy, evidence }: Rollout) => assess(policy, evidence).comparisons[0]!.logPromotion!

  test('keeps what was proven and begins the accusation anew, at the risk of one more attempt', () => {
    expect(proofOf(judged)).toBeGreaterThan(0.1)
    expect(proofOf(retry())).toBe(proofOf(judged))
    expect(retry()).toMatchObject({ serial: 2, attempt: 2, actor: 'ann', revision: 1, evaluation: 0 })
    const twice = acted(retry(), { kind: 'abort' })
    expect(retry({ serial: 3 }, [twice, judged])).toMatchObject({ serial: 3, attempt: 3 })
  })

  test('keeps it too when the file was edited without touching what the proof rests on', () => {
    const edited: Policy = { ...POLICY, hash: 'edited', steps: [step(1000, 0.2)] }
    const again = retry({ policy: edited })
    expect(proofOf(again)).toBe(proofOf(judged))
    expect(again).toMatchObject({ policy: edited, attempt: 2, evidence: { plannedSteps: 1 } })
  })

  test('by other margins proves from nothing, and spends the risk all the same', () => {
    const margin = { kind: 'absolute', value: 0.05 } as const
    const again = retry({ policy: { ...POLICY, guardrails: [{ ...ERRORS, margin }] } })
    expect(proofOf(again)).toBeCloseTo(0)
    expect(again).toMatchObject({ attempt: 2 })
  })

  test('goes by what is asked for now: names and affinity', () => {
    const canary = { ...ref('1.1.0'), version: '1.1.0-rc.1' }
    expect(retry({ canary, affinity: { cookie: 'session' } })).toMatchObject({
      canary,
      affinity: { cookie: 'session' },
    })
    const sticky = { ...judged, affinity: { cookie: 'session' } }
    expect(retry({}, [sticky])).not.toHaveProperty('affinity')
  })

  test('of a version beside itself is a new measurement', () => {
    const measured = acted(started({ canary: ref('1.0.0'), measure: true }), { kind: 'abort' })
    expect(retry({ canary: ref('1.0.0'), measure: true }, [measured])).toMatchObject({ attempt: 1 })
  })
})

test('one that ended before its canary had requests has judged nothing', () => {
  const unready = acted(started(), { kind: 'abort' })
  expect(outcomeOf({}, [unready])).toBe('started')
  expect(started({}, [unready])).toMatchObject({ attempt: 1, falseRollbackSpent: 0.01 })
})

describe('while the canary prepares', () => {
  const policy = WIDE_POLICY

  test('the baseline has the share of the first step already, and the canary nothing', () => {
    expect(sharesOf(started({ policy }))).toEqual({ weightBp: 0, baselineBp: 500 })
    expect(sharesOf(inPhase('stepping', policy))).toEqual({ weightBp: 500, baselineBp: 500 })
    expect(sharesOf(started())).toEqual({ weightBp: 0, baselineBp: 0 })
  })

  test('its latency is learned, and no capital is laid', () => {
    const { evidence } = started({ policy })
    expect(evidence.learning).toMatchObject({ sinceSecond: START_MS / 1000, observations: 0 })
    const { early } = aSecond(uniform(3), START_MS / 1000, { canaryBp: 0, baselineBp: 500 }, 500, HEALTHY)
    const seen = ticked(started({ policy }), [[2, { early: [early] }]], { ready: false }).next
    expect(seen.evidence.ticks.early).toBe(0)
    expect(seen.evidence.cash.early).toBe(1)
    expect(seen.evidence.learning?.observations).toBeGreaterThan(0)
  })

  test('what is found out about stable places the bets, until the canary has had requests', () => {
    const references = { ...REFERENCES, errorRate: 0.02, horizonMs: 2000 }
    const { evidence } = prepared(started({ policy }), references)
    expect(evidence).toMatchObject({ references, learning: { observations: 0 } })
    expect(() => prepared(inPhase('stepping', policy), references)).toThrow('stepping are fixed')
  })
})

test('a policy whose evidence would not fit into what a tick commits is refused with the reason', () => {
  const classes = Array.from({ length: 40 }, () => 1 / 40)
  const references = {
    ...REFERENCES,
    score: { edges: [0.5], shares: [0.5, 0.5], mean: 0.5, classes, unscored: 0 },
  }
  const guardrail = { name: 'classes', metric: 'score_distribution', distance: 'class_shares' } as const
  const policy: Policy = { ...POLICY, guardrails: [{ ...guardrail, tolerate: 0.02, margin: 0.1, share: 1 }] }
  expect(startRollout({ ...REQUEST, references, policy }, [])).toMatchObject({
    kind: 'refused',
    code: 'policy-invalid',
    message: expect.stringMatching(/asks for \d{4} bets, and 1650 fit/),
  })
})
