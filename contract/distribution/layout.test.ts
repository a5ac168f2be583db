import { describe, expect, test } from 'vitest'
import type { Reference } from '../reference.ts'
import { CHURN } from '../testing/churn-manifest.ts'
import { binsOf, countsOf, distributionRequest, layoutId, misfits, trainedLayout } from './layout.ts'

const REFERENCE: Reference = {
  rows: 1000,
  features: {
    tenure_months: {
      ...{ kind: 'numeric', missing: 0, mean: 30, std: 12 },
      quantiles: { probabilities: [0, 1], values: [0, 120] },
      bins: { edges: [9.5, 30.5], shares: [0.25, 0.25, 0.5] },
    },
    contract: { kind: 'categorical', missing: 0.05, shares: { 'one-year': 0.25, 'two-year': 0.75 } },
    monthly_charges: {
      ...{ kind: 'numeric', missing: 0, mean: 60, std: 12 },
      quantiles: { probabilities: [0, 1], values: [0, 120] },
    },
  },
  score: { edges: [0.2, 0.6], shares: [0.5, 0.25, 0.25] },
  classes: { stay: 0.8, churn: 0.2 },
}

describe('the layout of a version', () => {
  const { layout, trained, unmeasured } = trainedLayout(REFERENCE, CHURN)

  test('has what training tells of, in the order of the contract, then score and class', () => {
    expect(layout.series).toEqual([
      { kind: 'feature', name: 'tenure_months', edges: [9.5, 30.5] },
      { kind: 'feature', name: 'contract', categories: ['one-year', 'two-year'] },
      { kind: 'score', name: 'score', edges: [0.2, 0.6] },
      { kind: 'class', name: 'label', categories: ['stay', 'churn'] },
    ])
    expect(trained[1]).toEqual({ shares: [0.25, 0.75], missing: 0.05 })
    expect(layout.series.map(binsOf)).toEqual([3, 2, 3, 2])
    // Beside the bins of each: unseen, missing, refused.
    expect(countsOf(layout)).toBe(10 + 4 * 3)
  })

  test('says what it cannot count, and why', () => {
    expect(unmeasured).toEqual([
      { name: 'monthly_charges', because: 'reference.json has quantiles of it and no bins' },
      { name: 'paperless', because: 'reference.json does not tell of it' },
    ])
  })

  test('has an id of its own that another order or edge changes', () => {
    const other = trainedLayout(
      { ...REFERENCE, score: { edges: [0.2, 0.5], shares: [0.5, 0.25, 0.25] } },
      CHURN,
    )
    expect(layoutId(trainedLayout(REFERENCE, CHURN).layout)).toBe(layoutId(layout))
    expect(layoutId(other.layout)).not.toBe(layoutId(layout))
  })

  test('is one that a worker takes', () => {
    expect(distributionRequest.safeParse({ layouts: [layout] }).data).toEqual({ layouts: [layout] })
  })
})

test('more than sixteen bins are added up to sixteen of about equal probability', () => {
  const edges = Array.from({ length: 63 }, (_, i) => (i + 1) / 64)
  const of = (shares: number[]) => trainedLayout({ ...REFERENCE, score: { edges, shares } }, CHURN)
  const even = of(Array.from({ length: 64 }, () => 1 / 64))
  expect(even.layout.series[2]).toEqual({
    ...{ kind: 'score', name: 'score' },
    edges: Array.from({ length: 15 }, (_, i) => (i + 1) / 16),
  })
  expect(even.trained[2]!.shares).toEqual(Array.from({ length: 16 }, () => 1 / 16))
  const uneven = of([0.9, ...Array.from({ length: 63 }, () => 0.1 / 63)])
  const { shares } = uneven.trained[2]!
  expect(shares[0]).toBe(0.9)
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
  expect(shares).toHaveLength(binsOf(uneven.layout.series[2]!))
})

test('a summary of another type than the field is left out with the reason, and the rest stays in line', () => {
  const { tenure_months, contract } = REFERENCE.features
  const swapped = {
    ...REFERENCE,
    features: { tenure_months: contract!, contract: tenure_months!, paperless: contract! },
  }
  const { layout, trained, unmeasured } = trainedLayout(swapped, CHURN)
  expect(layout.series.map(({ name }) => name)).toEqual(['tenure_months', 'paperless', 'score', 'label'])
  expect(trained[0]).toEqual({ shares: [0.25, 0.75], missing: 0.05 })
  expect(trained[2]!.shares).toHaveLength(3)
  expect(unmeasured.at(-1)).toEqual({
    name: 'contract',
    because: 'it is of type string, which these bins are not for',
  })
})

test('a version counts nothing of a field that it has not', () => {
  const layout = { series: [{ kind: 'feature' as const, name: 'age', edges: [1] }] }
  expect(misfits(layout, CHURN)).toEqual([{ name: 'age', because: 'the version has no such field' }])
})
