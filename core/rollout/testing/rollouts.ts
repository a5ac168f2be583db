import type { References } from '../../evidence/references.ts'
import { type Action, type ActionContext, act } from '../act.ts'
import { apply, CONTROLLER } from '../apply.ts'
import type { Decision, Situation } from '../decision.ts'
import type { Phase } from '../phase.ts'
import type { Policy } from '../policy.ts'
import type { Rollout } from '../rollout.ts'
import { type StartRequest, startRollout } from '../start-rollout.ts'
import { type Circumstances, type Ticked, tick } from '../tick.ts'
import { assessmentOf, PROVEN } from './assessments.ts'
import { MINUTE, POLICY } from './policies.ts'

/** Midnight, in ms since the epoch: all tests begin then. */
export const START_MS = 1_800_000_000_000

export const ref = (version: string) => ({ version, digest: `sha256:${version}` })

/** Of a stable version that fails once in a thousand and gives no scores. */
export const REFERENCES: References = {
  horizonMs: 1000,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  wrongRate: 0.1,
}

export const REQUEST: StartRequest = {
  model: 'churn',
  serial: 1,
  stable: ref('1.0.0'),
  canary: ref('1.1.0'),
  policy: POLICY,
  references: REFERENCES,
  actor: 'config',
  nowMs: START_MS,
  firstAttempt: { limitMs: 5000, reserveMs: 50 },
  cannotDecide: [],
}

/** A rollout that prepares; a refusal ends the test. */
export function started(changes: Partial<StartRequest> = {}, before: readonly Rollout[] = []): Rollout {
  const outcome = startRollout({ ...REQUEST, ...changes }, before)
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return outcome.rollout
}

export const CALM: Circumstances = { nowMs: START_MS, frozen: false, evidenceIsFresh: true, ready: true }

export const ANN: ActionContext = { actor: 'ann', reason: 'because I can', nowMs: START_MS, frozen: false }

/** The rollout after an action; a refusal ends the test. */
export function acted(rollout: Rollout, action: Action, context: Partial<ActionContext> = {}): Rollout {
  const outcome = act(rollout, action, { ...ANN, ...context })
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return outcome.next
}

/** The rollout after a decision of the controller. */
export function decided(rollout: Rollout, decision: Decision, nowMs: number = START_MS): Rollout {
  return apply(rollout, decision, nowMs, CONTROLLER)
}

export const begin: Decision = { kind: 'begin', weightBp: 500, because: 'it is ready' }
export const MIRROR: Decision = { kind: 'mirror', mirrorBp: 2_000, because: 'it is ready' }

/** The policy with a mirror step before its others. */
export function mirroredPolicy(policy: Policy): Policy {
  return { ...policy, mirror: { mirrorBp: 2_000, minDurationMs: 2 * MINUTE, proof: 0.3 } }
}

export const hold = (cause: Extract<Decision, { kind: 'hold' }>['cause'], weightBp: number): Decision => ({
  kind: 'hold',
  cause,
  weightBp,
  because: 'it must',
})

/** A rollout in each phase, all of the same versions. */
export function inPhase(kind: Phase['kind'], policy: Policy = POLICY): Rollout {
  const stepping = decided(started({ policy }), begin)
  switch (kind) {
    case 'preparing':
      return started({ policy })
    case 'mirroring':
      return decided(started({ policy: mirroredPolicy(policy) }), MIRROR)
    case 'stepping':
      return stepping
    case 'awaiting-approval':
      return decided(stepping, { kind: 'ask-approval', because: 'a person decides' })
    case 'paused':
      return acted(stepping, { kind: 'pause' })
    case 'held':
      return decided(stepping, hold('inconclusive', 500))
    case 'promoting':
      return decided(stepping, { kind: 'promote', proven: true, because: 'it is proven' })
    case 'watching':
      return decided(inPhase('promoting', policy), {
        kind: 'switch',
        holdBackBp: 100,
        watchMs: 60 * MINUTE,
        because: 'it has the capacity',
      })
    case 'finished':
      return acted(stepping, { kind: 'abort' })
  }
}

export const PHASES = [
  'preparing',
  'mirroring',
  'stepping',
  'awaiting-approval',
  'paused',
  'held',
  'promoting',
  'watching',
  'finished',
] as const satisfies readonly Phase['kind'][]

/** Everything is well, everything is proven, and nothing has lasted long. */
export function situation(phase: Phase, changes: Partial<Situation> = {}): Situation {
  return {
    phase,
    assessment: assessmentOf(PROVEN),
    nowMs: START_MS,
    deadlineFromMs: START_MS,
    canarySeenMs: START_MS,
    stable: '1.0.0',
    canary: '1.1.0',
    isAA: false,
    isSticky: false,
    frozen: false,
    evidenceIsFresh: true,
    ready: true,
    ...changes,
  }
}

/** Turns at these seconds after the start, one after the other: the last. */
export function ticked(
  rollout: Rollout,
  turns: readonly (readonly [second: number, released: Parameters<typeof tick>[1]])[],
  circumstances: Partial<Circumstances> = {},
): Ticked {
  let last: Ticked | undefined
  for (const [second, released] of turns)
    last = tick(last?.next ?? rollout, released, {
      ...CALM,
      nowMs: START_MS + second * 1000,
      ...circumstances,
    })
  if (last === undefined) throw new RangeError('no turn, no tick')
  return last
}
