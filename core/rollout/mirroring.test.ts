import { describe, expect, test } from 'vitest'
import type { MirrorAssessment, MirrorComparison } from '../evidence/mirror-evidence.ts'
import type { Pair } from '../evidence/pair.ts'
import { act } from './act.ts'
import { decide } from './decide.ts'
import type { Situation } from './decision.ts'
import { brokenInvariants } from './invariants.ts'
import { MIRROR_STEP, type Phase, weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import { type Rollout, sharesOf } from './rollout.ts'
import { afterTick } from './rollout-step.ts'
import { HOUR, MINUTE, WIDE_POLICY } from './testing/policies.ts'
import {
  ANN,
  acted,
  CALM,
  decided,
  hold,
  inPhase,
  mirroredPolicy,
  START_MS,
  situation,
  started,
} from './testing/rollouts.ts'
import { tick } from './tick.ts'

const SAME: Pair = { stable: { outcome: 'good' }, canary: { outcome: 'good' } }
const POLICY = mirroredPolicy(WIDE_POLICY)
const LONG_AGO: Extract<Phase, { kind: 'mirroring' }> = { kind: 'mirroring', sinceMs: START_MS - 10 * MINUTE }

const comparison = (changes: Partial<MirrorComparison> = {}): MirrorComparison => ({
  name: 'errors',
  metric: 'error_rate',
  share: 0.5,
  verdict: 'proven',
  logRollback: -2,
  worst: 'errors',
  logPromotion: 3,
  slowest: 'errors',
  ...changes,
})
const assessment = (changes: Partial<MirrorAssessment> = {}): MirrorAssessment => ({
  comparisons: [comparison()],
  logRollback: -1,
  pairs: { pairs: 400, different: 12 },
  floor: { pairs: 50, different: 1 },
  ...changes,
})
const decision = (changes: Partial<Situation> = {}, policy: Policy = POLICY, phase = LONG_AGO) =>
  decide(situation(phase, { mirror: assessment(), ...changes }), policy)
const undecided = { mirror: assessment({ comparisons: [comparison({ logPromotion: 0.3 })] }) }
const breached = {
  mirror: assessment({ logRollback: 5, comparisons: [comparison({ logRollback: 5 })] }),
}

describe('a rollout that begins with a mirror', () => {
  test('copies requests as soon as the canary is ready', () => {
    expect(decide(situation({ kind: 'preparing', sinceMs: START_MS }), POLICY)).toMatchObject({
      kind: 'mirror',
      mirrorBp: 2_000,
    })
  })

  test('gives the canary nothing meanwhile, and the baseline the share of the first step', () => {
    const mirroring = inPhase('mirroring')
    expect(sharesOf(mirroring).weightBp).toBe(0)
    expect(sharesOf(mirroring)).toEqual(sharesOf(inPhase('preparing')))
  })

  test('goes on when everything that copies speak of is proven', () => {
    expect(decision()).toEqual({
      kind: 'begin',
      weightBp: POLICY.steps[0]!.weightBp,
      because: expect.stringMatching(/^errors within the margin in copies of 400 requests, certain to 70 %/),
    })
    expect(decision()).toMatchObject({
      because: expect.stringContaining('3 % of the answers differ, 2 % of stable'),
    })
  })

  test.each([
    ['its duration', { ...{} }, { kind: 'mirroring', sinceMs: START_MS } as const, /another 2 min/],
    ['the proof', undecided, LONG_AGO, /waits for the proof of errors/],
    ['the workers', { ready: false }, LONG_AGO, /not ready/],
    ['the end of a freeze', { frozen: true }, LONG_AGO, /freeze/],
    ['word from every gateway', { evidenceIsFresh: false }, LONG_AGO, /not every gateway/],
  ])('waits for %s', (_, changes, phase, because) => {
    expect(decision(changes, POLICY, phase)).toEqual({
      kind: 'wait',
      because: expect.stringMatching(because),
    })
  })

  test('rolls back what is certainly worse, at once, and names it', () => {
    expect(decision(breached, POLICY, { kind: 'mirroring', sinceMs: START_MS })).toMatchObject({
      kind: 'roll-back',
      proven: true,
      culprits: ['errors'],
      because: expect.stringContaining('copies of 400 requests'),
    })
  })

  test.each([
    ['hold', 'hold'],
    ['rollback', 'roll-back'],
  ] as const)('that proves nothing by the deadline: onInconclusive %s', (onInconclusive, kind) => {
    const late = { ...undecided, deadlineFromMs: START_MS - POLICY.progressDeadlineMs - HOUR }
    expect(decision(late, { ...POLICY, onInconclusive })).toMatchObject({ kind })
  })

  test('looked at before its first turn waits', () => {
    const { mirror: _, ...before } = situation(LONG_AGO)
    expect(decide(before, POLICY)).toMatchObject({ kind: 'wait' })
  })

  test('asks for no proof where the policy does not', () => {
    const mirror = { ...POLICY.mirror!, proof: 1 }
    expect(decision(undecided, { ...POLICY, mirror })).toMatchObject({ kind: 'begin' })
  })

  test('can be advanced by a person and aborted, and not promoted', () => {
    const mirroring = inPhase('mirroring')
    expect(acted(mirroring, { kind: 'advance' })).toMatchObject({ phase: { kind: 'stepping', step: 0 } })
    expect(acted(mirroring, { kind: 'abort' })).toMatchObject({ phase: { outcome: 'aborted' } })
    expect(act(mirroring, { kind: 'promote' }, ANN)).toMatchObject({
      code: 'wrong-phase',
      message: expect.stringContaining('advance ends the mirror'),
    })
    expect(act(mirroring, { kind: 'advance' }, { ...ANN, frozen: true })).toMatchObject({ code: 'frozen' })
  })

  describe.each<[string, (rollout: Rollout) => Rollout]>([
    ['paused', (rollout) => acted(rollout, { kind: 'pause' })],
    ['at a share of 0', (rollout) => acted(rollout, { kind: 'set-weight', weightBp: 0 })],
    ['held', (rollout) => decided(rollout, hold('inconclusive', 0))],
    [
      'awaiting approval',
      (rollout) => decided(rollout, { kind: 'ask-approval', because: 'a person decides' }),
    ],
  ])('%s', (_, stand) => {
    const seen = tick(
      inPhase('mirroring', WIDE_POLICY),
      {},
      { ...CALM, nowMs: START_MS + 1000 },
      { pairs: Array(10).fill(SAME), floor: [] },
    ).next
    const standing = stand(seen)

    test('stands before the first step, gives nobody an answer of the canary, and keeps what copies showed', () => {
      expect(standing.phase).toMatchObject({ step: MIRROR_STEP })
      expect(weightOf(standing.phase)).toBe(0)
      expect(standing.mirror).toEqual(seen.mirror)
      expect(brokenInvariants(standing)).toEqual([])
      expect(sharesOf(standing)).toEqual(sharesOf(seen))
    })

    test('is advanced to the first step, given a share there, or aborted', () => {
      expect(acted(standing, { kind: 'advance' })).toMatchObject({ phase: { kind: 'stepping', step: 0 } })
      expect(acted(standing, { kind: 'abort' })).toMatchObject({ phase: { outcome: 'aborted' } })
      expect(act(standing, { kind: 'promote' }, ANN)).toMatchObject({ code: 'wrong-phase' })
      expect(acted(standing, { kind: 'set-weight', weightBp: 100 })).toMatchObject({
        phase: { kind: 'paused', step: 0, weightBp: 100 },
      })
    })

    test('restarted by other rules begins from the beginning', () => {
      const policy = { ...standing.policy, risk: { ...standing.policy.risk, falseRollback: 0.02 } }
      const next = acted(standing, { kind: 'restart', policy })
      expect([next.phase.kind, next.mirror]).toEqual(['preparing', undefined])
      expect(next.falseRollbackSpent).toBeGreaterThan(standing.falseRollbackSpent)
    })

    test('rolls back when copies that were under way show the canary to be worse', () => {
      const fails: Pair = { stable: { outcome: 'good' }, canary: { outcome: 'failed' } }
      const late = { pairs: Array(200).fill(fails), floor: [] }
      const { decision } = tick(standing, {}, { ...CALM, nowMs: START_MS + 2000 }, late)
      expect(decision).toMatchObject({ kind: 'roll-back', proven: true })
    })
  })

  test('resumed goes on with what copies have shown, its duration and deadline anew', () => {
    const before = inPhase('mirroring', WIDE_POLICY)
    const paused = acted(before, { kind: 'pause' })
    const later = START_MS + HOUR
    for (const standing of [paused, decided(before, hold('inconclusive', 0))]) {
      const resumed = acted(standing, { kind: 'resume' }, { nowMs: later })
      expect(resumed.phase).toEqual({ kind: 'mirroring', sinceMs: later })
      expect([resumed.mirror, resumed.deadlineFromMs]).toEqual([before.mirror, later])
    }
    // It raises nobody's share: a freeze has nothing against it.
    expect(act(paused, { kind: 'resume' }, { ...ANN, frozen: true })).toMatchObject({ kind: 'acted' })
    expect(act(paused, { kind: 'set-weight', weightBp: 0 }, ANN)).toMatchObject({ code: 'unchanged' })
  })

  test('given a share it ends: live requests speak, as in the first step, and it stays paused there', () => {
    const weighed = acted(inPhase('mirroring', WIDE_POLICY), { kind: 'set-weight', weightBp: 3000 })
    expect(weighed.phase).toMatchObject({ kind: 'paused', step: 0, weightBp: 3000 })
    expect(weighed.highestStep).toBe(0)
    expect(weighed.mirror).toBeUndefined()
    expect(brokenInvariants(weighed)).toEqual([])
    expect(weighed.evidence).toEqual(acted(inPhase('mirroring', WIDE_POLICY), { kind: 'advance' }).evidence)
    const set = { kind: 'set-weight', weightBp: 1 } as const
    expect(act(inPhase('mirroring'), set, { ...ANN, frozen: true })).toMatchObject({ code: 'frozen' })
  })

  describe('that a person must approve', () => {
    const asking = { ...POLICY, mirror: { ...POLICY.mirror!, requiresApproval: true as const } }

    test('asks once everything is proven and nothing else is in the way', () => {
      expect(decision({}, asking)).toEqual({
        kind: 'ask-approval',
        because: expect.stringMatching(/^errors within the margin in copies of 400 .*person's approval$/),
      })
      for (const changes of [undecided, { ready: false }, { frozen: true }, { evidenceIsFresh: false }])
        expect(decision(changes, asking)).toMatchObject({ kind: 'wait' })
    })

    test('waits, and goes on at once when it is approved', () => {
      const waiting = decided(inPhase('mirroring', asking), { kind: 'ask-approval', because: 'proven' })
      expect(decide(situation(waiting.phase, { mirror: assessment() }), asking)).toMatchObject({
        kind: 'wait',
      })
      const { phase } = acted(waiting, { kind: 'approve' })
      expect(phase).toMatchObject({ kind: 'mirroring', approvedBy: 'ann' })
      const on = phase as typeof LONG_AGO
      expect(decision({}, asking, on)).toMatchObject({ kind: 'begin' })
      // A person's word is no proof: what has become doubtful since waits.
      expect(decision(undecided, asking, on)).toMatchObject({ kind: 'wait' })
    })
  })

  test('forgets its copies as it ends: live requests speak from then on', () => {
    expect(inPhase('mirroring').mirror).toBeDefined()
    expect('mirror' in acted(inPhase('mirroring'), { kind: 'advance' })).toBe(false)
  })

  test('restarted by other rules it begins from the beginning, and has spent the risk once more', () => {
    const before = inPhase('mirroring', WIDE_POLICY)
    const policy = { ...before.policy, risk: { ...before.policy.risk, falseRollback: 0.02 } }
    const next = acted(before, { kind: 'restart', policy })
    expect(next.phase.kind).toBe('preparing')
    expect(next.mirror).toBeUndefined()
    expect(next.falseRollbackSpent).toBeGreaterThan(before.falseRollbackSpent)
  })

  test('turn by turn: a canary that fails every copy is gone within seconds, and the record holds the evidence', () => {
    let rollout = decided(started({ policy: POLICY }), { kind: 'mirror', mirrorBp: 2_000, because: 'ready' })
    const fails: Pair = { stable: { outcome: 'good' }, canary: { outcome: 'failed' } }
    for (let second = 1; second <= 30 && rollout.phase.kind === 'mirroring'; second++) {
      const ticked = tick(
        rollout,
        {},
        { ...CALM, nowMs: START_MS + second * 1000 },
        { pairs: Array(10).fill(fails), floor: [] },
      )
      rollout = ticked.next
      if (ticked.record === undefined) continue
      expect(ticked.record).toMatchObject({ weightAfterBp: 0, decision: { kind: 'roll-back', proven: true } })
      expect(ticked.record.situation.mirror?.pairs.pairs).toBe(second * 10)
      expect(
        afterTick(
          { model: 'churn', revision: 3, applied: {}, stable: rollout.stable, rollout } as never,
          ticked,
        ).event?.kind,
      ).toBe('rolled-back')
    }
    expect(rollout.phase).toMatchObject({ kind: 'finished', outcome: 'rolled-back' })
  })
})
