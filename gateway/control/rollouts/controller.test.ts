import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { weightOf } from '@coalmine/core/rollout/phase.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { begin, decided, ref, START_MS, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { runTurns } from './controller.ts'
import { controlled, FACTS, QUICK } from './testing/controlled.ts'
import { delta } from './testing/deltas.ts'

/** A hundredth of 999 requests, a little away from 0. */
const FOUND = expect.closeTo(0.01049, 9)
const PAUSE: Intent = { kind: 'act', action: { kind: 'pause' } }
const stepping = (policy: Policy = QUICK) => decided(started({ policy }), begin)
const weight = ({ rollout }: { rollout: () => ReturnType<typeof started> | undefined }) =>
  weightOf(rollout()!.phase)

describe('before the first request', () => {
  test('it is founded on what is known of stable at that moment, and on nothing later', async () => {
    const one = await controlled()
    one.world.ready = false
    await one.seconds(3)
    expect(one.rollout()!.evidence.references).toMatchObject({ errorRate: 0.001, horizonMs: 1000 })
    one.world.ready = true
    one.world.facts = { ...FACTS, p999Ms: 2500 }
    await one.seconds(1)
    const founded = { horizonMs: 5000, errorRate: FOUND }
    expect(one.rollout()).toMatchObject({
      phase: { kind: 'stepping', step: 0 },
      evidence: { references: founded },
      firstAttempt: { limitMs: 300, reserveMs: 200 },
    })
    one.world.facts = { ...FACTS, errorRate: 0.4, p99Ms: 5 }
    await one.seconds(3)
    expect(one.rollout()).toMatchObject({
      evidence: { references: founded },
      firstAttempt: { limitMs: 300, reserveMs: 200 },
    })
  })

  test('it waits ten seconds for stable to become known, and goes on without', async () => {
    const one = await controlled()
    one.world.facts = undefined
    await one.seconds(9)
    expect(one.rollout()!.phase.kind).toBe('preparing')
    await one.seconds(1)
    expect(one.rollout()).toMatchObject({
      phase: { kind: 'stepping' },
      evidence: { references: { errorRate: 0.001 } },
      firstAttempt: { limitMs: 5000, reserveMs: 50 },
    })
  })

  test('it waits until every data process is heard', async () => {
    const one = await controlled({ processes: 2 })
    const [first, second] = one.processes
    for (let i = 0; i < 20; i++) {
      one.clock.nowMs += 1000
      one.tell(first!)
      await one.controller.tick()
    }
    expect(one.rollout()!.phase.kind).toBe('preparing')
    one.tell(second!)
    await one.seconds(2)
    expect(one.rollout()!.phase.kind).toBe('stepping')
  })

  test('it waits for a freeze to end, and is founded then', async () => {
    const one = await controlled()
    const frozen = { frozen: true, actor: 'ann', reason: 'incident', sinceMs: START_MS } as const
    await one.store.setFreeze(frozen, { kind: 'frozen', because: '', atMs: START_MS, ...frozen })
    await one.seconds(3)
    expect(one.rollout()!.phase.kind).toBe('preparing')
    await one.store.setFreeze(
      { frozen: false },
      { kind: 'unfrozen', actor: 'ann', reason: '', because: '', atMs: START_MS },
    )
    await one.seconds(1)
    expect(one.rollout()).toMatchObject({
      phase: { kind: 'stepping' },
      evidence: { references: { errorRate: FOUND } },
    })
  })

  test('another attempt keeps the references that it was proven with', async () => {
    const begun = { ...started({ policy: QUICK }), highestStep: 0 }
    const one = await controlled({ rollouts: [begun] })
    await one.seconds(2)
    expect(one.rollout()).toMatchObject({
      phase: { kind: 'stepping' },
      evidence: { references: { errorRate: 0.001 } },
    })
  })
})

describe('a turn', () => {
  test('is due by the interval, not by how often one asks', async () => {
    const one = await controlled({ rollouts: [started({ policy: { ...QUICK, intervalMs: 2000 } })] })
    await one.seconds(4)
    const { evaluation } = one.rollout()!
    for (let i = 0; i < 10; i++) {
      one.clock.nowMs += 199
      one.tell(one.processes[0]!)
      await one.controller.tick()
    }
    expect(one.rollout()!.evaluation).toBe(evaluation)
    one.clock.nowMs += 10
    await one.controller.tick()
    await one.controller.tick()
    expect(one.rollout()!.evaluation).toBe(evaluation + 1)
  })

  test('of several replicas is one: the next is due an interval after whoever made it', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(3)
    const { evaluation, evaluatedMs } = one.rollout()!
    one.clock.nowMs = evaluatedMs + 999
    await one.controller.tick()
    expect(one.rollout()!.evaluation).toBe(evaluation)
  })

  test('with nothing to know and nothing to decide writes nothing', async () => {
    const one = await controlled()
    one.world.ready = false
    await one.seconds(3)
    const { length } = one.store.made
    one.clock.nowMs += 60_000
    await one.controller.tick()
    expect(one.store.made).toHaveLength(length)
  })

  test('of all rollouts is one commit', async () => {
    const one = await controlled({ rollouts: [stepping(), { ...stepping(), model: 'digits' }] })
    await one.seconds(2)
    const { recording } = one.controller.intake('digits')!
    one.clock.nowMs += 1000
    one.tell(one.processes[0]!)
    const second = START_MS / 1000
    const told = delta({ recording, sequence: 0, through: second, seconds: [second] })
    one.controller.accept({ ...told, model: 'digits' })
    const commit = vi.spyOn(one.store, 'commit')
    await one.controller.tick()
    expect(commit.mock.calls.map(([commits]) => commits.map(({ next }) => next.model))).toEqual([
      ['churn', 'digits'],
    ])
  })

  test('never overwrites what a person did since it looked', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(4)
    const { freeze } = one.store
    // Between what is due and the commit of it.
    one.store.freeze = async () => {
      one.store.freeze = freeze
      await one.act(PAUSE)
      return freeze.call(one.store)
    }
    await one.seconds(1)
    expect((await one.stored()).rollout!.phase.kind).toBe('paused')
    const { evaluation } = (await one.stored()).rollout!
    await one.seconds(1)
    // The second that it could not commit came again.
    expect(one.rollout()).toMatchObject({ phase: { kind: 'paused' }, evaluation: evaluation + 1 })
    expect(one.rollout()!.evidence.cursor.early).toBe(one.clock.nowMs / 1000 - 2)
  })
})

describe('a commit', () => {
  test.each(['before', 'after'] as const)('that fails %s it was made counts nothing twice', async (fails) => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(3)
    const { evaluation } = one.rollout()!
    one.store.fails = fails
    await expect(one.seconds(1)).rejects.toThrow(fails === 'before' ? 'disk' : 'connection')
    one.store.fails = undefined
    await one.seconds(1)
    const counted = one
      .rollout()!
      .evidence.tally.reduce((sum, { canary, control }) => sum + canary.requests + control.requests, 0)
    expect(counted).toBe(100 * (one.rollout()!.evidence.cursor.early - START_MS / 1000 + 1))
    expect(one.rollout()!.evaluation).toBe(evaluation + (fails === 'before' ? 1 : 2))
  })

  test('that is in doubt is looked at before anything else is decided', async () => {
    const one = await controlled()
    one.store.fails = 'after'
    await expect(one.seconds(1)).rejects.toThrow('connection')
    one.store.fails = undefined
    await one.seconds(6)
    expect(await one.events()).toEqual(['begun', 'advanced'])
  })
})

describe('evidence', () => {
  test('of a recorder that is met in the middle of its life is refused, and it hears of it', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(1)
    one.tell(one.processes[0]!, {}, true)
    await one.seconds(1)
    expect(one.sent).toEqual([
      { kind: 'fenced', model: 'churn', incarnations: [one.processes[0]!.incarnation] },
    ])
    await one.seconds(3)
    expect(one.sent).toHaveLength(1)
    expect(one.controller.intake('churn')!.recent(one.clock.nowMs)).toBe(1)
  })

  test('that cannot be read ends its recorder and nothing else', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(1)
    const { incarnation } = one.processes[0]!
    const flush = { early: { through: 0.5, windows: [] } }
    one.controller.accept({ ...deltaOf(one), incarnation, flush })
    expect(one.sent).toEqual([{ kind: 'fenced', model: 'churn', incarnations: [incarnation] }])
    // Its next recorder is heard, and the seconds go on once the one before has been silent for long enough.
    await one.seconds(8)
    expect(one.controller.intake('churn')!.recent(one.clock.nowMs)).toBe(1)
  })

  test('of another recording is not listened to', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(1)
    one.controller.accept({ ...deltaOf(one), recording: 'another' })
    one.controller.accept({ ...deltaOf(one), model: 'digits' })
    expect([one.sent, one.controller.intake('digits')]).toEqual([[], undefined])
  })

  const deltaOf = ({ processes: [process] }: Awaited<ReturnType<typeof controlled>>) => ({
    kind: 'delta' as const,
    model: 'churn',
    recording: process!.recording!,
    incarnation: 'stranger',
    sequence: 5,
    flush: {},
  })

  test('that a process lost keeps every weight for half a minute', async () => {
    const one = await controlled({ rollouts: [stepping()], processes: 2 })
    await one.seconds(4)
    one.tell(one.processes[0]!, {}, true)
    await one.seconds(1)
    const sinceMs = one.clock.nowMs
    for (let i = 0; i < 60 && weight(one) === 500; i++) await one.seconds(1)
    expect(one.clock.nowMs - sinceMs).toBeGreaterThanOrEqual(30_000)
    expect(one.clock.nowMs - sinceMs).toBeLessThan(40_000)
  })

  test('that a process took with it is missed in the very turn that its silence ends', async () => {
    const steps = QUICK.steps.map((step) => ({ ...step, minDurationMs: 8000 }))
    const one = await controlled({ rollouts: [stepping({ ...QUICK, steps })] })
    await one.seconds(2)
    // It ends without a word, and as many are heard as before.
    one.replace(one.processes[0]!)
    await one.seconds(5)
    // More than five seconds after its last word, as the step may end.
    one.clock.nowMs += 1000
    await one.controller.tick()
    await one.seconds(29)
    expect(weight(one)).toBe(500)
    await one.seconds(1)
    expect(weight(one)).toBe(1000)
  })

  test('of a canary that is given nothing for now keeps every weight, and loses none of its time', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(2)
    one.world.withheld = true
    await one.seconds(120)
    expect([weight(one), one.rollout()!.phase.kind]).toEqual([500, 'stepping'])
    one.world.withheld = false
    await one.seconds(2)
    expect(weight(one)).toBe(1000)
  })

  test('against the canary is acted on, fresh or not', async () => {
    const one = await controlled({ rollouts: [stepping()], processes: 2 })
    await one.seconds(3)
    one.world.processes = 3
    await one.seconds(60, { failing: 1 })
    expect(await one.events()).toContain('rolled-back')
  })
})

describe('the gateway itself', () => {
  const trip = { kind: 'tripped', model: 'churn', failed: 15, of: 20, outcome: 'timeout' } as const

  test('takes a canary out for good that a data process took out', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.controller.tripped({ ...trip, serial: 1 })
    expect(one.rollout()).toBeUndefined()
    const [event] = await one.store.events({ model: 'churn', limit: 1 })
    expect(event).toMatchObject({
      actor: 'gateway',
      kind: 'rolled-back',
      reason: '15 of the last 20 first attempts on it failed (timeout)',
      decision: { decision: { proven: false } },
    })
    // Processes say it until they are heard.
    await one.controller.tripped({ ...trip, serial: 1 })
    expect(await one.events()).toHaveLength(1)
  })

  test('lets a rollout be that another one tripped', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.controller.tripped({ ...trip, serial: 2 })
    expect(one.rollout()!.phase.kind).toBe('stepping')
  })

  test('gives a canary nothing while its processes keep ending, and says why', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    await one.seconds(1)
    one.controller.unclean(3)
    await one.controller.tick()
    expect(one.rollout()!.phase).toMatchObject({ kind: 'paused', weightBp: 0 })
    const [event] = await one.store.events({ model: 'churn', limit: 1 })
    expect(event).toMatchObject({ actor: 'gateway', reason: expect.stringContaining('3 times') })
    // Once.
    await one.act({ kind: 'act', action: { kind: 'resume' } })
    await one.seconds(1)
    expect(weight(one)).toBe(500)
  })

  test('does so when the store can be used again', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    one.controller.unclean(3)
    one.store.fails = 'before'
    await expect(one.controller.tick()).rejects.toThrow('disk')
    one.store.fails = undefined
    await one.controller.tick()
    expect(weight(one)).toBe(0)
  })

  test('has nothing to take away from what has no traffic yet', async () => {
    const one = await controlled()
    one.controller.unclean(3)
    await one.controller.tick()
    expect(await one.events()).toEqual([])
  })
})

test('what is over is forgotten', async () => {
  const one = await controlled({ rollouts: [stepping()] })
  await one.seconds(2)
  expect(one.controller.situation('churn')).toMatchObject({ canary: '1.1.0' })
  await one.act({ kind: 'act', action: { kind: 'abort' } })
  await one.deployments.refresh('churn')
  expect(one.controller.situation('churn')).toBeUndefined()
  await one.seconds(1)
  expect(one.controller.intake('churn')).toBeUndefined()
})

test('a rollout that takes the place of another has an intake of its own', async () => {
  const one = await controlled({ rollouts: [stepping()] })
  await one.seconds(2)
  const before = one.controller.intake('churn')
  const rollout = started({ canary: ref('1.2.0'), policy: QUICK, serial: 2 })
  await one.act({ kind: 'start-rollout', rollout, supersede: true })
  await one.deployments.refresh('churn')
  await one.seconds(2)
  expect(one.controller.intake('churn')).not.toBe(before)
  expect(one.controller.situation('churn')).toMatchObject({ canary: '1.2.0' })
})

describe('turns', () => {
  afterEach(() => vi.useRealTimers())

  test('go on after the store failed, one at a time, until they are stopped', async () => {
    const one = await controlled({ rollouts: [stepping()] })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    one.store.readAll = async () => [WHOLE]
    const turn = vi.spyOn(one.controller, 'tick').mockRejectedValueOnce(new Error('the disk is full'))
    const turns = runTurns(one.controller, 100)
    await vi.advanceTimersByTimeAsync(250)
    expect(turn).toHaveBeenCalledTimes(2)
    turns.stop()
    await vi.advanceTimersByTimeAsync(1000)
    expect(turn).toHaveBeenCalledTimes(2)
  })
})
