import { EXTRA, type Series } from '@coalmine/contract/distribution/layout.ts'
import type { Labels, Sample } from '@coalmine/contract/histogram.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type * as Drift from '@coalmine/core/drift/assessment.ts'
import { binNames, samplesOf, trainingSamples } from './drift/comparison.ts'
import type { DriftBooks } from './drift/drift-book.ts'
import { counter, gauge, type MetricFamily } from './metrics-family.ts'

/** What was counted of one model. */
export interface CountedModel {
  readonly model: string
  readonly books: DriftBooks
  manifest(version: string): Manifest | undefined
}

/**
 * Drift as counters that add up over replicas: any window of any of them is a query. `against` says whose bins they are
 * in: `training` the version's own, `stable` those of the stable version, for the comparison of the two.
 */
export function driftMetrics(models: readonly CountedModel[]): MetricFamily[] {
  return [
    counter(
      'coalmine_drift_records_total',
      'Records that workers saw, by the bin of each field, of the score and of the class; (refused) are none of them.',
      models.flatMap(seen),
    ),
    gauge('coalmine_drift_training_records', 'The training rows in the same bins.', models.flatMap(trained)),
  ]
}

function seen({ model, books, manifest }: CountedModel): Sample[] {
  return books.books().flatMap(({ version, bins, counts }) => {
    const [known, contract] = [books.trained(bins), manifest(version)]
    if (known === undefined || known === 'no reference' || contract === undefined) return []
    const labels = { model, version, bins, against: version === bins ? 'training' : 'stable' }
    const samples = samplesOf(counts.total, known.layout, contract)
    return known.layout.series.flatMap((series, i) => samplesIn(series, samples[i]!, labels))
  })
}

function trained({ model, books }: CountedModel): Sample[] {
  const versions = new Set(books.books().map(({ bins }) => bins))
  return [...versions].flatMap((bins) => {
    const known = books.trained(bins)
    if (known === undefined || known === 'no reference') return []
    const samples = trainingSamples(known)
    return known.layout.series.flatMap((series, i) => samplesIn(series, samples[i]!, { model, bins }))
  })
}

/** What is beside the bins stands in brackets, as no category does. Every number is in some bin, none is unseen. */
function samplesIn(series: Series, sample: Drift.Sample, labels: Labels): Sample[] {
  const values: [string, number][] = binNames(series).map((bin, at) => [bin, sample.bins[at]!])
  for (const name of EXTRA)
    if (name !== 'unseen' || 'categories' in series) values.push([`(${name})`, sample[name]])
  return values.map(([bin, value]) => ({
    value,
    labels: { ...labels, kind: series.kind, field: series.name, bin },
  }))
}
