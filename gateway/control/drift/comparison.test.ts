import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import { VERDICTS } from '@coalmine/core/drift/assessment.ts'
import { beforeEach, describe, expect, test } from 'vitest'
import { againstStable, againstTraining, type Comparison } from './comparison.ts'
import { DriftBooks } from './drift-book.ts'

const MODELS = join(fileURLToPath(new URL('../../..', import.meta.url)), 'models')
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = 1_700_000_000_000

let books: DriftBooks
let manifest: Manifest
let reference: Reference
beforeEach(async () => {
  books = new DriftBooks()
  const folder = await loadModelFolder(MODELS, 'churn', '1.0.0')
  manifest = folder.manifest
  reference = folder.reference!
  for (const version of ['1.0.0', '1.1.0']) books.learn(version, folder.digest, manifest, reference)
})

/** A worker of the version sees records as in training, so many; of one field all in its first bin. */
function sees(version: string, bins: string, records: number, nowMs: number, strange?: string) {
  const trained = books.trained(bins)
  if (trained === undefined || trained === 'no reference') throw new Error('unknown')
  const { layout } = trained
  const counts = trained.trained.flatMap(({ shares, missing }, i) => [
    ...shares.map((share, bin) =>
      layout.series[i]!.name === strange
        ? bin === 0
          ? records
          : 0
        : Math.round(share * (1 - missing) * records),
    ),
    ...[0, Math.round(missing * records), 0],
  ])
  const one = { endpoint: `${version} ${nowMs} ${bins}`, version, bins, layout }
  books.add(one, { since: 'x', counts: counts.map(() => 0) }, nowMs)
  books.add(one, { since: 'x', counts }, nowMs)
}

const of = (version: string, more: object = {}) => ({ version, manifest, ...more })
const because = (comparison: Comparison) => (comparison.measured ? 'measured' : comparison.because)
const measured = (comparison: Comparison) => {
  if (!comparison.measured) throw new Error(comparison.because)
  return comparison
}

describe('the time that is looked back at', () => {
  test('is the shortest with enough records', () => {
    sees('1.0.0', '1.0.0', 5_000, START)
    const at = (nowMs: number) => measured(againstTraining(books, of('1.0.0'), nowMs))
    expect(at(START + 30 * MINUTE)).toMatchObject({ windowMs: HOUR, verdict: 'steady' })
    expect(at(START + 3 * HOUR)).toMatchObject({ windowMs: 6 * HOUR, verdict: 'steady' })
    expect(at(START + 20 * HOUR)).toMatchObject({ windowMs: 24 * HOUR, verdict: 'steady' })
    expect(at(START + 30 * HOUR)).toMatchObject({ windowMs: 24 * HOUR, verdict: 'too-few' })
  })

  test('is long enough for both versions', () => {
    sees('1.1.0', '1.0.0', 5_000, START + 4 * HOUR)
    sees('1.0.0', '1.0.0', 5_000, START)
    const stable = againstStable(books, of('1.1.0'), of('1.0.0'), START + 4 * HOUR)
    expect(measured(stable)).toMatchObject({ windowMs: 6 * HOUR, verdict: 'steady' })
  })
})

test('the worst comes first, and of two that are alike the farther', () => {
  sees('1.1.0', '1.0.0', 1_000, START, 'support_calls')
  sees('1.0.0', '1.0.0', 1_000, START, 'contract')
  for (const [first, comparison] of [
    ['contract', againstTraining(books, of('1.0.0'), START)],
    ['support_calls', againstStable(books, of('1.1.0'), of('1.0.0'), START)],
  ] as const) {
    const { series, verdict } = measured(comparison)
    const ranks = series.map(({ verdict: one, psi = 0 }) => [VERDICTS.indexOf(one), psi] as const)
    expect(ranks).toEqual(ranks.toSorted((a, b) => b[0] - a[0] || b[1] - a[1]))
    expect([verdict, series[0]!.verdict, series[0]!.series.name]).toEqual(['drifted', 'drifted', first])
  }
})

describe('what cannot be said is said so', () => {
  test('with the reason', () => {
    const now = START
    expect(because(againstTraining(books, of('1.0.0', { silent: 'no workers of ours' }), now))).toBe(
      'no workers of ours',
    )
    expect(because(againstTraining(books, of('2.0.0'), now))).toBe('no worker of 2.0.0 has been asked yet')
    books.learn('2.0.0', 'sha256:2', manifest, undefined)
    expect(because(againstTraining(books, of('2.0.0'), now))).toMatch(/^2\.0\.0 has no reference\.json/)
    expect(because(againstStable(books, of('1.0.0'), of('1.0.0'), now))).toBe('1.0.0 is the stable version')
    expect(because(againstStable(books, of('1.0.0'), undefined, now))).toBe('no version is stable')
  })

  test('for a feature alone: one that training does not tell of, one that the other version has not', () => {
    const { support_calls, ...features } = reference.features
    if (support_calls?.kind !== 'numeric') throw new Error('unexpected')
    const { bins, ...binless } = support_calls
    books.learn('1.1.0', 'x', manifest, { ...reference, features: { ...features, support_calls: binless } })
    sees('1.1.0', '1.1.0', 1_000, START)
    expect(measured(againstTraining(books, of('1.1.0'), START)).unmeasured).toEqual([
      { name: 'support_calls', because: 'reference.json has quantiles of it and no bins' },
    ])
    const without = { ...manifest, inputs: manifest.inputs.filter(({ name }) => name !== 'support_calls') }
    sees('1.1.0', '1.0.0', 1_000, START)
    sees('1.0.0', '1.0.0', 1_000, START)
    const stable = measured(againstStable(books, of('1.1.0', { manifest: without }), of('1.0.0'), START))
    expect(stable.unmeasured).toEqual([{ name: 'support_calls', because: 'the version has no such field' }])
    expect(stable.series.map(({ series }) => series.name)).not.toContain('support_calls')
  })
})

test('a field with a shape has as many records as the others', async () => {
  const { manifest: digits, reference: trained } = await loadModelFolder(MODELS, 'digits', '1.0.0')
  books.learn('3.0.0', 'x', digits, trained)
  const known = books.trained('3.0.0')
  if (known === undefined || known === 'no reference') throw new Error('unknown')
  const { layout } = known
  // Ten images of 64 pixels, all of them blank.
  const counts = layout.series.flatMap((series) =>
    'edges' in series
      ? [640, ...series.edges.map(() => 0), 0, 0, 0]
      : [10, ...series.categories.slice(1).map(() => 0), 0, 0, 0],
  )
  const one = { endpoint: 'a', version: '3.0.0', bins: '3.0.0', layout }
  books.add(one, { since: 'x', counts: counts.map(() => 0) }, START)
  books.add(one, { since: 'x', counts }, START)
  const { series } = measured(againstTraining(books, { version: '3.0.0', manifest: digits }, START))
  // Shares are written with nine digits.
  const rounded = series.map(({ series: { name }, records }) => [
    name,
    records.live,
    Math.round(records.against),
  ])
  expect(rounded).toEqual([
    ['label', 10, 1257],
    ['pixels', 10, 1257],
  ])
})
