import { describe, expect, test } from 'vitest'
import type { DecisionRecord } from './decision.ts'
import type { Policy } from './policy.ts'
import type { Rollout } from './rollout.ts'
import { HOUR, MINUTE, POLICY, SCORES, step } from './testing/policies.ts'
import { ANN, CALM, inPhase, PHASES, ref, START_MS, started, ticked } from './testing/rollouts.ts'
import { aSecond, fairSecond, together } from './testing/windows.ts'
import { type Circumstances, intervene, replay, tick } from './tick.ts'

const BEGINS = START_MS / 1000
/** The whole life by a turn a minute, with these parts of the requests failing from a second on. */
function live(
  rollout: Rollout,
  { canary, from = 0, minutes = 60 }: { canary: number; from?: number; minutes?: number },
): { last: Rollout; records: DecisionRecord[] } {
  const records: DecisionRecord[] = []
  let last = rollout
  for (let minute = 1; minute <= minutes && last.phase.kind !== 'finished'; minute++) {
    const { phase } = last
    const weightBp = 'weightBp' in phase ? phase.weightBp : 0
    const second = minute * 60
    const failing = { canary: second >= from ? canary : 0.001, stable: 0.001 }
    const released =
      weightBp === 0
        ? {}
        : together([30, 20, 10].map((age) => fairSecond(BEGINS + second - age, weightBp, 2000, failing)))
    const turn = tick(last, released, { ...CALM, nowMs: START_MS + second * 1000 })
    last = turn.next
    if (turn.record) records.push(turn.record)
  }
  return { last, records }
}

const good = live(started(), { canary: 0.001 })
const bad = live(started(), { canary: 0.05 })
const late = live(started(), { canary: 0.05, from: 300 })

describe('a whole life', () => {
  test('of a healthy version leads through all steps to its promotion', () => {
    expect(good.records.map(({ decision }) => decision.kind)).toEqual([
      'begin',
      'advance',
      'advance',
      'promote',
      'switch',
    ])
    expect(good.records.map(({ weightAfterBp }) => weightAfterBp)).toEqual([500, 2500, 5000, 5000, 0])
    expect(good.last.phase).toMatchObject({ kind: 'finished', outcome: 'promoted' })
  })

  test('of a bad version ends at the first step', () => {
    expect(bad.records.map(({ decision }) => decision.kind)).toEqual(['begin', 'roll-back'])
    expect(bad.records.at(-1)).toMatchObject({
      weightBeforeBp: 500,
      weightAfterBp: 0,
      decision: { proven: true, culprits: ['errors'] },
    })
  })

  test('of a version that goes bad later ends there', () => {
    expect(late.records.at(-1)).toMatchObject({ weightBeforeBp: 5000, decision: { kind: 'roll-back' } })
  })

  test('of a version beside itself ends as measured', () => {
    const { last } = live(started({ canary: ref('1.0.0'), measure: true }), { canary: 0.001 })
    expect(last.phase).toMatchObject({ outcome: 'measured' })
  })

  test('with a guardrail that cannot be proven ends in waiting, never in a promotion', () => {
    const policy: Policy = {
      ...POLICY,
      guardrails: [
        { ...POLICY.guardrails[0]!, share: 0.5 },
        { ...SCORES, share: 0.5 },
      ],
      steps: POLICY.steps.map((one) => ({ ...one, gates: ['errors'] })),
      progressDeadlineMs: HOUR / 2,
    }
    const { last } = live(started({ policy }), { canary: 0.001 })
    expect(last.phase).toMatchObject({
      kind: 'held',
      step: 2,
      cause: 'inconclusive',
      reason: expect.stringContaining('scores (it cannot be proven: the stable version gives no scores)'),
    })
  })
})

describe('a turn', () => {
  const stepping = inPhase('stepping')
  const turn = tick(stepping, fairSecond(BEGINS, 500, 1000), { ...CALM, nowMs: START_MS + 3000 })

  test('counts what was released, and that the canary was seen', () => {
    expect(turn.next).toMatchObject({ evaluation: 1, canarySeenMs: START_MS + 3000 })
    expect(turn.situation.assessment.canary).toMatchObject({ requests: 50, finished: 50 })
  })

  test('that waits makes no row and no revision', () => {
    expect(turn.decision.kind).toBe('wait')
    expect(turn.record).toBeUndefined()
    expect(turn.next.revision).toBe(stepping.revision)
  })

  test.each([
    ['nothing', {}],
    ['requests of stable alone', aSecond(BEGINS, 500, { requests: 0 }, { requests: 10 })],
    ['what was known late', { final: fairSecond(BEGINS, 500, 1000).final }],
  ])('with %s has not seen the canary', (_, released) => {
    const { next } = tick(stepping, released, { ...CALM, nowMs: START_MS + 3000 })
    expect(next.canarySeenMs).toBe(START_MS)
  })

  test('counts no second twice', () => {
    expect(() => tick(turn.next, fairSecond(BEGINS, 500, 1000), CALM)).toThrow(RangeError)
  })

  test.each(PHASES)('leaves the rollout as it is that is %s', (kind) => {
    const before = inPhase(kind)
    const copy = structuredClone({ ...before })
    tick(before, fairSecond(BEGINS, 500, 1000, { canary: 0.5 }), CALM)
    expect(before).toEqual(copy)
  })
})

describe('a row', () => {
  test('tells who, when, by which rules, in which attempt, and the weights around it', () => {
    expect(bad.records.at(-1)).toMatchObject({
      model: 'churn',
      serial: 1,
      revision: bad.last.revision,
      evaluation: bad.last.evaluation,
      attempt: 1,
      actor: 'controller',
      reason: 'policy',
      atMs: START_MS + 2 * MINUTE,
      policyHash: POLICY.hash,
      weightBeforeBp: 500,
      weightAfterBp: 0,
      falseRollbackSpent: 0.01,
      situation: { phase: { kind: 'stepping', step: 0, weightBp: 500 }, nowMs: START_MS + 2 * MINUTE },
    })
  })

  test('leads to the same decision whenever it is replayed, from memory or from a store', () => {
    for (const { records } of [good, bad, late])
      for (const record of records) {
        expect(replay(record, POLICY)).toEqual(record.decision)
        expect(replay(JSON.parse(JSON.stringify(record)), POLICY)).toEqual(record.decision)
      }
  })

  test('counts what the attempts have spent', () => {
    const stricter = { ...POLICY, risk: { ...POLICY.risk, falseRollback: 0.001 } }
    const otherwise = intervene(inPhase('stepping'), { kind: 'restart', policy: stricter }, ANN)
    expect(otherwise).toMatchObject({
      record: { attempt: 2, falseRollbackSpent: 0.011, falsePromotionSpent: 0.1 },
    })
  })
})

describe('a person', () => {
  test('makes a row too, with the words they said', () => {
    const outcome = intervene(inPhase('stepping'), { kind: 'set-weight', weightBp: 700 }, ANN)
    expect(outcome).toMatchObject({
      kind: 'acted',
      record: {
        actor: 'ann',
        reason: 'because I can',
        revision: 3,
        weightBeforeBp: 500,
        weightAfterBp: 700,
        policyHash: POLICY.hash,
        situation: { phase: { kind: 'stepping' } },
        decision: { kind: 'pause', weightBp: 700 },
      },
    })
  })

  test('is refused without a row', () => {
    expect(intervene(inPhase('finished'), { kind: 'resume' }, ANN)).not.toHaveProperty('record')
  })

  test('changes the rules in a row that names those of before', () => {
    const policy = { ...POLICY, hash: 'other', steps: [step(500, 0.1)] }
    expect(intervene(inPhase('stepping'), { kind: 'change-policy', policy }, ANN)).toMatchObject({
      next: { policy },
      record: { policyHash: POLICY.hash, decision: { policy } },
    })
  })
})

describe('a rollout without requests', () => {
  const silent: Partial<Circumstances> = { nowMs: START_MS + 15 * MINUTE }

  test('is held, is released by the first request, and has lost no time', () => {
    const { next: held } = ticked(inPhase('stepping'), [[1, {}]], silent)
    expect(held.phase).toMatchObject({ kind: 'held', cause: 'no-traffic' })
    const nowMs = START_MS + HOUR
    const { next } = tick(held, fairSecond(BEGINS + 3600, 500, 1000), { ...CALM, nowMs })
    expect(next).toMatchObject({
      phase: { kind: 'stepping', step: 0, weightBp: 500, sinceMs: nowMs },
      deadlineFromMs: START_MS + 45 * MINUTE,
    })
  })
})
