import { describe, expect, test } from 'vitest'
import { assess, LOG_OF_NOTHING } from '../evidence/assessment.ts'
import { apply, CONTROLLER } from './apply.ts'
import { retried } from './attempt.ts'
import type { Decision } from './decision.ts'
import { weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import type { Rollout } from './rollout.ts'
import { ERRORS, HOUR, LATENCY, MINUTE, POLICY, step, WATCHED_POLICY } from './testing/policies.ts'
import {
  acted,
  begin,
  decided,
  hold,
  inPhase,
  REFERENCES,
  START_MS,
  started,
  ticked,
} from './testing/rollouts.ts'
import { aSecond, fairSecond } from './testing/windows.ts'
import { evaluate } from './tick.ts'

const later = START_MS + HOUR
const advance: Decision = { kind: 'advance', step: 1, weightBp: 2500, proven: true, because: 'it is proven' }
const stepping = inPhase('stepping')
/** ln of the proof that errors are within their margin, of the whole rollout and of the step, to 12 decimal places. */
const proofsOf = ({ policy, evidence }: Rollout) => {
  const [errors] = assess(policy, evidence).comparisons
  const rounded = (log = Number.NaN) => Math.round(log * 1e12) / 1e12 + 0
  return { whole: rounded(errors?.logPromotion), step: rounded(errors?.logStepPromotion) }
}
/** The rollout with another second counted, of which nobody fails. */
const learned = (rollout: Rollout) => {
  const second = Math.max(START_MS / 1000, rollout.evidence.cursor.early) + 1
  return evaluate(rollout, fairSecond(second, weightOf(rollout.phase), 20_000), second * 1000)
}

test('waiting changes nothing, everything else counts one revision', () => {
  expect(apply(stepping, { kind: 'wait', because: 'it lasts' }, later, CONTROLLER)).toBe(stepping)
  const decisions: Decision[] = [
    advance,
    { kind: 'ask-approval', because: '' },
    hold('no-traffic', 500),
    { kind: 'promote', proven: true, because: '' },
    { kind: 'roll-back', proven: true, culprits: ['errors'], because: '' },
    { kind: 'finish', outcome: 'measured', because: '' },
    { kind: 'pause', weightBp: 100, because: '' },
    { kind: 'resume', step: 0, weightBp: 500, because: '' },
    { kind: 'change-policy', policy: POLICY, because: '' },
    { kind: 'restart', policy: POLICY, because: '' },
  ]
  for (const decision of decisions)
    expect(apply(stepping, decision, later, 'ann').revision, decision.kind).toBe(stepping.revision + 1)
})

describe('a step', () => {
  test('begins at its weight, with its clocks', () => {
    expect(decided(started(), begin, later)).toMatchObject({
      phase: { kind: 'stepping', step: 0, weightBp: 500, sinceMs: later },
      highestStep: 0,
      deadlineFromMs: later,
      canarySeenMs: later,
    })
  })

  test('has a proof of its own, and the whole goes on', () => {
    const before = learned(stepping)
    expect(proofsOf(before).step).toBe(proofsOf(before).whole)
    const after = decided(before, advance, later)
    expect(after).toMatchObject({ phase: { step: 1, weightBp: 2500, sinceMs: later }, highestStep: 1 })
    expect(proofsOf(after)).toEqual({ whole: proofsOf(before).whole, step: 0 })
  })

  test('that is entered again does not start its proof again', () => {
    const at2 = learned(decided(learned(stepping), advance))
    const back = acted(acted(at2, { kind: 'set-weight', weightBp: 100 }), { kind: 'resume' })
    expect(back).toMatchObject({ phase: { kind: 'stepping', step: 0, weightBp: 500 }, highestStep: 1 })
    expect(proofsOf(back)).toEqual(proofsOf(at2))
    expect(proofsOf(decided(back, advance))).toEqual(proofsOf(at2))
  })

  test('is progress: the deadline starts anew, whoever goes on', () => {
    expect(apply(stepping, advance, later, CONTROLLER).deadlineFromMs).toBe(later)
    expect(apply(stepping, { ...advance, proven: false }, later, 'ann').deadlineFromMs).toBe(later)
  })
})

describe('latency under another weight', () => {
  const policy: Policy = { ...POLICY, guardrails: [LATENCY] }
  const fresh = inPhase('stepping', policy)
  const { learning, ...known } = fresh.evidence
  const rollout = { ...fresh, evidence: known }
  const learningAfter = (decision: Decision) => apply(rollout, decision, later, 'ann').evidence.learning

  test('is learned anew from the first whole second on', () => {
    expect(learning?.sinceSecond).toBe(START_MS / 1000)
    expect(apply(rollout, advance, later + 1, CONTROLLER).evidence.learning?.sinceSecond).toBe(
      later / 1000 + 1,
    )
    expect(learningAfter({ kind: 'pause', weightBp: 100, because: '' })).toBeDefined()
  })

  test('is known already where the weight stays', () => {
    expect(learningAfter({ kind: 'pause', weightBp: 500, because: '' })).toBeUndefined()
    expect(learningAfter(hold('inconclusive', 500))).toBeUndefined()
  })
})

describe('approval', () => {
  const asked = decided(stepping, { kind: 'ask-approval', because: 'a person decides' }, later)
  const approved = acted(asked, { kind: 'approve' }, { nowMs: later + HOUR })

  test('is waited for at the same weight', () => {
    expect(asked.phase).toEqual({ kind: 'awaiting-approval', step: 0, weightBp: 500, sinceMs: later })
  })

  test('is remembered with its giver, and the step has lasted its time already', () => {
    expect(approved.phase).toEqual({
      kind: 'stepping',
      step: 0,
      weightBp: 500,
      sinceMs: later + HOUR - MINUTE,
      approvedBy: 'ann',
    })
  })

  test('that took an hour puts the deadline forward by an hour', () => {
    expect(approved.deadlineFromMs).toBe(START_MS + HOUR)
  })

  test('is asked anew at the next step', () => {
    expect(decided(approved, advance).phase).not.toHaveProperty('approvedBy')
  })
})

describe('a rollout that is held', () => {
  test('keeps its step, cause and reason', () => {
    expect(decided(stepping, hold('no-traffic', 500), later).phase).toEqual({
      kind: 'held',
      step: 0,
      weightBp: 500,
      sinceMs: later,
      cause: 'no-traffic',
      reason: 'it must',
    })
  })

  test('goes on with the deadline put forward by the time it was held', () => {
    const held = decided(stepping, hold('no-traffic', 500), later)
    expect(decided(held, { kind: 'release', because: 'requests' }, later + HOUR)).toMatchObject({
      phase: { kind: 'stepping', step: 0, weightBp: 500, sinceMs: later + HOUR },
      deadlineFromMs: START_MS + HOUR,
    })
  })

  test('from promoting belongs to the highest step that the policy has', () => {
    const promoting = { ...inPhase('promoting'), highestStep: 2 }
    expect(decided(promoting, hold('sample-ratio-mismatch', 0)).phase).toMatchObject({ step: 2, weightBp: 0 })
    const shorter = { ...promoting, policy: { ...POLICY, steps: [POLICY.steps[0]!] } }
    expect(decided(shorter, hold('sample-ratio-mismatch', 0)).phase).toMatchObject({ step: 0 })
  })
})

describe('a promotion', () => {
  const switched: Decision = { kind: 'switch', holdBackBp: 100, watchMs: HOUR, because: 'it can' }

  test('keeps the share until the canary has the capacity', () => {
    expect(inPhase('promoting').phase).toMatchObject({ weightBp: 500, proven: true })
  })

  test('is over at once without a watch', () => {
    for (const change of [{ holdBackBp: 0 }, { watchMs: 0 }])
      expect(decided(inPhase('promoting'), { ...switched, ...change }).phase).toEqual({
        kind: 'finished',
        outcome: 'promoted',
        sinceMs: START_MS,
        because: 'it can',
      })
  })

  test('is watched with a detector of its own, beside what is held back', () => {
    const watching = decided(learned(inPhase('promoting', WATCHED_POLICY)), switched, later)
    expect(watching.phase).toEqual({
      kind: 'watching',
      weightBp: 9900,
      sinceMs: later,
      untilMs: later + HOUR,
    })
    expect(watching.evidence.watching).toBe(true)
    expect(assess(POLICY, watching.evidence).logRollback.early).toBe(LOG_OF_NOTHING)
  })
})

const OTHER_RISK: Policy = { ...POLICY, risk: { falseRollback: 0.02, falsePromotion: 0.1 } }

describe('a restart', () => {
  test('before the canary had requests has judged nothing and leaves the canary its time to warm up', () => {
    const policy: Policy = { ...POLICY, guardrails: [LATENCY] }
    const early = acted(started({ policy }), {
      kind: 'restart',
      policy: { ...policy, risk: OTHER_RISK.risk },
    })
    expect(early).toMatchObject({ attempt: 1, falseRollbackSpent: 0.01, falsePromotionSpent: 0.05 })
    expect(early.evidence.firstSecond).toBeUndefined()
  })

  test('spends both risks once more, as what proves begins anew too', () => {
    const judged = acted(stepping, { kind: 'restart', policy: OTHER_RISK })
    expect(judged).toMatchObject({ attempt: 2, falseRollbackSpent: 0.03 })
    expect(judged.falsePromotionSpent).toBeCloseTo(0.15, 12)
  })

  const stricter: Policy = {
    ...POLICY,
    hash: 'stricter',
    guardrails: [{ ...ERRORS, margin: { kind: 'absolute', value: 0.01 } }],
    steps: [step(500, 0.1)],
  }
  const at2 = learned(decided(learned(stepping), advance))
  const again = acted(at2, { kind: 'restart', policy: stricter }, { nowMs: later })

  test('spends the risk once more and proves from nothing', () => {
    expect(again).toMatchObject({ attempt: 2, policy: stricter, deadlineFromMs: later })
    expect(proofsOf(again)).toEqual({ whole: 0, step: 0 })
    expect(assess(stricter, again.evidence).logRollback.early).toBeCloseTo(Math.log(0.75))
  })

  test('keeps weight and step as far as the new policy has it, and where the counting was', () => {
    expect(again.phase).toEqual({ kind: 'stepping', step: 0, weightBp: 2500, sinceMs: later })
    expect(again.evidence.cursor).toEqual(at2.evidence.cursor)
    expect(again.evidence.tally).toEqual(at2.evidence.tally)
  })

  test('leaves a pause a pause, at a step that exists', () => {
    const paused = acted(at2, { kind: 'pause' })
    expect(acted(paused, { kind: 'restart', policy: stricter }).phase).toEqual({ ...paused.phase, step: 0 })
  })
})

describe('another attempt', () => {
  const proven = learned(decided(learned(stepping), advance))
  const ended = acted(proven, { kind: 'abort' })
  const again = retried(ended, 7, later, 'ann')

  test('is a rollout of its own that prepares', () => {
    expect(again).toMatchObject({
      serial: 7,
      salt: 'churn/7',
      revision: 1,
      evaluation: 0,
      startedAtMs: later,
      actor: 'ann',
      phase: { kind: 'preparing', sinceMs: later },
      attempt: 2,
    })
  })

  test('keeps what was proven, also of the steps: trying often is no way to the next one', () => {
    expect(proofsOf(again)).toEqual(proofsOf(proven))
    expect(proofsOf(decided(again, begin))).toEqual(proofsOf(proven))
    expect(proofsOf(decided(decided(again, begin), advance))).toEqual(proofsOf(proven))
  })

  test('is accused anew', () => {
    const failing = fairSecond(START_MS / 1000 + 9, 2500, 4000, { canary: 0.05 })
    const bad = ticked(proven, [[9, failing]]).next
    expect(bad.phase).toMatchObject({ outcome: 'rolled-back' })
    expect(assess(POLICY, retried(bad, 7, later, 'ann').evidence).logRollback).toMatchObject({
      early: Math.log(0.75),
      final: Math.log(0.25),
    })
  })

  test('keeps nothing where the draw was broken', () => {
    const broken = ticked(proven, [
      [9, aSecond(START_MS / 1000 + 9, 2500, { requests: 2000 }, { requests: 2000 })],
    ]).next
    expect(broken.phase).toMatchObject({ kind: 'held', cause: 'sample-ratio-mismatch' })
    const fresh = retried(broken, 7, later, 'ann')
    expect(fresh.highestStep).toBe(-1)
    expect(proofsOf(fresh)).toEqual({ whole: 0, step: 0 })
    expect(fresh.evidence).toEqual(started({ references: REFERENCES, nowMs: later }).evidence)
    expect(fresh).toMatchObject({ falseRollbackSpent: 0.02, falsePromotionSpent: 0.1 })
  })

  test('after a rollback nothing speaks for the version any more, and what spoke against it does', () => {
    const failing = fairSecond(START_MS / 1000 + 9, 2500, 4000, { canary: 0.05 })
    const bad = ticked(proven, [[9, failing]]).next
    expect(proofsOf(proven).whole).toBeGreaterThan(0)
    const { whole, step: ofStep } = proofsOf(retried({ ...bad, evidence: proven.evidence }, 7, later, 'ann'))
    expect([whole, ofStep]).toEqual([0, 0])
    const indebted = proofsOf(retried(bad, 7, later, 'ann'))
    expect(indebted).toEqual(proofsOf(bad))
    expect(indebted.whole).toBeLessThan(0)
  })

  test('counts no request of before: what came late of the last attempt is no evidence twice', () => {
    const late = fairSecond(later / 1000 - 1, 2500, 20_000, { canary: 0.5 })
    expect(evaluate(again, late, later + 1000).evidence.wealth).toEqual(again.evidence.wealth)
    const fresh = started({ nowMs: later })
    expect(evaluate(fresh, late, later + 1000).evidence.wealth).toEqual(fresh.evidence.wealth)
    const restarted = acted(proven, { kind: 'restart', policy: OTHER_RISK }, { nowMs: later })
    expect(evaluate(restarted, late, later + 1000).evidence.wealth).toEqual(restarted.evidence.wealth)
  })

  test('does not watch, whatever came before it', () => {
    expect(retried(inPhase('watching'), 7, later, 'ann').evidence).not.toHaveProperty('watching')
  })
})
