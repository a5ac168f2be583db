import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Group,
  type GroupCounts,
  mergeWindows,
  type Released,
  type StratumCell,
  type Window,
} from '../evidence/counts.ts'
import { type Arm, probabilities, thresholds } from '../routing/draw.ts'
import type { Action } from './act.ts'
import type { Decision, DecisionRecord } from './decision.ts'
import { brokenInvariants } from './invariants.ts'
import { weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import { isAA, isFinished, type Rollout } from './rollout.ts'
import { startRollout } from './start-rollout.ts'
import { ERRORS, HOUR, LATENCY, MINUTE, POLICY, SCORES, step, WATCHED_POLICY } from './testing/policies.ts'
import { REQUEST, ref, START_MS, started } from './testing/rollouts.ts'
import { aSecond, fairSecond } from './testing/windows.ts'
import { intervene, replay, tick } from './tick.ts'

/*
 * Random lives: turns at odd times with or without requests, good ones, failing ones and wrongly drawn ones, while
 * people, freezes, silent gateways and missing workers interfere, and new attempts follow the end.
 */

const half = (guardrail: typeof ERRORS | typeof SCORES | typeof LATENCY) => ({ ...guardrail, share: 0.5 })
const POLICIES: Readonly<Record<string, Policy>> = {
  plain: POLICY,
  watched: WATCHED_POLICY,
  impatient: {
    ...POLICY,
    hash: 'impatient',
    progressDeadlineMs: HOUR,
    onInconclusive: 'rollback',
    onNoTraffic: { action: 'rollback', afterMs: MINUTE },
    onSampleRatioMismatch: 'rollback',
  },
  approved: {
    ...POLICY,
    hash: 'approved',
    steps: [step(500, 0.3, { requiresApproval: true }), step(5000, 0.05, { requiresApproval: true })],
  },
  untestable: { ...POLICY, hash: 'untestable', guardrails: [half(ERRORS), half(SCORES)] },
  timed: { ...WATCHED_POLICY, hash: 'timed', guardrails: [half(ERRORS), half(LATENCY)] },
}
const OTHER_RULES: Policy = {
  ...POLICY,
  hash: 'other',
  guardrails: [{ ...ERRORS, tolerate: { kind: 'absolute', value: 0.002 } }],
  steps: [step(1000, 0.2)],
}

type Showing = 'nothing' | 'good' | 'failing' | 'wrongly drawn'
interface Turn {
  readonly afterMs: number
  readonly shows: Showing
  readonly frozen: boolean
  readonly fresh: boolean
  readonly ready: boolean
  /** Before the turn, by a person. `rules` and `restart` bring shorter rules; `retry` acts when the rollout is over. */
  readonly does?: Exclude<Action['kind'], 'set-weight' | 'supersede'> | 'rules' | 'retry' | number
}
interface Life {
  readonly policy: string
  readonly measure: boolean
  readonly turns: readonly Turn[]
}

const mostly = <T>(value: T, other: T) =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.constant(other) })
const aTurn: fc.Arbitrary<Turn> = fc.record(
  {
    afterMs: fc.constantFrom(1000, 61_000, 61_000, 61_500, 10 * MINUTE, 20 * HOUR),
    shows: fc.oneof(
      { weight: 8, arbitrary: fc.constant<Showing>('good') },
      { weight: 3, arbitrary: fc.constantFrom<Showing>('nothing', 'failing', 'wrongly drawn') },
    ),
    frozen: mostly(false, true),
    fresh: mostly(true, false),
    ready: mostly(true, false),
    does: fc.oneof(
      { weight: 12, arbitrary: fc.constant(undefined) },
      { weight: 2, arbitrary: fc.constantFrom('approve', 'resume', 'retry') },
      { weight: 1, arbitrary: fc.constantFrom('pause', 'advance', 'promote', 'restart', 'rules') },
      { weight: 1, arbitrary: fc.constantFrom(0, 300, 2500, 9000, 10_000) },
      { weight: 1, arbitrary: fc.constantFrom('abort', 'rollback', 'safety-rollback') },
    ) as fc.Arbitrary<NonNullable<Turn['does']>>,
  },
  { requiredKeys: ['afterMs', 'shows', 'frozen', 'fresh', 'ready'] },
)
const aLife: fc.Arbitrary<Life> = fc.record({
  policy: fc.constantFrom(...Object.keys(POLICIES)),
  measure: mostly(false, true),
  turns: fc.array(aTurn, { minLength: 5, maxLength: 25 }),
})
const runs = { seed: 11, numRuns: 300 }

/** One change, or a turn without one. */
interface Moment {
  readonly before: Rollout
  readonly after: Rollout
  readonly by: 'controller' | 'person' | 'retry'
  readonly decision?: Decision
  readonly record?: DecisionRecord
  readonly turn: Turn
}

/** All moments of a life; `counted` stands between what was recorded and what is released. */
function live({ policy, measure, turns }: Life, counted: (released: Released) => Released = (all) => all) {
  const moments: Moment[] = []
  const past: Rollout[] = []
  let nowMs = START_MS
  let rollout = started({
    policy: POLICIES[policy]!,
    ...(measure && { measure, canary: ref('1.0.0') }),
  })
  const note = (moment: Omit<Moment, 'before' | 'turn'>, turn: Turn) => {
    moments.push({ before: rollout, turn, ...moment })
    rollout = moment.after
  }
  for (const turn of turns) {
    nowMs += turn.afterMs
    const context = { actor: 'ann', reason: 'there is something to look at', nowMs, frozen: turn.frozen }
    const action = actionOf(turn, rollout)
    if (action !== undefined) {
      const outcome = intervene(rollout, action, context)
      if (outcome.kind === 'acted')
        note({ after: outcome.next, by: 'person', decision: outcome.decision, record: outcome.record }, turn)
    } else if (turn.does === 'retry' && isFinished(rollout)) {
      past.unshift(rollout)
      const { stable, canary, policy, serial } = rollout
      const again = { ...REQUEST, stable, canary, policy, measure, nowMs, retry: true, serial: serial + 1 }
      const outcome = startRollout(again, past)
      if (outcome.kind === 'started') note({ after: outcome.rollout, by: 'retry' }, turn)
    }
    const released = counted(shown(rollout, turn.shows, Math.floor(nowMs / 1000)))
    const { frozen, fresh: evidenceIsFresh, ready } = turn
    const { next, decision, record } = tick(rollout, released, { nowMs, frozen, evidenceIsFresh, ready })
    note({ after: next, by: 'controller', decision, ...(record && { record }) }, turn)
  }
  return moments
}

function actionOf({ does }: Turn, { policy }: Rollout): Action | undefined {
  if (does === undefined || does === 'retry') return undefined
  if (typeof does === 'number') return { kind: 'set-weight', weightBp: does }
  if (does === 'restart') return { kind: does, policy: OTHER_RULES }
  if (does === 'rules' || does === 'change-policy')
    return { kind: 'change-policy', policy: { ...policy, hash: 'shorter', steps: policy.steps.slice(0, 2) } }
  return { kind: does }
}

function shown({ phase }: Rollout, shows: Showing, second: number): Released {
  const weightBp = weightOf(phase)
  if (shows === 'nothing' || weightBp === 0) return {}
  if (shows === 'wrongly drawn') return aSecond(second, weightBp, { requests: 1500 }, { requests: 1500 })
  return fairSecond(second, weightBp, 6000, { canary: shows === 'failing' ? 0.1 : 0.001, stable: 0.001 })
}

const raised = ({ before, after }: Moment) => weightOf(after.phase) > weightOf(before.phase)

test('the lives reach every phase and every decision', () => {
  const phases = new Set<string>()
  const decisions = new Set<string>()
  const outcomes = new Set<string>()
  for (const life of fc.sample(aLife, runs))
    for (const { after, decision } of live(life)) {
      phases.add(after.phase.kind === 'held' ? `held: ${after.phase.cause}` : after.phase.kind)
      if (after.phase.kind === 'finished') outcomes.add(after.phase.outcome)
      if (decision) decisions.add(decision.kind)
    }
  expect([...phases].sort()).toEqual([
    'awaiting-approval',
    'finished',
    'held: inconclusive',
    'held: no-traffic',
    'held: sample-ratio-mismatch',
    'paused',
    'preparing',
    'promoting',
    'stepping',
    'watching',
  ])
  expect([...outcomes].sort()).toEqual(['aborted', 'measured', 'promoted', 'rolled-back'])
  expect([...decisions].sort()).toEqual([
    'advance',
    'approve',
    'ask-approval',
    'begin',
    'change-policy',
    'finish',
    'hold',
    'pause',
    'promote',
    'release',
    'restart',
    'resume',
    'roll-back',
    'switch',
    'wait',
  ])
})

test('no life breaks an invariant', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { after } of live(life)) expect(brokenInvariants(after)).toEqual([])
    }),
    runs,
  )
})

test('a weight rises by what may raise it, never in a freeze, and by the controller never on stale evidence', () => {
  const raising = ['begin', 'advance', 'resume', 'switch', 'pause']
  fc.assert(
    fc.property(aLife, (life) => {
      for (const moment of live(life)) {
        if (!raised(moment)) continue
        const { by, decision, turn } = moment
        expect(raising).toContain(decision?.kind)
        expect(turn.frozen).toBe(false)
        // A weight that a person sets is a pause.
        if (by === 'controller') expect([turn.fresh, decision?.kind !== 'pause']).toEqual([true, true])
      }
    }),
    runs,
  )
})

test('nothing is promoted in a freeze, and nothing but a proof or a person promotes', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { before, after, by, decision, turn } of live(life)) {
        if (decision?.kind !== 'promote' && decision?.kind !== 'switch') continue
        expect(turn.frozen).toBe(false)
        expect(isAA(before)).toBe(false)
        if (by === 'person') expect(after.phase).toMatchObject({ proven: false })
        else expect(turn.fresh).toBe(true)
        if (by === 'controller' && before.policy.guardrails.includes(POLICIES.untestable!.guardrails[1]!))
          expect(decision.kind).toBe('switch')
      }
    }),
    runs,
  )
})

test('what is over stays over', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { before, after, by } of live(life))
        if (isFinished(before) && by !== 'retry') expect(after.phase).toBe(before.phase)
    }),
    runs,
  )
})

test('each change is one revision and one row, no change is none, and the spent risk never falls', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { before, after, by, record } of live(life)) {
        expect(after.falseRollbackSpent).toBeGreaterThanOrEqual(before.falseRollbackSpent)
        if (by === 'retry') continue
        expect(after.revision - before.revision).toBe(record === undefined ? 0 : 1)
        expect(after.evaluation - before.evaluation).toBe(by === 'controller' ? 1 : 0)
        if (record === undefined) expect([after.phase, after.policy]).toEqual([before.phase, before.policy])
        else
          expect([record.weightBeforeBp, record.weightAfterBp]).toEqual(
            [before, after].map(({ phase }) => weightOf(phase)),
          )
      }
    }),
    runs,
  )
})

test('every row of the controller replays to its decision, as it was and as a store gives it back', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { before, by, record } of live(life)) {
        if (record === undefined || by !== 'controller') continue
        expect(replay(record, before.policy)).toEqual(record.decision)
        expect(replay(JSON.parse(JSON.stringify(record)), before.policy)).toEqual(record.decision)
      }
    }),
    runs,
  )
})

test('every reason is a sentence without holes', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      for (const { decision } of live(life)) {
        if (decision === undefined) continue
        expect(decision.because).toMatch(/^[^\s].{10,}[^\s.]$/)
        expect(decision.because).not.toMatch(/NaN|undefined|null|Infinity|\[object|e-\d|\d{9}/)
      }
    }),
    runs,
  )
})

test('the same life twice gives the same rollouts', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      expect(live(life)).toEqual(live(life))
    }),
    { ...runs, numRuns: 60 },
  )
})

test('processes that each saw a part of the requests make the same rollouts, however many they are', () => {
  fc.assert(
    fc.property(aLife, (life) => {
      const [one, four, sixteen] = [1, 4, 16].map((shards) => live(life, (all) => merged(all, shards)))
      expect(four).toEqual(one)
      expect(sixteen).toEqual(one)
    }),
    { ...runs, numRuns: 60 },
  )
})

/** What these windows are when so many processes counted them, each its part, and sent them in any order. */
function merged({ early = [], final = [] }: Released, shards: number): Released {
  const each = Array.from({ length: shards }, (_, shard) => shard).reverse()
  return {
    early: mergeWindows(
      'early',
      each.map((shard) => early.map((window) => part(window, shard, shards))),
    ),
    final: mergeWindows(
      'final',
      each.map((shard) => final.map((window) => part(window, shard, shards))),
    ),
  }
}

function part<G extends Group>({ second, strata }: Window<G>, shard: number, shards: number): Window<G> {
  const ofCounts = (counts: GroupCounts[G]) =>
    Object.fromEntries(
      Object.entries(counts).map(([key, count]) => [
        key,
        typeof count === 'number' ? Math.floor((count + shard) / shards) : count,
      ]),
    ) as unknown as GroupCounts[G]
  const ofCell = ({ stratum, arms }: StratumCell<G>): StratumCell<G> => ({
    stratum,
    arms: Object.fromEntries(Object.entries(arms).map(([arm, counts]) => [arm, ofCounts(counts)])) as Record<
      Arm,
      GroupCounts[G]
    >,
  })
  return { second, strata: strata.map(ofCell) }
}

test('the parts of a count are the count', () => {
  const whole = fairSecond(START_MS / 1000, 500, 6007, { canary: 0.1, stable: 0.001 })
  for (const shards of [1, 4, 16]) {
    const { early, final } = merged(whole, shards)
    expect(early?.[0]?.strata[0]?.arms).toMatchObject({
      canary: { requests: 300, errors: 30 },
      stable: { requests: 5707, errors: 6 },
    })
    expect(final?.[0]?.strata[0]?.stratum).toEqual(probabilities(thresholds(500, 0)))
  }
})
