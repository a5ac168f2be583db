import type { EarlyCounts, FinalCounts } from '@coalmine/core/evidence/counts.ts'
import { type Arm, probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import type { DeltaMessage, Trial } from '../messages.ts'
import { unpackFlush } from '../packed-flush.ts'
import { OUTCOMES, type Outcome } from './recorder.ts'
import { type Losses, Recording } from './recording.ts'

const TRIAL: Trial = {
  recording: 'churn/1/0',
  shape: { horizonMs: 1000, deadlineMs: 2000, scores: 4, knots: 64, classes: 2 },
  scoreEdges: [10, 20, 30],
  scoreRange: [0, 63],
  firstAttemptMs: 2000,
  reserveMs: 50,
  shield: true,
  mirrorBp: 0,
}
const EPOCH_OFFSET_MS = 50_000
const tableOf = (weightBp: number) =>
  ({ stratum: probabilities(thresholds(weightBp, weightBp)) }) as RoutingTable
const TABLE = tableOf(500)

let deltas: DeltaMessage[]
let lost: Losses
beforeEach(() => {
  deltas = []
  lost = { unrecorded: 0, dropped: 0, stalledSeconds: 0 }
})

function recording(trial: Partial<Trial> = {}, random = () => 0): Recording {
  const setting = { model: 'churn', epochOffsetMs: EPOCH_OFFSET_MS, random, lost }
  return new Recording({ ...TRIAL, ...trial }, { ...setting, send: (delta) => deltas.push(delta) }, 0)
}

/** Everything that the deltas brought, by arm. */
function sent(): Record<Arm, { early: EarlyCounts[]; final: FinalCounts[] }> {
  const none = () => ({ early: [] as EarlyCounts[], final: [] as FinalCounts[] })
  const all = { stable: none(), baseline: none(), canary: none() }
  for (const { flush } of JSON.parse(JSON.stringify(deltas)) as DeltaMessage[]) {
    const { early, final } = unpackFlush(flush)
    for (const arm of ['stable', 'baseline', 'canary'] as const) {
      for (const { strata } of early!.windows) all[arm].early.push(...strata.map(({ arms }) => arms[arm]))
      for (const { strata } of final!.windows) all[arm].final.push(...strata.map(({ arms }) => arms[arm]))
    }
  }
  return all
}
const places = (counts: ArrayLike<number>) =>
  Array.from(counts).flatMap((count, place) => new Array<number>(count).fill(place))

test('the first delta goes out before there is anything to record, and says how far this process is', () => {
  const { incarnation } = recording()
  expect(deltas).toEqual([
    {
      kind: 'delta',
      model: 'churn',
      recording: 'churn/1/0',
      incarnation,
      sequence: 0,
      // Of second 49 nothing can follow that is older than the horizon of 1 s, of second 47 nothing at all.
      flush: { early: { through: 48, windows: [] }, final: { through: 47, windows: [] } },
    },
  ])
})

test('each flush is a delta, also when nothing has closed: it moves the watermark', () => {
  const one = recording()
  one.flush(1000)
  one.flush(1200)
  expect(deltas.map(({ sequence }) => sequence)).toEqual([0, 1, 2])
  expect(deltas.map(({ flush }) => flush.early!.through)).toEqual([48, 49, 49])
  expect(new Set(deltas.map(({ incarnation }) => incarnation)).size).toBe(1)
})

test('a request belongs to the second of its assignment, by the time of the evidence', () => {
  const one = recording()
  one.settle(one.assign(1_999, 'canary', TABLE), 'ok', 20)
  one.flush(10_000)
  const { early } = unpackFlush(deltas[1]!.flush)
  expect(early!.windows.map(({ second }) => second)).toEqual([51])
  expect(early!.windows[0]!.strata[0]!.stratum).toEqual(TABLE.stratum)
})

test.each([
  [-5, 0],
  [9.99, 0],
  [10, 1],
  [19.99, 1],
  [20, 2],
  [30, 3],
  [1e9, 3],
])('a score of %d is in the bin of the last edge at or below it', (score, bin) => {
  const one = recording()
  one.settle(one.assign(0, 'canary', TABLE), 'ok', 20, { rows: 1, row: 0, score, class: 1 })
  one.flush(10_000)
  const [counts] = sent().canary.early
  expect(places(counts!.scores)).toEqual([bin])
  expect(places(counts!.classes)).toEqual([1])
})

test('a score lies on one of the two knots beside it, by an independent draw', () => {
  const knot = (score: number, u32: number) => {
    deltas = []
    const one = recording({}, () => u32)
    one.settle(one.assign(0, 'canary', TABLE), 'ok', 20, { rows: 1, row: 0, score })
    one.flush(10_000)
    return places(sent().canary.early[0]!.knots)
  }
  expect(knot(7, 0)).toEqual([7])
  expect(knot(7.25, 0)).toEqual([8])
  expect(knot(7.25, 2 ** 30 - 1)).toEqual([8])
  expect(knot(7.25, 2 ** 30)).toEqual([7])
})

test('without a range no mean is compared', () => {
  const { scoreRange: _, ...trial } = TRIAL
  const one = new Recording(
    { ...trial, shape: { ...TRIAL.shape, knots: 0 } },
    { model: 'churn', epochOffsetMs: 0, random: () => 0, lost, send: (delta) => deltas.push(delta) },
    0,
  )
  one.settle(one.assign(0, 'canary', TABLE), 'ok', 20, { rows: 1, row: 0, score: 25 })
  one.flush(10_000)
  const [counts] = sent().canary.early
  expect([places(counts!.scores), counts!.knots.length]).toEqual([[2], 0])
})

test.each([
  ['ok', { errors: 0, aborted: 0 }],
  ['rejected', { errors: 0, aborted: 0 }],
  ['error', { errors: 1, aborted: 0 }],
  ['invalid', { errors: 1, aborted: 0 }],
  ['timeout', { errors: 1, aborted: 0 }],
  ['unavailable', { errors: 1, aborted: 0 }],
  ['aborted', { errors: 0, aborted: 1 }],
] as const)('%s is in the end', (outcome, final) => {
  const one = recording()
  one.settle(one.assign(0, 'canary', TABLE), outcome, 20)
  one.flush(10_000)
  expect(sent().canary.final).toEqual([{ requests: 1, ...final }])
})

test('a timer that fires late is a failure at the deadline', () => {
  const one = recording({ shape: { ...TRIAL.shape, horizonMs: 2000 } })
  one.settle(one.assign(0, 'canary', TABLE), 'timeout', 2_013)
  one.flush(10_000)
  expect(sent().canary.early[0]).toMatchObject({ requests: 1, errors: 1, slow: 0 })
})

test('what comes twice or too late is counted as dropped', () => {
  const one = recording()
  const [early, late] = [one.assign(0, 'canary', TABLE), one.assign(0, 'canary', TABLE)]
  one.settle(early, 'ok', 1)
  one.settle(early, 'ok', 1)
  one.flush(5_000)
  one.settle(late, 'ok', 1)
  one.flush(6_000)
  one.flush(7_000)
  expect(lost).toEqual({ unrecorded: 0, dropped: 2, stalledSeconds: 0 })
})

test('a process that stood still says so of its seconds before they close, and counts them', () => {
  const one = recording()
  one.settle(one.assign(0, 'canary', TABLE), 'ok', 1)
  one.flush(3_000, true)
  one.settle(one.assign(5_000, 'canary', TABLE), 'ok', 1)
  one.flush(8_000)
  const marks = deltas.flatMap(({ flush }) =>
    unpackFlush(JSON.parse(JSON.stringify(flush))).early!.windows.map(({ second, stalled }) => [
      second,
      stalled,
    ]),
  )
  expect(marks).toEqual([
    [50, true],
    [55, undefined],
  ])
  expect(lost).toEqual({ unrecorded: 0, dropped: 0, stalledSeconds: 1 })
})

test('it goes on as long as what is recorded is the same', () => {
  const one = recording()
  expect(one.sameAs({ ...TRIAL, scoreEdges: [10, 20, 30], firstAttemptMs: 1, shield: false })).toBe(true)
  expect(one.sameAs({ ...TRIAL, recording: 'churn/1/1' })).toBe(false)
  expect(one.sameAs({ ...TRIAL, shape: { ...TRIAL.shape, horizonMs: 900 } })).toBe(false)
  expect(one.sameAs({ ...TRIAL, scoreEdges: [10, 20, 31] })).toBe(false)
})

const request = fc.record({
  arm: fc.constantFrom<Arm>('stable', 'baseline', 'canary'),
  afterMs: fc.nat(700),
  outcome: fc.constantFrom<Outcome>(...OUTCOMES),
  elapsedMs: fc.nat(2000),
  score: fc.option(fc.double({ min: 0, max: 63, noNaN: true }), { nil: undefined }),
})
const sum = (counts: ArrayLike<number>) => Array.from(counts).reduce((a, b) => a + b, 0)

test('the deltas together are what was drawn and what became of it, arm by arm', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
      deltas = []
      lost = { unrecorded: 0, dropped: 0, stalledSeconds: 0 }
      const one = recording()
      let nowMs = 0
      /** Outcomes that are yet to come, by when. */
      const open: { atMs: number; settle: () => void }[] = []
      const until = (ms: number) => {
        for (const { settle } of open.filter(({ atMs }) => atMs <= ms)) settle()
        open.splice(0, open.length, ...open.filter(({ atMs }) => atMs > ms))
        nowMs = ms
      }
      for (const [i, { arm, afterMs, outcome, elapsedMs, score }] of requests.entries()) {
        until(nowMs + afterMs)
        // The weight rises once.
        const token = one.assign(nowMs, arm, tableOf(i < 20 ? 500 : 1000))
        const said = score === undefined ? undefined : { rows: 1, row: 0, score }
        open.push({
          atMs: nowMs + elapsedMs,
          settle: () => one.settle(token, outcome, elapsedMs, said),
        })
        one.flush(nowMs)
      }
      until(nowMs + 2000)
      one.flush(nowMs + 3000)

      const got = sent()
      for (const arm of ['stable', 'baseline', 'canary'] as const) {
        const drawn = requests.filter((request) => request.arm === arm)
        const of = (...outcomes: Outcome[]) => drawn.filter(({ outcome }) => outcomes.includes(outcome))
        const inTime = (some: typeof drawn) => some.filter(({ elapsedMs }) => elapsedMs <= 1000)
        const failed = of('error', 'invalid', 'timeout', 'unavailable')
        const { early, final } = got[arm]
        const added = (read: (counts: EarlyCounts) => number) =>
          early.reduce((all, one) => all + read(one), 0)
        expect({
          requests: added(({ requests }) => requests),
          errors: added(({ errors }) => errors),
          rejected: added(({ rejected }) => rejected),
          slow: added(({ slow }) => slow),
          answered: added(({ latency }) => sum(latency)),
          cut: added(({ cut }) => sum(cut)),
          scored: added(({ scores }) => sum(scores)),
        }).toEqual({
          requests: drawn.length,
          errors: inTime(failed).length,
          rejected: inTime(of('rejected')).length,
          slow: drawn.length - inTime(drawn).length,
          answered: inTime(of('ok', 'rejected')).length,
          cut: inTime([...failed, ...of('aborted')]).length,
          scored: inTime(of('ok')).filter(({ score }) => score !== undefined).length,
        })
        expect({
          requests: final.reduce((all, { requests }) => all + requests, 0),
          errors: final.reduce((all, { errors }) => all + errors, 0),
          aborted: final.reduce((all, { aborted }) => all + aborted, 0),
        }).toEqual({ requests: drawn.length, errors: failed.length, aborted: of('aborted').length })
      }
      expect(lost).toEqual({ unrecorded: 0, dropped: 0, stalledSeconds: 0 })
    }),
    { numRuns: 300 },
  )
})
