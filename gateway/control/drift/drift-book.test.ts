import { CHURN } from '@coalmine/contract/testing/churn-manifest.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DriftBooks } from './drift-book.ts'

const LAYOUT = { series: [{ kind: 'feature' as const, name: 'tenure_months', edges: [30] }] }
/** Two bins, unseen, missing, refused. */
const said = (since: string, ...bins: number[]) => ({ since, counts: [...bins, 0, 0, 0] })
const of = (endpoint: string, bins = '1.0.0') => ({ endpoint, version: '1.0.0', bins, layout: LAYOUT })
const total = (books: DriftBooks, bins = '1.0.0') => [...books.book('1.0.0', bins)!.counts.total].slice(0, 2)

describe('what workers say adds up', () => {
  test('by what is new since they were asked last', () => {
    const books = new DriftBooks()
    books.add(of('a'), said('x', 0, 0), 0)
    books.add(of('b'), said('y', 0, 0), 0)
    books.add(of('a'), said('x', 3, 1), 0)
    books.add(of('b'), said('y', 10, 10), 0)
    books.add(of('a'), said('x', 5, 1), 0)
    expect(total(books)).toEqual([15, 11])
  })

  test('without what somebody else made them count before', () => {
    const books = new DriftBooks()
    books.add(of('a'), said('x', 1_000, 1_000), 0)
    expect(total(books)).toEqual([0, 0])
    books.add(of('a'), said('x', 1_001, 1_000), 0)
    expect(total(books)).toEqual([1, 0])
  })

  test('over the end of a worker, which takes nothing back', () => {
    const books = new DriftBooks()
    books.add(of('a'), said('x', 0, 0), 0)
    books.add(of('a'), said('x', 7, 0), 0)
    books.add(of('a'), said('another', 0, 0), 0)
    books.add(of('a'), said('another', 2, 0), 0)
    expect(total(books)).toEqual([9, 0])
  })

  test('each in its own book where two versions have the same bins', () => {
    const books = new DriftBooks()
    for (const counts of [said('x', 0, 0), said('x', 4, 0)])
      for (const bins of ['1.0.0', '1.1.0']) books.add(of('a', bins), counts, 0)
    expect([total(books), total(books, '1.1.0')]).toEqual([
      [4, 0],
      [4, 0],
    ])
  })

  test('and never falls, whatever they say', () => {
    const answers = fc.array(
      fc.record({
        endpoint: fc.constantFrom('a', 'b'),
        since: fc.constantFrom('x', 'y'),
        counts: fc.array(fc.nat(20), { minLength: 4, maxLength: 6 }),
      }),
    )
    fc.assert(
      fc.property(answers, (all) => {
        const books = new DriftBooks()
        let before = 0
        for (const { endpoint, ...answer } of all) {
          books.add(of(endpoint), answer, 0)
          const sum = books.book('1.0.0', '1.0.0')?.counts.total.reduce((a, b) => a + b, 0) ?? 0
          expect(sum).toBeGreaterThanOrEqual(before)
          before = sum
        }
      }),
    )
  })
})

test('a version that went is forgotten a day after its last record, one that is served never', () => {
  const books = new DriftBooks()
  const DAY_MS = 24 * 60 * 60_000
  for (const counts of [said('x', 0, 0), said('x', 4, 0)]) books.add(of('a'), counts, 0)
  const served = [{ id: 'b', version: '1.1.0' }]
  books.keep(served, '1.1.0', DAY_MS)
  expect(total(books)).toEqual([4, 0])
  books.keep(served, '1.1.0', DAY_MS + 1)
  expect(books.books()).toEqual([])
})

describe('what a worker is to count in', () => {
  const reference = (edges: number[]) => ({
    rows: 1000,
    features: {
      tenure_months: {
        ...{ kind: 'numeric' as const, missing: 0, mean: 30, std: 10 },
        quantiles: { probabilities: [0, 1], values: [0, 120] },
        bins: { edges, shares: edges.length === 0 ? [1] : [0.5, 0.5] },
      },
    },
  })

  test('is the bins of its training, and those of stable beside them', () => {
    const books = new DriftBooks()
    expect(books.wanted('1.1.0', '1.0.0')).toEqual([])
    books.learn('1.1.0', 'sha256:1', CHURN, reference([30]))
    expect(books.wanted('1.1.0', '1.0.0').map(({ bins }) => bins)).toEqual(['1.1.0'])
    books.learn('1.0.0', 'sha256:0', CHURN, reference([40]))
    expect(books.wanted('1.1.0', '1.0.0').map(({ bins }) => bins)).toEqual(['1.1.0', '1.0.0'])
    expect(books.wanted('1.0.0', '1.0.0').map(({ bins }) => bins)).toEqual(['1.0.0'])
  })

  test('is kept for as long as it is that, however little comes', () => {
    const books = new DriftBooks()
    books.learn('1.0.0', 'sha256:0', CHURN, reference([30]))
    books.add(of('a'), said('x', 0, 0), 0)
    books.keep([{ id: 'a', version: '1.0.0' }], '1.0.0', 1e12)
    expect(books.books()).toHaveLength(1)
  })

  test('is nothing where training says nothing', () => {
    const books = new DriftBooks()
    books.learn('1.0.0', 'sha256:0', CHURN, undefined)
    books.learn('1.1.0', 'sha256:1', CHURN, { rows: 1, features: {} })
    expect([books.wanted('1.0.0', undefined), books.wanted('1.1.0', '1.0.0')]).toEqual([[], []])
  })
})
