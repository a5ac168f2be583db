import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { probabilities, thresholds } from '../routing/draw.ts'
import {
  addCounts,
  type EarlyCounts,
  firstFilled,
  GROUPS,
  type Group,
  type GroupCounts,
  mergeWindows,
  NO_EARLY_COUNTS,
  stratumKey,
  type Window,
} from './counts.ts'

const runs = { seed: 12, numRuns: 100 }
const aCount = fc.nat(1000)
const someBins = (length: number) =>
  fc.oneof(fc.constant([]), fc.array(aCount, { minLength: length, maxLength: length }))

const someCounts: { readonly [G in Group]: fc.Arbitrary<GroupCounts[G]> } = {
  early: fc.record({
    requests: aCount,
    errors: aCount,
    rejected: aCount,
    latency: someBins(5),
    cut: someBins(5),
    slow: aCount,
    scores: someBins(4),
    knots: someBins(3),
    classes: someBins(2),
  }),
  final: fc.record({ requests: aCount, errors: aCount, aborted: aCount }),
  labels: fc.record({ labelled: aCount, wrong: aCount }),
}

/** Arrays of any kind, so that only what is in them is compared. */
const plain = (counts: object) =>
  Object.fromEntries(
    Object.entries(counts).map(([key, value]) => [
      key,
      typeof value === 'number' ? value : Array.from(value),
    ]),
  )

describe.each(GROUPS)('adding %s counts', (group) => {
  test('does not depend on order or grouping', () => {
    const counts = someCounts[group]
    const add = (a: GroupCounts[Group], b: GroupCounts[Group]) => addCounts(group, a as never, b as never)
    fc.assert(
      fc.property(counts, counts, counts, (a, b, c) => {
        expect(plain(add(a, b))).toEqual(plain(add(b, a)))
        expect(plain(add(add(a, b), c))).toEqual(plain(add(a, add(b, c))))
      }),
      runs,
    )
  })
})

test('nothing added to early counts leaves them as they are', () => {
  const counts: EarlyCounts = { ...NO_EARLY_COUNTS, requests: 3, errors: 1, latency: [0, 2], cut: [1, 0] }
  expect(plain(addCounts('early', counts, NO_EARLY_COUNTS))).toEqual(plain(counts))
})

describe('merged windows', () => {
  const [low, high] = [probabilities(thresholds(500, 500)), probabilities(thresholds(2500, 2500))]
  const of = (requests: number) => ({ requests, errors: 0, aborted: 0 })
  const cell = (stratum: typeof low, canary: number) => ({
    stratum,
    arms: { stable: of(0), baseline: of(0), canary: of(canary) },
  })
  const window = (second: number, ...strata: Window<'final'>['strata']): Window<'final'> => ({
    second,
    strata,
  })
  const canaries = (windows: readonly Window<'final'>[]) =>
    windows.map(({ second, strata }) => [second, ...strata.map(({ arms }) => arms.canary.requests)])

  test('have each second once, in order, and in it each stratum once, lowest probability first', () => {
    const merged = mergeWindows('final', [
      [window(1, cell(high, 1), cell(low, 10)), window(3, cell(low, 2))],
      [window(2, cell(low, 5)), window(1, cell(low, 20))],
    ])
    expect(canaries(merged)).toEqual([
      [1, 30, 1],
      [2, 5],
      [3, 2],
    ])
  })

  test('are the same for every order of the processes', () => {
    const shards = [
      [window(1, cell(low, 1)), window(2, cell(high, 4))],
      [window(1, cell(high, 2))],
      [window(2, cell(low, 8)), window(1, cell(low, 16))],
    ]
    const merged = mergeWindows('final', shards)
    expect(mergeWindows('final', shards.toReversed())).toEqual(merged)
    expect(mergeWindows('final', [merged])).toEqual(merged)
  })

  test('of no processes are none', () => {
    expect(mergeWindows('early', [])).toEqual([])
  })

  test('equal probabilities are one stratum, whichever table drew', () => {
    expect(stratumKey(probabilities(thresholds(500, 500)))).toBe(stratumKey({ ...low }))
    expect(stratumKey(low)).not.toBe(stratumKey(probabilities(thresholds(500, 0))))
  })
})

test('the first place with a count is looked for between two places', () => {
  const counts = Uint16Array.of(0, 3, 0, 0, 1, 0)
  expect([0, 1, 2, 5].map((from) => firstFilled(counts, from, 6))).toEqual([1, 1, 4, 6])
  expect(firstFilled(counts, 2, 4)).toBe(4)
  expect(firstFilled(counts, 6, 6)).toBe(6)
})
