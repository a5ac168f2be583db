import { LATENCY_BOUNDS_SECONDS } from '../data/latency-bounds.ts'
import type { Snapshot } from '../snapshot.ts'
import { counter, histogram, type MetricFamily } from './metrics-family.ts'

/** Explanations, which are no predictions and no evidence. */
export function explainMetrics({ explanations }: Snapshot): MetricFamily[] {
  return [
    counter(
      'coalmine_explain_requests_total',
      'Requests to explain by the version that was asked and their status (499: the client left).',
      explanations.flatMap(({ model, version, codes }) =>
        Object.entries(codes).map(([code, value]) => ({ value, labels: { model, version, code } })),
      ),
    ),
    counter(
      'coalmine_explain_fetches_total',
      'Questions for explanations that were asked for earlier, by the version that has them and their status (202: not yet).',
      explanations.flatMap(({ model, version, fetches }) =>
        Object.entries(fetches).map(([code, value]) => ({ value, labels: { model, version, code } })),
      ),
    ),
    histogram(
      'coalmine_explain_duration_seconds',
      'Time from a request to explain to its answer.',
      explanations.map(({ model, version, latencyBuckets, latencySumSeconds }) => ({
        labels: { model, version },
        bounds: LATENCY_BOUNDS_SECONDS,
        counts: latencyBuckets,
        sum: latencySumSeconds,
      })),
    ),
  ]
}
