import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Arm, probabilities, thresholds } from '../routing/draw.ts'
import { seededRandom } from '../routing/random.ts'
import { Barrier, type Delta } from './barrier.ts'
import { promotionBets } from './bernoulli.ts'
import { type FinalCounts, type Group, mergeWindows, type Window } from './counts.ts'
import { logEValue } from './linear-bets.ts'
import { type Flushed, Recorder } from './recorder.ts'

const HALF = probabilities(thresholds(5000, 0))
const SILENT_MS = 10_000

const none: FinalCounts = { requests: 0, errors: 0, aborted: 0 }
const windowOf = (second: number, canary: FinalCounts, stable = none): Window<'final'> => ({
  second,
  strata: [{ stratum: HALF, arms: { stable, baseline: none, canary } }],
})
const requests = (n: number, errors = 0): FinalCounts => ({ requests: n, errors, aborted: 0 })
const flushed = (through: number, ...windows: Window<'final'>[]): Flushed<'final'> => ({ through, windows })
const delta = (incarnation: string, sequence: number, final: Flushed<'final'>): Delta => ({
  incarnation,
  sequence,
  flush: { final },
})
/** The released seconds with the canary's requests. */
const released = (barrier: Barrier, nowMs: number) =>
  barrier.release(nowMs).final!.map(({ second, strata }) => [second, strata[0]!.arms.canary.requests])

test('a second is released when every live process has flushed through it, once, and merged', () => {
  const barrier = new Barrier(SILENT_MS)
  barrier.accept(delta('a', 0, flushed(0)), 0)
  barrier.accept(delta('b', 0, flushed(0)), 0)
  barrier.accept(delta('a', 1, flushed(3, windowOf(1, requests(10)), windowOf(3, requests(30)))), 1)
  expect(released(barrier, 2)).toEqual([])
  barrier.accept(delta('b', 1, flushed(2, windowOf(1, requests(1)), windowOf(2, requests(2)))), 3)
  expect(released(barrier, 4)).toEqual([
    [1, 11],
    [2, 2],
  ])
  barrier.accept(delta('b', 2, flushed(3)), 5)
  expect(released(barrier, 6)).toEqual([[3, 30]])
  expect(released(barrier, 7)).toEqual([])
})

test('a process that is silent holds back the others until it is fenced', () => {
  const barrier = new Barrier(SILENT_MS)
  for (const incarnation of ['a', 'b']) barrier.accept(delta(incarnation, 0, flushed(0)), 0)
  barrier.accept(delta('b', 1, flushed(1, windowOf(1, requests(1)))), 1_000)
  barrier.accept(delta('a', 1, flushed(2, windowOf(1, requests(10)), windowOf(2, requests(20)))), 9_000)
  expect(released(barrier, 11_000)).toEqual([[1, 11]])
  expect(released(barrier, 11_001)).toEqual([[2, 20]])
  expect([...barrier.fenced]).toEqual(['b'])
})

test('what a fenced process sends later is discarded for all arms, also when it is the first to be heard of', () => {
  const barrier = new Barrier(SILENT_MS)
  for (const incarnation of ['a', 'b']) barrier.accept(delta(incarnation, 0, flushed(0)), 0)
  barrier.accept(delta('a', 1, flushed(0)), 9_000)
  barrier.accept(delta('b', 1, flushed(2, windowOf(1, requests(1), requests(1)))), 10_001)
  barrier.accept(delta('b', 2, flushed(3, windowOf(3, requests(1), requests(1)))), 10_002)
  barrier.accept(delta('a', 2, flushed(3, windowOf(1, requests(10)), windowOf(3, requests(30)))), 10_003)
  expect(released(barrier, 10_004)).toEqual([
    [1, 10],
    [3, 30],
  ])
  expect(barrier.discarded).toBe(2)
})

test('a repeated delta counts once', () => {
  const barrier = new Barrier(SILENT_MS)
  const first = delta('a', 0, flushed(1, windowOf(1, requests(10))))
  for (const _ of [1, 2, 3]) barrier.accept(first, 0)
  expect(released(barrier, 1)).toEqual([[1, 10]])
  barrier.accept(first, 2)
  expect(released(barrier, 3)).toEqual([])
  expect(barrier.discarded).toBe(3)
})

test('a process with a gap is fenced: what it had completed stays, the rest is lost for all arms', () => {
  const barrier = new Barrier(SILENT_MS)
  barrier.accept(delta('a', 0, flushed(1, windowOf(1, requests(10)))), 0)
  barrier.accept(delta('a', 2, flushed(3, windowOf(3, requests(30)))), 1)
  barrier.accept(delta('a', 1, flushed(2, windowOf(2, requests(20)))), 2)
  expect(released(barrier, 3)).toEqual([[1, 10]])
  expect([...barrier.fenced]).toEqual(['a'])
})

test('a process that is met in the middle of its life has lost what came before, and must begin anew', () => {
  const barrier = new Barrier(SILENT_MS)
  barrier.accept(delta('a', 7, flushed(1, windowOf(1, requests(10)))), 0)
  barrier.accept(delta('a', 0, flushed(1, windowOf(1, requests(10)))), 1)
  expect(released(barrier, 2)).toEqual([])
  barrier.accept(delta('a2', 0, flushed(2, windowOf(2, requests(20)))), 3)
  expect(released(barrier, 4)).toEqual([[2, 20]])
})

test('a process that joins has no part in seconds that were released, and holds back those that follow', () => {
  const barrier = new Barrier(SILENT_MS)
  barrier.accept(delta('a', 0, flushed(5, windowOf(5, requests(50)))), 0)
  expect(released(barrier, 1)).toEqual([[5, 50]])
  barrier.accept(delta('b', 0, flushed(3)), 2)
  barrier.accept(delta('a', 1, flushed(6, windowOf(6, requests(60)))), 3)
  expect(released(barrier, 4)).toEqual([])
  barrier.accept(delta('b', 1, flushed(6, windowOf(5, requests(5)), windowOf(6, requests(6)))), 5)
  expect(released(barrier, 6)).toEqual([[6, 66]])
  expect(barrier.late).toBe(1)
})

test('groups have watermarks of their own; fences are for all', () => {
  const barrier = new Barrier(SILENT_MS)
  const labels = { through: 1, windows: [] }
  barrier.accept(
    { incarnation: 'a', sequence: 0, flush: { final: flushed(9, windowOf(9, requests(90))) } },
    0,
  )
  barrier.accept({ incarnation: 'feedback', sequence: 0, flush: { labels } }, 0)
  expect(released(barrier, 1)).toEqual([[9, 90]])
})

interface Shard {
  deltas: Delta[]
  assigned: number
}

/** What one process sends in eight seconds of requests, which it records and drains at its own times. */
function shardOf(index: number, gapsMs: readonly number[], drainEveryMs: number): Shard {
  const recorder = new Recorder({ horizonMs: 1000, deadlineMs: 3000, scores: 2, knots: 2, classes: 2 })
  const next = seededRandom(new Uint8Array(16).fill(index + 1))
  const steps: [atMs: number, run: (nowMs: number) => void][] = []
  const deltas: Delta[] = []
  let nowMs = 0
  for (const gapMs of gapsMs) {
    nowMs += gapMs
    const arm = (['stable', 'baseline', 'canary'] as const)[next() % 3]!
    const elapsedMs = 1 + (next() % 4000)
    let token = -1
    steps.push([nowMs, (atMs) => (token = recorder.assign(atMs, arm, HALF))])
    steps.push([
      nowMs + elapsedMs,
      () => recorder[(['answered', 'failed', 'aborted'] as const)[next() % 3]!](token, elapsedMs),
    ])
  }
  for (let atMs = 0; atMs < 16_000; atMs += drainEveryMs)
    steps.push([
      atMs,
      () => deltas.push({ incarnation: `${index}`, sequence: deltas.length, flush: recorder.drain(atMs) }),
    ])
  for (const [atMs, run] of steps.sort(([a], [b]) => a - b)) run(atMs)
  deltas.push({ incarnation: `${index}`, sequence: deltas.length, flush: recorder.drain(30_000) })
  return { deltas, assigned: gapsMs.length }
}

const aShard = fc.tuple(
  fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 20 }),
  fc.integer({ min: 200, max: 3000 }),
)

/** Hands over every delta, the processes in the order that `turns` says; the first ones come first. */
function deliver(shards: readonly Shard[], turns: readonly number[], repeats: boolean) {
  const barrier = new Barrier(SILENT_MS)
  const queues = shards.map(({ deltas }) => [...deltas])
  const out: { [G in 'early' | 'final']: Window<G>[] } = { early: [], final: [] }
  const hand = (queue: Delta[] | undefined) => {
    const next = queue?.shift()
    if (next === undefined) return
    barrier.accept(next, 0)
    if (repeats) barrier.accept(next, 0)
    const { early, final } = barrier.release(0)
    out.early.push(...early!)
    out.final.push(...final!)
  }
  for (const queue of queues) barrier.accept(queue.shift()!, 0)
  for (const turn of turns) hand(queues[turn % queues.length])
  for (const queue of queues) while (queue.length > 0) hand(queue)
  return out
}

const total = <G extends Group>(
  windows: readonly Window<G>[],
  read: (arm: Window<G>['strata'][0]['arms'][Arm]) => number,
) =>
  windows
    .flatMap(({ strata }) => strata.flatMap(({ arms }) => [arms.stable, arms.baseline, arms.canary]))
    .reduce((sum, counts) => sum + read(counts), 0)

test('whatever the order, repeated or not, the same windows come out, in order, and every request is in them', () => {
  fc.assert(
    fc.property(
      fc.array(aShard, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(3), { maxLength: 40 }),
      fc.boolean(),
      (specs, turns, repeats) => {
        const shards = specs.map(([gaps, drainEveryMs], i) => shardOf(i, gaps, drainEveryMs))
        const { early, final } = deliver(shards, turns, repeats)
        expect({ early, final }).toEqual(deliver(shards, [], false))
        const seconds = early.map(({ second }) => second)
        expect(seconds).toEqual([...new Set(seconds)].sort((a, b) => a - b))
        const assigned = shards.reduce((sum, shard) => sum + shard.assigned, 0)
        expect(total(early, (counts) => counts.requests)).toBe(assigned)
        expect(total(final, (counts) => counts.requests)).toBe(assigned)
      },
    ),
    { seed: 11, numRuns: 100 },
  )
})

test('however late a process is, its seconds come with all their arms or not at all', () => {
  const complete = (second: number, n: number) => windowOf(second, requests(n, 1), requests(2 * n, 1))
  fc.assert(
    fc.property(fc.array(fc.nat(15_000), { minLength: 1, maxLength: 20 }), (delaysMs) => {
      const barrier = new Barrier(SILENT_MS)
      const arrivals: { atMs: number; delta: Delta }[] = []
      let lateAtMs = 0
      for (const [second, delayMs] of delaysMs.entries()) {
        const atMs = (second + 1) * 1000
        lateAtMs = Math.max(lateAtMs, atMs + delayMs)
        arrivals.push({ atMs, delta: delta('punctual', second, flushed(second, complete(second, 10))) })
        arrivals.push({ atMs: lateAtMs, delta: delta('late', second, flushed(second, complete(second, 1))) })
      }
      const out: Window<'final'>[] = []
      barrier.accept(delta('late', 0, flushed(-1)), 0)
      for (const { atMs, delta: late } of arrivals.sort((a, b) => a.atMs - b.atMs)) {
        const { incarnation, sequence } = late
        barrier.accept({ ...late, sequence: incarnation === 'late' ? sequence + 1 : sequence }, atMs)
        out.push(...barrier.release(atMs).final!)
      }
      for (const { strata } of out) {
        const { canary, stable } = strata[0]!.arms
        expect(stable.requests).toBe(2 * canary.requests)
        expect([canary.errors, stable.errors]).toEqual(canary.requests === 11 ? [2, 2] : [1, 1])
      }
    }),
    { seed: 3, numRuns: 200 },
  )
})

/**
 * Eight processes, 1,000 requests a second, errors exactly at the margin, where promotion is wrong. What a process
 * flushes takes 30 s if it holds an error, and what it flushes later waits behind it. Gives the highest ln E against the margin within two minutes.
 */
function highestProof(
  run: number,
  releaseOf: () => (arrived: readonly Delta[], nowMs: number) => readonly Window<'final'>[],
) {
  const next = seededRandom(Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? run : 7)))
  const errorsOf = (n: number, rate: number) => {
    let errors = 0
    for (let i = 0; i < n; i++) if (next() < rate * 2 ** 32) errors++
    return errors
  }
  const release = releaseOf()
  const queue: { atMs: number; delta: Delta }[] = []
  const counts = [0, 0, 0, 0]
  const free = new Float64Array(8)
  let highest = 0
  for (let process = 0; process < 8; process++)
    queue.push({ atMs: 0, delta: delta(`${process}`, 0, flushed(-1)) })
  for (let second = 0; second < 120; second++) {
    const nowMs = (second + 1) * 1000
    for (let process = 0; process < 8; process++) {
      const [canary, stable] = [errorsOf(62, 0.006), errorsOf(62, 0.001)]
      const window = windowOf(second, requests(62, canary), requests(62, stable))
      const atMs = Math.max(free[process]!, nowMs + (canary + stable > 0 ? 30_000 : 0))
      free[process] = atMs
      queue.push({ atMs, delta: delta(`${process}`, second + 1, flushed(second, window)) })
    }
    const arrived = queue.filter(({ atMs }) => atMs <= nowMs).map((due) => due.delta)
    queue.splice(0, queue.length, ...queue.filter(({ atMs }) => atMs > nowMs))
    for (const { strata } of release(arrived, nowMs))
      for (const { arms } of strata) {
        counts[0]! += arms.canary.errors
        counts[1]! += arms.canary.requests - arms.canary.errors
        counts[2]! += arms.stable.errors
        counts[3]! += arms.stable.requests - arms.stable.errors
      }
    highest = Math.max(highest, logEValue(AT_THE_MARGIN, [{ pi: 0.5, counts }]))
  }
  return highest
}

const AT_THE_MARGIN = promotionBets(0.001, { slope: 1, offset: 0.005 })

test('bad news that comes late cannot promote a version that is at the margin', () => {
  const onArrival = () => (arrived: readonly Delta[]) =>
    mergeWindows(
      'final',
      arrived.map(({ flush }) => flush.final!.windows),
    )
  const behindTheBarrier = () => {
    const barrier = new Barrier(60_000)
    return (arrived: readonly Delta[], nowMs: number) => {
      for (const late of arrived) barrier.accept(late, nowMs)
      return barrier.release(nowMs).final!
    }
  }
  const runs = Array.from({ length: 20 }, (_, run) => run + 1)
  const promotions = (releaseOf: typeof behindTheBarrier | typeof onArrival) =>
    runs.filter((run) => highestProof(run, releaseOf) >= Math.log(1 / 0.05)).length
  expect(promotions(onArrival)).toBeGreaterThan(10)
  expect(promotions(behindTheBarrier)).toBeLessThanOrEqual(2)
})
