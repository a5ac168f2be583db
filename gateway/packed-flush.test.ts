import { ARMS } from '@coalmine/contract/prediction-id.ts'
import { type EarlyCounts, mergeWindows, NO_EARLY_COUNTS } from '@coalmine/core/evidence/counts.ts'
import { type Flush, Recorder } from '@coalmine/core/evidence/recorder.ts'
import { probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packFlush, unpackFlush } from './packed-flush.ts'

const travelled = (flush: Flush) => unpackFlush(JSON.parse(JSON.stringify(packFlush(flush))))

const stratum = fc
  .tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 5000 }))
  .map(([canary, baseline]) => probabilities(thresholds(canary, baseline)))
const bins = (length: number) =>
  fc
    .array(fc.tuple(fc.nat(length - 1), fc.integer({ min: 1, max: 65_535 })), { maxLength: 8 })
    .map((filled) => {
      const counts = new Uint16Array(length)
      for (const [bin, count] of filled) counts[bin] = count
      return counts
    })
const total = (counts: ArrayLike<number>) => Array.from(counts).reduce((a, b) => a + b, 0)

const early = fc
  .record({
    errors: fc.double({ min: 0, max: 1, noNaN: true }),
    rejected: fc.double({ min: 0, max: 1, noNaN: true }),
    slow: fc.nat(100),
    latency: bins(1409),
    cut: bins(1409),
    scores: bins(64),
    knots: bins(64),
    classes: bins(3),
  })
  .map(
    ({ errors, rejected, ...counts }): EarlyCounts => ({
      ...counts,
      errors: Math.floor(errors * total(counts.cut)),
      rejected: Math.floor(rejected * total(counts.latency)),
      requests: total(counts.latency) + total(counts.cut) + counts.slow,
    }),
  )
  .map((counts) => (counts.requests === 0 ? NO_EARLY_COUNTS : counts))
const final = fc
  .tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000))
  .map(([good, errors, aborted]) => ({ requests: good + errors + aborted, errors, aborted }))
const labels = fc.tuple(fc.nat(1000), fc.nat(1000)).map(([a, b]) => ({ labelled: a + b, wrong: b }))

const flushed = <T>(counts: fc.Arbitrary<T>) =>
  fc.record({
    through: fc.integer({ min: -10, max: 2 ** 32 }),
    windows: fc.array(
      fc.record(
        {
          second: fc.integer({ min: 0, max: 2 ** 32 }),
          stalled: fc.constant<true>(true),
          strata: fc.array(
            fc.record({ stratum, arms: fc.record({ stable: counts, baseline: counts, canary: counts }) }),
            { maxLength: 2 },
          ),
        },
        { requiredKeys: ['second', 'strata'] },
      ),
      { maxLength: 3 },
    ),
  })
const flush = fc.record(
  { early: flushed(early), final: flushed(final), labels: flushed(labels) },
  { requiredKeys: [] },
)

/** With arrays of one make. */
const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (_, one) => (ArrayBuffer.isView(one) ? Array.from(one as never) : one)))

test('a flush that has travelled gives the same counts', () => {
  fc.assert(
    fc.property(flush, (sent) => {
      const got = travelled(sent)
      expect(plain(got)).toEqual(plain(sent))
      expect(plain(mergeWindows('early', [got.early?.windows ?? []]))).toEqual(
        plain(mergeWindows('early', [sent.early?.windows ?? []])),
      )
    }),
    { numRuns: 200 },
  )
})

test("a second of a real recorder's takes little more than its filled bins", () => {
  const recorder = new Recorder({ horizonMs: 1000, deadlineMs: 5000, scores: 64, knots: 64, classes: 2 })
  const at = probabilities(thresholds(500, 500))
  for (let i = 0; i < 500; i++) {
    const token = recorder.assign(0, ARMS[i % 3] as 'stable', at)
    recorder.answered(token, 10 + (i % 20), i % 64, i % 64, i % 2)
  }
  const drained = recorder.drain(100_000)
  expect(plain(travelled(drained))).toEqual(plain(drained))
  expect(JSON.stringify(packFlush(drained)).length).toBeLessThan(4_000)
})

interface Cell {
  stratum: number[]
  arms: [0, 0, (number | number[])[]]
}
const cell: Cell = {
  stratum: [0.5, 0.25, 0.25],
  arms: [0, 0, [3, 1, 1, 0, [4, 2, 2], [4, 0, 1], [2, 1, 2], [0], [0]]],
}
const packed = (change: (cell: Cell) => unknown) => ({
  early: { through: 5, windows: [{ second: 5, strata: [change(structuredClone(cell))] }] },
})

test('what is packed is plain to see', () => {
  const { early } = unpackFlush(packed((cell) => cell))
  expect(early!.windows[0]!.strata[0]!.arms.canary).toEqual({
    requests: 3,
    errors: 1,
    rejected: 1,
    slow: 0,
    latency: [0, 0, 2, 0],
    cut: [1, 0, 0, 0],
    scores: [0, 2],
    knots: [],
    classes: [],
  })
})

test.each<[string, unknown, string]>([
  ['nothing', null, 'flush: expected an object, got null'],
  ['an unknown group', { late: {} }, 'flush: expected the groups early, final, labels, got "late"'],
  ['no watermark', { early: { windows: [] } }, 'flush.early.through: expected a whole number, got undefined'],
  ['no windows', { final: { through: 1 } }, 'flush.final.windows: expected a list, got undefined'],
  [
    'a second that is none',
    { final: { through: 1, windows: [{ second: 1.5, strata: [] }] } },
    'flush.final.windows[0].second: expected a whole number, got 1.5',
  ],
  [
    'a mark that is none',
    { final: { through: 1, windows: [{ second: 1, strata: [], stalled: false }] } },
    'flush.final.windows[0].stalled: expected true, or nothing, got false',
  ],
  [
    'more errors than requests',
    {
      final: {
        through: 1,
        windows: [
          {
            second: 1,
            strata: [
              {
                ...cell,
                arms: [
                  [1, 1, 1],
                  [0, 0, 0],
                  [0, 0, 0],
                ],
              },
            ],
          },
        ],
      },
    },
    'flush.final.windows[0].strata[0].arms[0]: expected at most 1 that ended, got 2',
  ],
  [
    'two probabilities',
    packed(({ arms }) => ({ stratum: [0.5, 0.5], arms })),
    'stratum: expected a list of 3',
  ],
  [
    'probabilities that do not add up',
    packed(({ arms }) => ({ stratum: [0.5, 0.5, 0.5], arms })),
    'stratum: expected probabilities that make 1, got [0.5,0.5,0.5]',
  ],
  [
    'a negative probability',
    packed(({ arms }) => ({ stratum: [1.5, -0.5, 0], arms })),
    'stratum[0]: expected a probability, got 1.5',
  ],
  ['two arms', packed(({ stratum }) => ({ stratum, arms: [0, 0] })), 'arms: expected a list of 3, got [0,0]'],
  [
    'a count that is none',
    packed((cell) => {
      cell.arms[2][0] = -1
      return cell
    }),
    'arms[2][0]: expected a count, got -1',
  ],
  [
    'more bins than memory has',
    packed((cell) => {
      cell.arms[2][6] = [1e9]
      return cell
    }),
    'arms[2][6]: expected a number of bins',
  ],
  [
    'a place without a count',
    packed((cell) => {
      cell.arms[2][6] = [2, 1]
      return cell
    }),
    'arms[2][6]: expected a number of bins',
  ],
  [
    'a place outside',
    packed((cell) => {
      cell.arms[2][6] = [2, 2, 1]
      return cell
    }),
    'arms[2][6][1]: expected a bin below 2, in order, got 2',
  ],
  [
    'a place twice',
    packed((cell) => {
      cell.arms[2][6] = [2, 1, 1, 1, 1]
      return cell
    }),
    'arms[2][6][3]: expected a bin below 2, in order, got 1',
  ],
  [
    'more refused than answered',
    packed((cell) => {
      cell.arms[2][2] = 3
      return cell
    }),
    'arms[2][2]: expected at most the 2 answered, got 3',
  ],
])('%s is no flush, and the error names the field', (_, garbage, message) => {
  expect(() => unpackFlush(garbage)).toThrow(RangeError)
  expect(() => unpackFlush(garbage)).toThrow(message)
})

test('any JSON is a flush or an error that says what is wrong', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (garbage) => {
      try {
        unpackFlush(garbage)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        expect((error as Error).message).toMatch(/^flush.*: expected .*, got /)
      }
    }),
  )
})
