import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Arm, probabilities, thresholds } from '../routing/draw.ts'
import { promotionBets } from './bernoulli.ts'
import { NO_EARLY_COUNTS, type Stratum, stratumKey, type Window } from './counts.ts'
import { latencyBin } from './latency-scale.ts'
import { logEValue } from './linear-bets.ts'
import { CELL_REQUESTS, NOT_RECORDED, NOWHERE, Recorder, type RecorderShape } from './recorder.ts'

const shape: RecorderShape = { horizonMs: 1000, deadlineMs: 5000, scores: 4, knots: 4, classes: 2 }
const stratumOf = (weightBp: number): Stratum => probabilities(thresholds(weightBp, weightBp))
const FIVE = stratumOf(500)
const TEN = stratumOf(1000)

const sum = (counts: ArrayLike<number>) => Array.from(counts).reduce((a, b) => a + b, 0)

/** The only early and final counts of an arm after everything has closed. */
function closed(recorder: Recorder, arm: Arm = 'canary') {
  const { early, final } = recorder.drain(100_000)
  expect([early.windows.length, final.windows.length]).toEqual([1, 1])
  return { early: early.windows[0]!.strata[0]!.arms[arm], final: final.windows[0]!.strata[0]!.arms[arm] }
}

test('an answer counts in the second of its assignment, with its latency, score, knot and class', () => {
  const recorder = new Recorder(shape)
  recorder.answered(recorder.assign(7_999, 'canary', FIVE), 20, 3, 2, 1)
  const { early, final } = recorder.drain(100_000)
  const window = early.windows[0]!
  expect([window.second, window.strata.length]).toEqual([7, 1])
  const [{ stratum, arms }] = window.strata as [(typeof window.strata)[0]]
  expect(stratum).toBe(FIVE)
  expect(arms.stable).toBe(NO_EARLY_COUNTS)
  expect(arms.canary).toMatchObject({ requests: 1, errors: 0, rejected: 0, slow: 0 })
  expect(arms.canary.latency[latencyBin(20)]).toBe(1)
  expect(
    [arms.canary.scores, arms.canary.knots, arms.canary.classes].map((counts) => Array.from(counts)),
  ).toEqual([
    [0, 0, 0, 1],
    [0, 0, 1, 0],
    [0, 1],
  ])
  expect(final.windows[0]!.strata[0]!.arms.canary).toEqual({ requests: 1, errors: 0, aborted: 0 })
})

test.each([
  ['rejected', 'rejected', { errors: 0, rejected: 1 }, 'latency', { errors: 0, aborted: 0 }],
  ['failed', 'failed', { errors: 1, rejected: 0 }, 'cut', { errors: 1, aborted: 0 }],
  ['given up by its caller', 'aborted', { errors: 0, rejected: 0 }, 'cut', { errors: 0, aborted: 1 }],
] as const)('a request that is %s', (_name, outcome, early, histogram, final) => {
  const recorder = new Recorder(shape)
  recorder[outcome](recorder.assign(0, 'canary', FIVE), 800)
  const counts = closed(recorder)
  expect(counts.early).toMatchObject({ requests: 1, slow: 0, ...early })
  expect(counts.early[histogram][latencyBin(800)]).toBe(1)
  expect(sum(counts.early.latency) + sum(counts.early.cut)).toBe(1)
  expect(counts.final).toEqual({ requests: 1, ...final })
})

test('a request that nobody ever settles is slow, and an error in the end', () => {
  const recorder = new Recorder(shape)
  recorder.assign(0, 'canary', FIVE)
  const { early, final } = closed(recorder)
  expect([early.slow, final.errors]).toEqual([1, 1])
})

test('an answer beyond the horizon is slow by its own age, although its cell is still open', () => {
  const recorder = new Recorder(shape)
  const [first, last] = [recorder.assign(0, 'canary', FIVE), recorder.assign(999, 'canary', FIVE)]
  recorder.answered(first, 1001, 0)
  recorder.answered(last, 1000, 1)
  const { early, final } = closed(recorder)
  expect(early.slow).toBe(1)
  expect(Array.from(early.scores)).toEqual([0, 1, 0, 0])
  expect(final.errors).toBe(0)
})

test('an answer beyond the deadline is none', () => {
  const recorder = new Recorder(shape)
  recorder.answered(recorder.assign(0, 'canary', FIVE), 5000)
  recorder.answered(recorder.assign(0, 'canary', FIVE), 5001)
  expect(closed(recorder).final).toEqual({ requests: 2, errors: 1, aborted: 0 })
})

test('a window closes when its youngest request has the age, and what was closed is told even without traffic', () => {
  const recorder = new Recorder(shape)
  recorder.assign(3_000, 'stable', FIVE)
  const through = (nowMs: number) => {
    const { early, final } = recorder.drain(nowMs)
    return [early.through, early.windows.length, final.through, final.windows.length]
  }
  expect(through(4_999)).toEqual([2, 0, -2, 0])
  expect(through(5_000)).toEqual([3, 1, -1, 0])
  expect(through(8_999)).toEqual([6, 0, 2, 0])
  expect(through(9_000)).toEqual([7, 0, 3, 1])
  expect(through(20_000)).toEqual([18, 0, 14, 0])
})

test('a table that changes within a second opens a stratum; equal thresholds are one', () => {
  const recorder = new Recorder(shape)
  recorder.assign(0, 'canary', FIVE)
  recorder.assign(100, 'canary', TEN)
  recorder.assign(200, 'stable', stratumOf(500))
  const { strata } = recorder.drain(100_000).early.windows[0]!
  expect(
    strata.map(({ stratum, arms }) => [stratum.canary, arms.canary.requests, arms.stable.requests]),
  ).toEqual([
    [FIVE.canary, 1, 1],
    [TEN.canary, 1, 0],
  ])
})

test('an outcome that is told twice counts once', () => {
  const recorder = new Recorder(shape)
  const [token, other] = [recorder.assign(0, 'canary', FIVE), recorder.assign(0, 'canary', FIVE)]
  recorder.failed(token, 10)
  recorder.answered(token, 10)
  recorder.answered(other, 10)
  expect(recorder.dropped).toBe(1)
  expect(closed(recorder).final).toEqual({ requests: 2, errors: 1, aborted: 0 })
})

test('an outcome of a closed window is dropped', () => {
  const recorder = new Recorder(shape)
  const old = recorder.assign(0, 'canary', FIVE)
  expect(closed(recorder).final.errors).toBe(1)
  recorder.assign(100_000, 'canary', FIVE)
  recorder.answered(old, 10)
  expect(recorder.dropped).toBe(1)
  expect(recorder.drain(200_000).final.windows[0]!.strata[0]!.arms.canary.errors).toBe(1)
})

test('a token that is never forgotten touches none of the cells that take its memory, however many', () => {
  const recorder = new Recorder(shape)
  const old = recorder.assign(0, 'canary', FIVE)
  recorder.drain(6_000)
  for (let second = 6; second < 600; second++) {
    recorder.assign(second * 1000, 'canary', FIVE)
    recorder.answered(old, second * 1000)
    const { final } = recorder.drain((second + 6) * 1000)
    expect(final.windows[0]!.strata[0]!.arms.canary).toEqual({ requests: 1, errors: 1, aborted: 0 })
  }
})

test('what does not fit is left out by its time and table, whatever its arm, and said', () => {
  const recorder = new Recorder(shape)
  for (let i = 0; i < CELL_REQUESTS; i++) recorder.assign(0, 'stable', FIVE)
  expect(recorder.assign(0, 'canary', FIVE)).toBe(NOT_RECORDED)
  recorder.failed(NOT_RECORDED, 10)
  expect([recorder.unrecorded, recorder.dropped]).toEqual([1, 0])
  const strata = Array.from({ length: 20 }, (_, i) => stratumOf(i + 1))
  const fit = strata.filter((stratum) => recorder.assign(0, 'canary', stratum) !== NOT_RECORDED)
  expect(fit.length).toBe(9)
  recorder.drain(100_000)
  expect(recorder.assign(101_000, 'canary', TEN)).not.toBe(NOT_RECORDED)
})

test('a deadline that needs more cells than a token can name is refused', () => {
  expect(() => new Recorder({ ...shape, deadlineMs: 60_000 })).toThrow(RangeError)
})

interface Request {
  gapMs: number
  arm: Arm
  table: Stratum
  outcome: 'answered' | 'rejected' | 'failed' | 'aborted' | 'nothing'
  elapsedMs: number
  score: number
  twice: boolean
}

const aRequest: fc.Arbitrary<Request> = fc.record({
  gapMs: fc.oneof(fc.nat(300), fc.nat(3000)),
  arm: fc.constantFrom<Arm>('stable', 'baseline', 'canary'),
  table: fc.constantFrom(FIVE, TEN, stratumOf(500)),
  outcome: fc.constantFrom('answered', 'rejected', 'failed', 'aborted', 'nothing'),
  elapsedMs: fc.oneof(
    fc.integer({ min: 1, max: 1500 }),
    fc.constantFrom(1000, 5000),
    fc.integer({ min: 1, max: 8000 }),
  ),
  score: fc.integer({ min: NOWHERE, max: 3 }),
  twice: fc.boolean(),
})

/** Plays requests and drains in order of time; gives all windows that came out. */
function play(requests: readonly Request[], drainEveryMs: number) {
  const recorder = new Recorder(shape)
  const early: Window<'early'>[] = []
  const final: Window<'final'>[] = []
  const steps: { atMs: number; run: () => void }[] = []
  let atMs = 0
  for (const request of requests) {
    const { arm, table, outcome, elapsedMs, score, twice } = request
    atMs += request.gapMs
    const assignedMs = atMs
    let token = NOT_RECORDED
    steps.push({ atMs, run: () => (token = recorder.assign(assignedMs, arm, table)) })
    if (outcome === 'nothing') continue
    const settle = () => recorder[outcome](token, elapsedMs, score)
    steps.push({ atMs: atMs + elapsedMs, run: settle })
    if (twice) steps.push({ atMs: atMs + elapsedMs + 1, run: settle })
  }
  for (let nowMs = 0; nowMs < atMs + 20_000; nowMs += drainEveryMs) {
    const drain = () => {
      const flush = recorder.drain(nowMs)
      early.push(...flush.early.windows)
      final.push(...flush.final.windows)
    }
    steps.push({ atMs: nowMs, run: drain })
  }
  for (const { run } of steps.sort((a, b) => a.atMs - b.atMs)) run()
  return { recorder, early, final }
}

/** Each window's counts of one arm, as text. */
function rows<G extends 'early' | 'final'>(
  windows: readonly Window<G>[],
  read: (counts: Window<G>['strata'][0]['arms'][Arm]) => unknown,
) {
  return windows
    .flatMap(({ second, strata }) =>
      strata.flatMap(({ stratum, arms }) =>
        (['stable', 'baseline', 'canary'] as const)
          .filter((arm) => arms[arm].requests > 0)
          .map((arm) => JSON.stringify([second, stratumKey(stratum), arm, read(arms[arm])])),
      ),
    )
    .sort()
}

/** The same rows, counted from the list of requests. */
function expected(requests: readonly Request[], read: (those: readonly Request[]) => unknown) {
  const groups = new Map<string, { head: unknown[]; those: Request[] }>()
  let atMs = 0
  for (const request of requests) {
    atMs += request.gapMs
    const head = [Math.floor(atMs / 1000), stratumKey(request.table), request.arm]
    const group = groups.get(JSON.stringify(head)) ?? { head, those: [] }
    groups.set(JSON.stringify(head), group)
    group.those.push(request)
  }
  return [...groups.values()].map(({ head, those }) => JSON.stringify([...head, read(those)])).sort()
}

test('windows are what the list of requests says, whatever the order of outcomes and drains', () => {
  const count = (those: readonly Request[], is: (request: Request) => boolean) => those.filter(is).length
  fc.assert(
    fc.property(
      fc.array(aRequest, { maxLength: 60 }),
      fc.integer({ min: 100, max: 2500 }),
      (requests, drainEveryMs) => {
        const { recorder, early, final } = play(requests, drainEveryMs)
        fc.pre(recorder.unrecorded === 0)
        const soon =
          (...outcomes: string[]) =>
          (r: Request) =>
            outcomes.includes(r.outcome) && r.elapsedMs <= 1000
        expect(
          rows(early, ({ requests, errors, rejected, slow, latency, cut, scores }) => [
            requests,
            errors,
            rejected,
            slow,
            sum(latency),
            sum(cut),
            Array.from(scores),
          ]),
        ).toEqual(
          expected(requests, (those) => [
            those.length,
            count(those, soon('failed')),
            count(those, soon('rejected')),
            count(those, (r) => r.outcome === 'nothing' || r.elapsedMs > 1000),
            count(those, soon('answered', 'rejected')),
            count(those, soon('failed', 'aborted')),
            [0, 1, 2, 3].map((bin) => count(those, (r) => soon('answered')(r) && r.score === bin)),
          ]),
        )
        const inTime =
          (...outcomes: string[]) =>
          (r: Request) =>
            outcomes.includes(r.outcome) && r.elapsedMs <= 5000
        expect(rows(final, ({ requests, errors, aborted }) => [requests, errors, aborted])).toEqual(
          expected(requests, (those) => {
            const aborted = count(those, inTime('aborted'))
            return [
              those.length,
              those.length - count(those, inTime('answered', 'rejected')) - aborted,
              aborted,
            ]
          }),
        )
      },
    ),
    { seed: 5, numRuns: 300 },
  )
})

/**
 * The error gate of a canary that never answers 1 % of its requests; their callers give up before the deadline.
 * Errors may be half a point more than stable's.
 */
function proofOfHangingCanary(
  outcomesOf: (counts: { errors: number; aborted: number; requests: number }) => [bad: number, all: number],
) {
  const recorder = new Recorder(shape)
  const half = stratumOf(5000)
  for (let i = 0; i < 40_000; i++) {
    const arm = i % 2 === 0 ? 'canary' : 'stable'
    const token = recorder.assign(0, arm, half)
    if (arm === 'canary' && i % 200 === 0) recorder.aborted(token, 800)
    else recorder.answered(token, 10)
  }
  const { arms } = recorder.drain(100_000).final.windows[0]!.strata[0]!
  const [bad, all] = outcomesOf(arms.canary)
  const [stableBad, stableAll] = outcomesOf(arms.stable)
  const bets = promotionBets(0.001, { slope: 1, offset: 0.005 })
  return logEValue(bets, [{ pi: 0.5, counts: [bad, all - bad, stableBad, stableAll - stableBad] }])
}

test('a canary that hangs until its callers give up is seen: what happens after the draw is never left out', () => {
  const promoted = Math.log(1 / 0.05)
  expect(proofOfHangingCanary(({ errors, requests }) => [errors, requests])).toBeGreaterThan(promoted)
  expect(
    proofOfHangingCanary(({ errors, aborted, requests }) => [errors, requests - aborted]),
  ).toBeGreaterThan(promoted)
  expect(proofOfHangingCanary(({ errors, aborted, requests }) => [errors + aborted, requests])).toBeLessThan(
    0,
  )
})
