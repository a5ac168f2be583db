import { Sampler, seedBytes } from '../../bench/decisions/sample.ts'

/** The share of customers with each. */
const CONTRACTS = { 'month-to-month': 0.55, 'one-year': 0.22, 'two-year': 0.23 }
const INTERNET = { none: 0.2, dsl: 0.35, fiber: 0.45 }
const PAYMENTS = {
  'electronic-check': 0.34,
  'mailed-check': 0.22,
  'bank-transfer': 0.22,
  'credit-card': 0.22,
}

/** What the churn models are asked about; units as in their manifests. */
export interface ChurnRecord {
  tenure_months: number
  contract: keyof typeof CONTRACTS
  monthly_charges: number | null
  total_charges: number | null
  payment_method: keyof typeof PAYMENTS
  internet_service: keyof typeof INTERNET | null
  support_calls: number
  data_usage_gb: number
  paperless_billing: boolean
}

/** A customer with what nobody knows of a real one in advance. */
export interface Customer {
  record: ChurnRecord
  /** Whether the customer leaves within 30 days: the true label, as the models number labels. */
  left: 0 | 1
  /** The true probability of it. */
  probability: number
}

/** Everything about a customer; the record may have lost some of it. */
export type Complete = { [Field in keyof ChurnRecord]: NonNullable<ChurnRecord[Field]> }

const MEAN_TENURE = { 'month-to-month': 20, 'one-year': 40, 'two-year': 56 }
const CHARGES = {
  none: { mean: 22, deviation: 4 },
  dsl: { mean: 54, deviation: 11 },
  fiber: { mean: 84, deviation: 16 },
}

/**
 * An endless stream of customers, drawn as those that the churn models were trained on (training/customers.py),
 * with the same formula for who leaves; equal seeds give equal streams.
 */
export function customers(seed: string): () => Customer {
  const sampler = new Sampler(seedBytes(seed))
  return () => {
    const complete = drawComplete(sampler)
    const probability = 1 / (1 + Math.exp(-logOdds(complete)))
    const left = sampler.uniform() < probability ? 1 : 0
    return { record: withGaps(sampler, complete), left, probability }
  }
}

function drawComplete(sampler: Sampler): Complete {
  const contract = choose(sampler, CONTRACTS)
  const internet = choose(sampler, INTERNET)
  const payment = choose(sampler, PAYMENTS)
  const paperless = sampler.uniform() < (payment === 'mailed-check' ? 0.25 : 0.68)
  const tenure = Math.min(Math.floor((sampler.gamma(1.4) * MEAN_TENURE[contract]) / 1.4), 120)
  const { mean, deviation } = CHARGES[internet]
  const monthly = rounded(Math.min(500, Math.max(10, mean + deviation * sampler.normal())), 2)
  // A quarter paid less in the past: their total lags behind their tenure at today's price.
  const rise = sampler.uniform() < 0.25 ? 0.15 + 0.3 * sampler.uniform() : 0
  const total = rounded((monthly / (1 + rise)) * tenure * (0.97 + 0.06 * sampler.uniform()), 2)
  const calls = sampler.poisson(sampler.gamma(1.2) * (internet === 'fiber' ? 1.9 : 1.3))
  const usage = internet === 'none' ? 0 : sampler.logNormal(internet === 'fiber' ? 190 : 90, 0.9)
  return {
    tenure_months: tenure,
    contract,
    monthly_charges: monthly,
    total_charges: total,
    payment_method: payment,
    internet_service: internet,
    support_calls: Math.min(calls, 50),
    data_usage_gb: rounded(Math.min(usage, 5000), 1),
    paperless_billing: paperless,
  }
}

/** Of leaving within 30 days, as the model cards have it and explain it. */
export function logOdds(customer: Complete): number {
  const { tenure_months: tenure, contract, monthly_charges: monthly, internet_service: internet } = customer
  const freeToGo = contract === 'month-to-month'
  const check = customer.payment_method === 'electronic-check'
  const manyCalls = customer.support_calls >= 4
  let z = -2.1 + 1.8 * Math.exp(-tenure / 8)
  if (contract === 'one-year') z -= 0.9
  if (contract === 'two-year') z -= 1.8
  if (freeToGo) z += 0.06 * (monthly - 65)
  if (manyCalls) z += 1.3
  if (manyCalls && tenure < 12) z += 1
  if (internet === 'fiber' && customer.data_usage_gb < 80) z += 2.2
  if (customer.data_usage_gb > 500) z += 1.2
  if (tenure >= 6 && customer.total_charges < 0.87 * monthly * tenure) z += 1
  if (check) z += 0.5
  if (check && customer.paperless_billing) z += 0.4
  return z
}

/** Values go missing at random once the outcome is settled; before the first bill there is no total. */
function withGaps(sampler: Sampler, complete: Complete): ChurnRecord {
  const lost = (share: number) => sampler.uniform() < share
  const record: ChurnRecord = { ...complete }
  if (lost(0.04)) record.monthly_charges = null
  if (lost(0.03) || complete.tenure_months === 0) record.total_charges = null
  if (lost(0.05)) record.internet_service = null
  return record
}

/** One of the words, each as often as its share; the shares sum to 1. */
function choose<Word extends string>(sampler: Sampler, shares: Record<Word, number>): Word {
  const words = Object.keys(shares) as Word[]
  let rest = sampler.uniform()
  for (const word of words) {
    rest -= shares[word]
    if (rest < 0) return word
  }
  return words.at(-1)!
}

function rounded(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals
}
