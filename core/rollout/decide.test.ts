import { describe, expect, test } from 'vitest'
import { MISMATCH_LOG_E } from '../evidence/sample-ratio.ts'
import { decide } from './decide.ts'
import type { Decision, Situation } from './decision.ts'
import type { Phase } from './phase.ts'
import type { Policy } from './policy.ts'
import { assessmentOf, ENOUGH, type Found, type MadeUp, PROVEN } from './testing/assessments.ts'
import { HOUR, LATENCY, MINUTE, SCORES, step, WATCHED_POLICY, WIDE_POLICY } from './testing/policies.ts'
import { START_MS, situation } from './testing/rollouts.ts'

const stepping = (
  atStep: number,
  changes: { approvedBy?: string } = {},
): Extract<Phase, { kind: 'stepping' }> => ({
  kind: 'stepping',
  step: atStep,
  weightBp: WIDE_POLICY.steps[atStep]!.weightBp,
  // Long enough for its minimum.
  sinceMs: START_MS - 10 * MINUTE,
  ...changes,
})
const preparing: Phase = { kind: 'preparing', sinceMs: START_MS }
const awaiting: Phase = { kind: 'awaiting-approval', step: 2, weightBp: 5000, sinceMs: START_MS }
const paused = (weightBp: number): Phase => ({
  kind: 'paused',
  step: 1,
  weightBp,
  sinceMs: START_MS,
  actor: 'ann',
  reason: 'lunch',
})
const held = (cause: Extract<Phase, { kind: 'held' }>['cause'], weightBp = 2500): Phase => ({
  kind: 'held',
  step: 1,
  weightBp,
  sinceMs: START_MS,
  cause,
  reason: 'it must',
})
const promoting: Phase = { kind: 'promoting', weightBp: 5000, sinceMs: START_MS, proven: true }
const watching: Phase = {
  kind: 'watching',
  weightBp: 9900,
  sinceMs: START_MS,
  untilMs: START_MS + HOUR,
}
const finished: Phase = {
  kind: 'finished',
  outcome: 'aborted',
  sinceMs: START_MS,
  because: 'ann said so',
}

/** What is found of the three guardrails, the rest of it proven. */
const found = (changes: Readonly<Record<string, Found>>, others?: MadeUp): Partial<Situation> => ({
  assessment: assessmentOf({ ...PROVEN, ...changes }, others),
})
const breach = found({ errors: { rollback: ENOUGH } })
const mismatch = found({}, { logMismatch: MISMATCH_LOG_E })
const decided = (phase: Phase, changes: Partial<Situation> = {}, policy = WIDE_POLICY): Decision =>
  decide(situation(phase, changes), policy)

const WITH_CANARY_TRAFFIC: [string, Phase][] = [
  ['stepping', stepping(1)],
  ['stepping, approved', stepping(1, { approvedBy: 'ann' })],
  ['waiting for approval', awaiting],
  ['paused', paused(1200)],
  ['held without traffic', held('no-traffic')],
  ['held inconclusive', held('inconclusive')],
  ['promoting', promoting],
]
const WITHOUT_CANARY_TRAFFIC: [string, Phase][] = [
  ['preparing', preparing],
  ['paused at nothing', paused(0)],
  ['held for a broken draw', held('sample-ratio-mismatch', 0)],
  ['over', finished],
]

describe('a breach', () => {
  test.each(WITH_CANARY_TRAFFIC)('rolls back while %s', (_, phase) => {
    expect(decided(phase, breach)).toMatchObject({ kind: 'roll-back', proven: true, culprits: ['errors'] })
  })

  test.each(WITHOUT_CANARY_TRAFFIC)('does nothing while %s', (_, phase) => {
    expect(decided(phase, breach).kind).not.toBe('roll-back')
  })

  test('waits neither for the minimum of a step, nor for fresh evidence, nor for a freeze', () => {
    const young = { ...stepping(1), sinceMs: START_MS }
    expect(decided(young, { ...breach, frozen: true, evidenceIsFresh: false })).toMatchObject({
      kind: 'roll-back',
      proven: true,
    })
  })

  test('goes before missing traffic and the deadline', () => {
    const late = { ...breach, canarySeenMs: START_MS - HOUR, deadlineFromMs: START_MS - 100 * HOUR }
    expect(decided(stepping(1), late)).toMatchObject({ kind: 'roll-back', proven: true })
  })

  // ln(1 / 0.01) is 4.61; a share of 0.4 takes 0.92 of it away.
  test.each([
    ['not quite certain', { errors: { rollback: 5.5 } }, 'advance', undefined],
    ['certain', { errors: { rollback: 5.6 } }, 'roll-back', ['errors']],
    [
      'two are certain',
      { errors: { rollback: ENOUGH }, scores: { rollback: ENOUGH } },
      'roll-back',
      ['errors', 'scores'],
    ],
    [
      'none alone but all together',
      { errors: { rollback: 5.1 }, latency: { rollback: 5.2 } },
      'roll-back',
      ['latency'],
    ],
  ] as [string, Record<string, Found>, Decision['kind'], string[] | undefined][])(
    'is of all guardrails together: %s',
    (_, rollbacks, kind, culprits) => {
      const logs = Object.fromEntries(
        Object.entries(rollbacks).map(([name, log]) => [name, { ...PROVEN[name], ...log }]),
      )
      const decision = decided(stepping(0), found(logs))
      expect(decision.kind).toBe(kind)
      if (decision.kind === 'roll-back') expect(decision.culprits).toEqual(culprits)
    },
  )

  test('in one watermark group is enough', () => {
    const { assessment } = situation(stepping(0))
    const logRollback = { early: 0, final: 0, labels: ENOUGH }
    expect(decided(stepping(0), { assessment: { ...assessment, logRollback } }).kind).toBe('roll-back')
  })

  test('of a signal never acts', () => {
    expect(decided(stepping(0), found({ rejected: { rollback: 100 } }))).toMatchObject({ kind: 'advance' })
  })

  test('is said with the figures', () => {
    expect(decided(stepping(1), breach).because).toBe(
      'requests that failed are 3 % with 1.1.0 and 0.1 % with 1.0.0; tolerated is at most 0.1 percentage points more. 1.1.0 is worse than tolerated, certain to 99 %',
    )
  })
})

describe('a broken draw', () => {
  test.each(WITH_CANARY_TRAFFIC)(
    'takes everything from the canary while %s, without a verdict',
    (_, phase) => {
      expect(decided(phase, mismatch)).toMatchObject({
        kind: 'hold',
        cause: 'sample-ratio-mismatch',
        weightBp: 0,
      })
    },
  )

  test.each(WITHOUT_CANARY_TRAFFIC)('changes nothing while %s', (_, phase) => {
    expect(decided(phase, mismatch)).toEqual(decided(phase))
  })

  test('goes before a breach, which would be no comparison', () => {
    const both = found({ errors: { rollback: ENOUGH } }, { logMismatch: MISMATCH_LOG_E })
    expect(decided(stepping(1), both)).toMatchObject({ kind: 'hold', cause: 'sample-ratio-mismatch' })
  })

  test('needs 1 in 10,000: less is no reason', () => {
    expect(decided(stepping(1), found({}, { logMismatch: MISMATCH_LOG_E - 0.01 })).kind).toBe('advance')
  })

  test('rolls back where the policy says so, and says that nothing is proven', () => {
    const policy: Policy = { ...WIDE_POLICY, onSampleRatioMismatch: 'rollback' }
    expect(decided(stepping(1), mismatch, policy)).toMatchObject({
      kind: 'roll-back',
      proven: false,
      culprits: [],
    })
  })
})

describe('preparing', () => {
  const late = { nowMs: START_MS + WIDE_POLICY.progressDeadlineMs }
  test.each([
    ['the workers are not ready', { ready: false }, 'wait'],
    ['they are not ready by the deadline', { ready: false, ...late }, 'finish'],
    ['they are ready', {}, 'begin'],
    ['they are ready late', late, 'begin'],
    ['they are ready during a freeze', { frozen: true }, 'wait'],
    ['they are ready during a long freeze', { frozen: true, ...late }, 'wait'],
    ['they are ready and a gateway is silent', { evidenceIsFresh: false }, 'wait'],
  ] as [string, Partial<Situation>, Decision['kind']][])('when %s', (_, changes, kind) => {
    expect(decided(preparing, changes).kind).toBe(kind)
  })

  test('begins at the first weight', () => {
    expect(decided(preparing)).toEqual({
      kind: 'begin',
      weightBp: 500,
      because: '1.1.0 is ready and gets 5 % of the requests',
    })
  })

  test('in vain ends as aborted', () => {
    expect(decided(preparing, { ready: false, ...late })).toEqual({
      kind: 'finish',
      outcome: 'aborted',
      because: 'the workers of 1.1.0 were not ready within 48 h',
    })
  })
})

describe('a step', () => {
  const young = { ...stepping(0), sinceMs: START_MS - 40_000 }

  test('that is proven leads to the next one', () => {
    expect(decided(stepping(0))).toEqual({
      kind: 'advance',
      step: 1,
      weightBp: 2500,
      proven: true,
      because: 'errors, scores within the margin at step 1, certain to 70 %; 1.1.0 gets 25 %',
    })
  })

  test('that is proven lasts its time all the same', () => {
    expect(decided(young)).toEqual({
      kind: 'wait',
      because: 'step 1 of 3 (5 %) lasts another 20 s at least',
    })
  })

  // ln(1 / 0.3) = 1.204, ln(1 / 0.15) = 1.897, ln(1 / 0.05) = 2.996.
  test.each([
    ['the first needs its own proof', 0, { errors: { proof: ENOUGH, stepProof: 1.2 } }, 'wait'],
    ['the first needs no more than that', 0, { errors: { proof: -5, stepProof: 1.21 } }, 'advance'],
    ['the second is stricter', 1, { errors: { proof: ENOUGH, stepProof: 1.21 } }, 'wait'],
    ['latency is left to the last', 1, { latency: { proof: -5, stepProof: -5 } }, 'advance'],
    ['the last asks for latency', 2, { latency: { proof: 2.9, stepProof: ENOUGH } }, 'wait'],
    ['the last asks for the whole proof', 2, { errors: { proof: 2.9, stepProof: ENOUGH } }, 'wait'],
    ['the last asks for its own proof', 2, { scores: { proof: ENOUGH, stepProof: 2.9 } }, 'wait'],
    ['the last has both', 2, { scores: { proof: 3, stepProof: 3 } }, 'promote'],
  ] as [string, number, Record<string, Found>, Decision['kind']][])('%s', (_, atStep, logs, kind) => {
    expect(decided(stepping(atStep), found(logs)).kind).toBe(kind)
  })

  test.each([
    ['errors alone', ['errors'], { scores: {} }, 'advance'],
    ['errors alone, not proven', ['errors'], { errors: {} }, 'wait'],
    ['latency too', ['errors', 'latency'], { latency: {} }, 'wait'],
    ['nothing', [], { errors: {}, scores: {}, latency: {} }, 'advance'],
  ] as [string, string[], Record<string, Found>, Decision['kind']][])(
    'is gated by what it lists: %s',
    (_, gates, logs, kind) => {
      const [first, ...rest] = WIDE_POLICY.steps
      const policy = { ...WIDE_POLICY, steps: [{ ...first!, gates }, ...rest] }
      expect(decided(stepping(0), found(logs), policy).kind).toBe(kind)
    },
  )

  test('the last one asks for every guardrail, listed or not', () => {
    const [first, second, last] = WIDE_POLICY.steps
    const policy = { ...WIDE_POLICY, steps: [first!, second!, { ...last!, gates: [] }] }
    expect(decided(stepping(2), found({ scores: {} }), policy).kind).toBe('wait')
  })

  test.each([
    ['it lists nothing', { gates: [] }, WIDE_POLICY.guardrails],
    ['its risk is 100 %', { proof: 1 }, WIDE_POLICY.guardrails],
    ['there is nothing but latency', {}, [LATENCY]],
  ])('without a proof, as %s, claims none', (_, changes, guardrails) => {
    const policy = { ...WIDE_POLICY, guardrails, steps: [step(500, 0.3, changes), step(2500, 0.1)] }
    const assessment = assessmentOf({}, { policy })
    expect(decided(stepping(0), { assessment }, policy)).toMatchObject({
      kind: 'advance',
      proven: false,
      because: 'step 1 asks for no proof and has lasted its time; 1.1.0 gets 25 %',
    })
  })

  test('knows nothing of a canary without requests, whatever risk it takes', () => {
    const policy = { ...WIDE_POLICY, steps: [step(500, 1), step(2500, 0.1)] }
    const assessment = assessmentOf({}, { policy, requests: 0 })
    expect(decided(stepping(0), { assessment }, policy)).toEqual({
      kind: 'wait',
      because:
        'step 1 of 2 (5 %) waits for the proof of errors (no request has come to the canary yet) and 1 more',
    })
  })

  test('never passes a guardrail that cannot be proven, and says so', () => {
    const untestable = found({ scores: { untestable: 'the stable version gives no scores' }, errors: {} })
    for (const atStep of [0, 1, 2])
      expect(decided(stepping(atStep), untestable)).toMatchObject({
        kind: 'wait',
        because: expect.stringContaining(
          'waits for scores (it cannot be proven: the stable version gives no scores)',
        ),
      })
  })

  test('says what it waits for and how far that is', () => {
    const halfway = found({ errors: { proof: 1, stepProof: 0.603 } })
    expect(decided(stepping(0), halfway).because).toBe(
      'step 1 of 3 (5 %) waits for the proof of errors (the slowest of errors, 50 % of the way)',
    )
  })

  test('that is proven does not raise the weight on stale evidence or in a freeze', () => {
    expect(decided(stepping(0), { evidenceIsFresh: false }).because).toBe(
      'step 1 of 3 (5 %) is proven, but not every gateway has reported lately',
    )
    expect(decided(stepping(0), { frozen: true }).because).toBe(
      'step 1 of 3 (5 %) is proven, but a freeze is on: no canary may get more',
    )
    expect(decided(stepping(2), { evidenceIsFresh: false }).kind).toBe('wait')
    expect(decided(stepping(2), { frozen: true }).kind).toBe('wait')
  })
})

describe('a canary without requests', () => {
  const silent = { canarySeenMs: START_MS - 15 * MINUTE }
  const pending = found({ errors: {} })

  test('is held where it is, also when all is proven', () => {
    for (const changes of [silent, { ...silent, ...pending }])
      expect(decided(stepping(1), changes)).toEqual({
        kind: 'hold',
        cause: 'no-traffic',
        weightBp: 2500,
        because: 'no request came to the canary for 15 min, and nothing can be learned from none',
      })
  })

  test('has some time until then', () => {
    expect(decided(stepping(1), { canarySeenMs: START_MS - 15 * MINUTE + 1 }).kind).toBe('advance')
  })

  test('is rolled back where the policy says so, unproven', () => {
    const policy: Policy = { ...WIDE_POLICY, onNoTraffic: { action: 'rollback', afterMs: 15 * MINUTE } }
    expect(decided(stepping(1), silent, policy)).toMatchObject({ kind: 'roll-back', proven: false })
  })

  test('goes on when requests come again, and only then', () => {
    expect(decided(held('no-traffic'), { canarySeenMs: START_MS - 1 }).kind).toBe('wait')
    expect(decided(held('no-traffic'), { canarySeenMs: START_MS + 1 }).kind).toBe('release')
  })

  test.each(['inconclusive', 'sample-ratio-mismatch'] as const)('%s does not end by requests', (cause) => {
    expect(decided(held(cause), { canarySeenMs: START_MS + 1 })).toEqual({
      kind: 'wait',
      because: 'held: it must',
    })
  })
})

describe('the deadline', () => {
  const late = { deadlineFromMs: START_MS - 48 * HOUR }
  const pending = found({ errors: { proof: 1, stepProof: 1 } })

  test('holds what is proven neither good nor bad, with what it waits for', () => {
    expect(decided(stepping(1), { ...late, ...pending })).toEqual({
      kind: 'hold',
      cause: 'inconclusive',
      weightBp: 2500,
      because:
        'after 48 h 1.1.0 is proven neither good nor bad; step 2 of 3 (25 %) waits for the proof of errors (the slowest of errors, 52 % of the way)',
    })
  })

  test('rolls back where the policy says so, unproven, and never promotes', () => {
    const policy: Policy = { ...WIDE_POLICY, onInconclusive: 'rollback' }
    expect(decided(stepping(1), { ...late, ...pending }, policy)).toMatchObject({
      kind: 'roll-back',
      proven: false,
    })
  })

  test('does not touch what is proven: that may go on', () => {
    expect(decided(stepping(1), late).kind).toBe('advance')
    expect(decided(stepping(2), late).kind).toBe('promote')
    expect(decided(stepping(1), { ...late, frozen: true }).kind).toBe('wait')
  })

  test.each([
    ['waiting for approval', awaiting],
    ['paused', paused(1200)],
    ['promoting', promoting],
  ])('does not touch what is %s', (_, phase) => {
    expect(decided(phase, { ...late, ...pending, ready: false }).kind).toBe('wait')
  })
})

describe('approval', () => {
  const [first, second, last] = WIDE_POLICY.steps
  const policy: Policy = {
    ...WIDE_POLICY,
    steps: [{ ...first!, requiresApproval: true }, second!, { ...last!, requiresApproval: true }],
  }

  test('is asked last, when all else is well', () => {
    expect(decided(stepping(0), {}, policy)).toEqual({
      kind: 'ask-approval',
      because: "step 1 of 3 (5 %) is proven and waits for a person's approval",
    })
    expect(decided(stepping(2), {}, policy).kind).toBe('ask-approval')
    expect(decided(stepping(1), {}, policy).kind).toBe('advance')
    for (const changes of [found({ errors: {} }), { frozen: true }, { evidenceIsFresh: false }])
      expect(decided(stepping(0), changes, policy).kind).toBe('wait')
  })

  test('that was given leads on, while the proof still holds', () => {
    expect(decided(stepping(0, { approvedBy: 'ann' }), {}, policy).kind).toBe('advance')
    expect(decided(stepping(2, { approvedBy: 'ann' }), {}, policy).kind).toBe('promote')
    expect(decided(stepping(2, { approvedBy: 'ann' }), found({ errors: {} }), policy).kind).toBe('wait')
  })

  test('is waited for in silence', () => {
    expect(decided(awaiting)).toEqual({
      kind: 'wait',
      because: "step 3 is proven and waits for a person's approval",
    })
  })

  test('is asked on the last step where callers keep their version', () => {
    expect(decided(stepping(2), { isSticky: true })).toEqual({
      kind: 'ask-approval',
      because:
        'step 3 of 3 (50 %) looks proven, but callers keep their version, so the evidence is approximate: a person decides',
    })
    expect(decided(stepping(1), { isSticky: true }).kind).toBe('advance')
    expect(decided(stepping(2, { approvedBy: 'ann' }), { isSticky: true }).kind).toBe('promote')
  })
})

describe('a version beside itself', () => {
  const aa = { isAA: true, canary: '1.0.0' }

  test('is measured at the end and never promoted', () => {
    expect(decided(stepping(2), aa)).toEqual({
      kind: 'finish',
      outcome: 'measured',
      because: '1.0.0 beside itself: every difference is within its margin, certain to 95 %',
    })
    expect(decided(stepping(2), { ...aa, isSticky: true })).toMatchObject({ outcome: 'measured' })
  })

  test('is rolled back like any other, and called the second', () => {
    expect(decided(stepping(2), { ...aa, ...breach }).because).toContain('3 % with the second 1.0.0')
  })
})

describe('promoting', () => {
  test('is proven by all guardrails', () => {
    expect(decided(stepping(2))).toEqual({
      kind: 'promote',
      proven: true,
      because: 'every guardrail of 1.1.0 is within its margin beside 1.0.0, certain to 95 %',
    })
  })

  test.each([
    ['without the capacity', { ready: false }],
    ['during a freeze', { frozen: true }],
    ['on stale evidence', { evidenceIsFresh: false }],
  ])('waits %s', (_, changes) => {
    expect(decided(promoting, changes).kind).toBe('wait')
  })

  test('ends with the canary in stable place, watched if the policy says so', () => {
    const because = '1.1.0 has the capacity for everything and becomes the stable version in place of 1.0.0'
    expect(decided(promoting)).toEqual({ kind: 'switch', holdBackBp: 0, watchMs: 0, because })
    expect(decided(promoting, {}, WATCHED_POLICY)).toEqual({
      kind: 'switch',
      holdBackBp: 100,
      watchMs: HOUR,
      because,
    })
  })
})

describe('watching', () => {
  // An alarm in 30 days at one tick a second: ln(2,592,000) = 14.77.
  const watch = (rollback: number): Partial<Situation> => ({
    assessment: assessmentOf({ errors: { rollback } }, { policy: WATCHED_POLICY }),
  })

  test('ends with its time', () => {
    expect(decided(watching, watch(0), WATCHED_POLICY).because).toBe('1.1.0 is watched for another 1 h')
    expect(decided(watching, { ...watch(0), nowMs: START_MS + HOUR }, WATCHED_POLICY)).toMatchObject({
      kind: 'finish',
      outcome: 'promoted',
    })
  })

  test('does not end while nobody reports', async () => {
    const over = { ...watch(0), nowMs: START_MS + HOUR, evidenceIsFresh: false }
    expect(decided(watching, over, WATCHED_POLICY)).toMatchObject({ kind: 'wait' })
  })

  test.each([
    [4.7, 'wait'],
    [14.7, 'wait'],
    [14.8, 'roll-back'],
  ])('an alarm has a level of its own: %d', (log, kind) => {
    expect(decided(watching, watch(log), WATCHED_POLICY).kind).toBe(kind)
  })

  test('an alarm brings the version before back, and says how rare it is without a change', () => {
    expect(decided(watching, watch(20), WATCHED_POLICY)).toEqual({
      kind: 'roll-back',
      proven: true,
      culprits: ['errors'],
      because:
        '1.1.0 got worse after its promotion: errors; without a change such an alarm comes once in 720 h on average',
    })
  })

  test('does not look at the draw', () => {
    expect(decided(watching, mismatch, WATCHED_POLICY).kind).toBe('wait')
  })
})

test.each([
  [paused(1200), 'paused by ann: lunch'],
  [paused(0), 'paused by ann: lunch'],
  [finished, 'the rollout is over: ann said so'],
  [promoting, 'the canary gets the capacity for everything first'],
])('what stands still says why: %#', (phase, because) => {
  expect(decided(phase, { ready: false })).toEqual({ kind: 'wait', because })
})

test('scores beside a stable version without scores are not proven by waiting', () => {
  const policy: Policy = { ...WIDE_POLICY, guardrails: [SCORES] }
  const assessment = assessmentOf(
    { scores: { untestable: 'the stable version gives no scores' } },
    { policy },
  )
  expect(decided(stepping(2), { assessment, deadlineFromMs: START_MS - 48 * HOUR }, policy)).toMatchObject({
    kind: 'hold',
    cause: 'inconclusive',
  })
})

describe('with callers that keep their version', () => {
  const sticky = { isSticky: true }

  test('the ratio of requests says nothing of the draw', () => {
    const broken = found({}, { logMismatch: MISMATCH_LOG_E })
    expect(decided(stepping(1), broken).kind).toBe('hold')
    expect(decided(stepping(1), { ...broken, ...sticky }).kind).toBe('advance')
  })

  test('nothing is called proven, and every sentence says why', () => {
    const bad = decided(stepping(1), { ...found({ errors: { rollback: ENOUGH } }), ...sticky })
    const on = decided(stepping(1), sticky)
    for (const decision of [bad, on])
      expect(decision).toMatchObject({ proven: false, because: expect.stringContaining('approximate') })
  })
})

test('a figure that is none never rolls back', () => {
  const { assessment } = found({})
  const odd = { ...assessment!, logRollback: { ...assessment!.logRollback, early: Number.NaN } }
  expect(decided(stepping(1), { assessment: odd }).kind).not.toBe('roll-back')
})
