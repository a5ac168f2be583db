import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Problem } from '@coalmine/contract/problem.ts'
import { compileRecord } from '@coalmine/contract/record.ts'
import { parseReference } from '@coalmine/contract/reference.ts'
import { expect, test } from 'vitest'
import { type Complete, type Customer, customers, logOdds } from './customers.ts'

const MODELS = fileURLToPath(new URL('../../models', import.meta.url))
/** As many as the models were trained on, of whom reference.json says how they are distributed. */
const DRAWN = draw('customers', 16_000)

function draw(seed: string, count: number): Customer[] {
  const next = customers(seed)
  return Array.from({ length: count }, next)
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

test.each(['1.0.0', '1.1.0', '1.2.0'])('every record keeps the contract of churn %s', async (version) => {
  const { manifest } = await loadModelFolder(MODELS, 'churn', version)
  const problems: Problem[] = []
  const validate = compileRecord(manifest.inputs)
  for (const [i, { record }] of DRAWN.entries()) validate(record, [i], problems)
  expect(problems).toEqual([])
  expect(Object.keys(DRAWN[0]!.record)).toEqual(manifest.inputs.map(({ name }) => name))
})

test('equal seeds give equal customers, others others', () => {
  expect(draw('a', 100)).toEqual(draw('a', 100))
  expect(draw('a', 100)).not.toEqual(draw('b', 100))
})

const file = join(MODELS, 'churn/1.0.0/reference.json')
const reference = parseReference(readFileSync(file, 'utf8'), file)

/** Both samples vary: the bounds are five standard errors of their difference. */
const farthest = (deviation: number) => 5 * deviation * Math.sqrt(2 / DRAWN.length)
const nearShare = (ours: number, theirs: number) =>
  expect(Math.abs(ours - theirs)).toBeLessThan(farthest(Math.sqrt(Math.max(theirs * (1 - theirs), 1e-4))))

test.each(Object.entries(reference.features))(
  '%s is distributed as in the training data',
  (name, feature) => {
    const all = DRAWN.map(({ record }) => record[name as keyof typeof record])
    const present = all.filter((value) => value !== null)
    nearShare(1 - present.length / all.length, feature.missing)
    if (feature.kind === 'categorical') {
      const seen = present.map((value) => String(value))
      for (const [word, share] of Object.entries(feature.shares))
        nearShare(seen.filter((each) => each === word).length / seen.length, share)
      return
    }
    const numbers = present as number[]
    expect(Math.abs(mean(numbers) - feature.mean)).toBeLessThan(farthest(feature.std))
    const { probabilities, values } = feature.quantiles
    for (const [i, probability] of probabilities.entries()) {
      const below = numbers.filter((value) => value < values[i]!).length / numbers.length
      const upTo = numbers.filter((value) => value <= values[i]!).length / numbers.length
      const slack = farthest(Math.sqrt(Math.max(probability * (1 - probability), 1e-4)))
      expect(below - slack).toBeLessThan(probability)
      expect(upTo + slack).toBeGreaterThan(probability)
    }
  },
)

test('a quarter paid 15 to 45 % less in the past', () => {
  const ratios = DRAWN.flatMap(({ record: { tenure_months: tenure, monthly_charges, total_charges } }) =>
    tenure < 6 || monthly_charges === null || total_charges === null
      ? []
      : [total_charges / (monthly_charges * tenure)],
  )
  const behind = ratios.filter((ratio) => ratio < 0.93)
  nearShare(behind.length / ratios.length, 0.25)
  expect(Math.min(...behind)).toBeGreaterThan(0.97 / 1.45 - 0.001)
  // The mean of 1 / (1 + rise) over rises from 0.15 to 0.45.
  expect(Math.abs(mean(behind) - Math.log(1.45 / 1.15) / 0.3)).toBeLessThan(0.01)
})

test('as many leave as the model cards say, and it is known as well beforehand', () => {
  const left = mean(DRAWN.map((customer) => customer.left))
  nearShare(left, 0.2635)
  nearShare(mean(DRAWN.map(({ probability }) => probability)), left)
  // The cards' figures of the true probability on 8,000 rows.
  expect(mean(DRAWN.map(({ probability, left }) => (probability - left) ** 2))).toBeCloseTo(0.1131, 2)
  const logLosses = DRAWN.map(
    ({ probability, left }) => -Math.log(left === 1 ? probability : 1 - probability),
  )
  expect(Math.abs(mean(logLosses) - 0.363)).toBeLessThan(0.015)
})

/** Nothing but the constant speaks for or against leaving, but for a trace of the tenure. */
const PLAIN: Complete = {
  tenure_months: 120,
  contract: 'month-to-month',
  monthly_charges: 65,
  total_charges: 7800,
  payment_method: 'credit-card',
  internet_service: 'dsl',
  support_calls: 0,
  data_usage_gb: 100,
  paperless_billing: false,
}

test.each<[string, Partial<Complete>, number]>([
  ['nothing', {}, -2.1],
  ['a new customer', { tenure_months: 0, total_charges: 0 }, -2.1 + 1.8],
  ['eight months', { tenure_months: 8, total_charges: 520 }, -2.1 + 1.8 / Math.E],
  ['a contract of one year', { contract: 'one-year' }, -2.1 - 0.9],
  ['a contract of two years', { contract: 'two-year' }, -2.1 - 1.8],
  ['a price above others', { monthly_charges: 75, total_charges: 9000 }, -2.1 + 0.6],
  ['it, bound by contract', { monthly_charges: 75, total_charges: 9000, contract: 'one-year' }, -2.1 - 0.9],
  ['three calls', { support_calls: 3 }, -2.1],
  ['four calls', { support_calls: 4 }, -2.1 + 1.3],
  [
    'four calls of a new customer',
    { support_calls: 4, tenure_months: 0, total_charges: 0 },
    -2.1 + 1.8 + 1.3 + 1,
  ],
  [
    'four calls after a year',
    { support_calls: 4, tenure_months: 12, total_charges: 780 },
    -0.8 + 1.8 * Math.exp(-1.5),
  ],
  ['fiber that is used', { internet_service: 'fiber', data_usage_gb: 80 }, -2.1],
  ['fiber that is not used', { internet_service: 'fiber', data_usage_gb: 79.9 }, -2.1 + 2.2],
  ['dsl that is not used', { data_usage_gb: 10 }, -2.1],
  ['the plan outgrown', { data_usage_gb: 500.1 }, -2.1 + 1.2],
  ['a plan just not outgrown', { data_usage_gb: 500 }, -2.1],
  ['a recent price rise', { total_charges: 0.869 * 7800 }, -2.1 + 1],
  ['a small price rise', { total_charges: 0.871 * 7800 }, -2.1],
  ['a rise within six months', { tenure_months: 5, total_charges: 100 }, -2.1 + 1.8 * Math.exp(-5 / 8)],
  ['a check', { payment_method: 'electronic-check' }, -2.1 + 0.5],
  ['a check and no paper', { payment_method: 'electronic-check', paperless_billing: true }, -2.1 + 0.9],
  ['no paper alone', { paperless_billing: true }, -2.1],
])('what %s says about leaving', (_, changes, expected) => {
  expect(logOdds({ ...PLAIN, ...changes })).toBeCloseTo(expected, 5)
})
