import { type Layout, trainedLayout } from '@coalmine/contract/distribution/layout.ts'
import { compileEncoder } from '@coalmine/contract/encode.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import { CHURN } from '@coalmine/contract/testing/churn-manifest.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Tally } from './tally.ts'

const numeric = (edges: number[]) => ({
  ...{ kind: 'numeric' as const, missing: 0, mean: 0, std: 1 },
  quantiles: { probabilities: [0, 1], values: [0, 1] },
  bins: { edges, shares: [1, ...edges.map(() => 0)] },
})
const REFERENCE: Reference = {
  rows: 1,
  features: {
    tenure_months: numeric([0.5, 14, 30.5]),
    contract: { kind: 'categorical', missing: 0, shares: { 'one-year': 0.5, 'two-year': 0.5 } },
    monthly_charges: numeric([20, 74.95]),
    paperless: { kind: 'categorical', missing: 0, shares: { false: 0.5, true: 0.5 } },
  },
  score: { edges: [0.25, 0.5], shares: [0.25, 0.25, 0.5] },
  classes: { stay: 0.5, churn: 0.5 },
}
const { layout } = trainedLayout(REFERENCE, CHURN)
const encode = compileEncoder(CHURN.inputs)

const customer = fc.record({
  tenure_months: fc.constantFrom(0, 1, 13, 14, 15, 30, 31, 120),
  contract: fc.constantFrom('month-to-month', 'one-year', 'two-year'),
  monthly_charges: fc.constantFrom(null, 0, 19.5, 20, 74.95, 80, 500),
  paperless: fc.boolean(),
  score: fc.constantFrom(0, 0.25, 0.4, 0.5, 1, Number.NaN),
})
type Customer = { [Key in keyof typeof REFERENCE.features]: unknown } & { score: number }

/** Scores and classes come from the outputs: here one column, and its class. */
const facts = {
  score: ([scores]: readonly unknown[], row: number) => (scores as Float32Array)[row]!,
  classOf: ([scores]: readonly unknown[], row: number) => ((scores as Float32Array)[row]! >= 0.5 ? 1 : 0),
}
const runOf = (records: readonly Customer[]) => ({
  inputs: encode(records),
  outputs: [Float32Array.from(records, ({ score }) => score)],
  rows: records.length,
})
const tallied = (runs: readonly (readonly Customer[])[], of: Layout = layout): number[] => {
  const tally = new Tally(of, CHURN, facts)
  for (const records of runs) tally.add(runOf(records))
  return [...tally.counts]
}

/** The same by the definition: a value is in the bin numbered by the edges at or below it. */
function byDefinition(records: readonly Customer[]): number[] {
  return layout.series.flatMap((series) => {
    const values = records.map((record) => {
      if (series.kind === 'score') return record.score
      if (series.kind === 'class') return record.score >= 0.5 ? 'churn' : 'stay'
      return series.name === 'monthly_charges' && record.monthly_charges !== null
        ? Math.fround(record.monthly_charges as number)
        : record[series.name]
    })
    const isMissing = (value: unknown) => value === null || Number.isNaN(value)
    const missing = values.filter(isMissing).length
    const present = values.filter((value) => !isMissing(value))
    if ('edges' in series) {
      const bins = [...series.edges, 0].map(
        (_, bin) =>
          present.filter((value) => series.edges.filter((e) => e <= Number(value)).length === bin).length,
      )
      return [...bins, 0, missing, 0]
    }
    const bins = series.categories.map(
      (category) => present.filter((value) => `${value}` === category).length,
    )
    return [...bins, present.length - bins.reduce((a, b) => a + b, 0), missing, 0]
  })
}

test('counts are what the definition says, of any records in any runs', () => {
  fc.assert(
    fc.property(fc.array(fc.array(customer, { minLength: 1, maxLength: 12 }), { maxLength: 8 }), (runs) => {
      expect(tallied(runs)).toEqual(byDefinition(runs.flat()))
    }),
  )
})

test('merging is addition: what two workers saw is what one would have seen', () => {
  const records = fc.array(customer, { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(records, records, (ours, theirs) => {
      const [one, other] = [tallied([ours]), tallied([theirs])]
      expect(one.map((count, i) => count + other[i]!)).toEqual(tallied([[...ours, ...theirs]]))
    }),
  )
})
