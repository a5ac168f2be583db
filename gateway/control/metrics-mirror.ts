import { MIRROR_RESULTS } from '../data/mirror.ts'
import type { Snapshot } from '../snapshot.ts'
import { counter, type MetricFamily } from './metrics-family.ts'

/** Copies of requests, whose answers nobody got. */
export function mirrorMetrics({ mirrored }: Snapshot): MetricFamily[] {
  return [
    counter(
      'coalmine_mirrored_requests_total',
      'Requests drawn to be copied by what became of it (compared: with the canary; floor: stable with itself; overload, limit, full: not copied; void: an answer is not known).',
      mirrored.flatMap(({ model, results }) =>
        MIRROR_RESULTS.map((result) => ({ value: results[result] ?? 0, labels: { model, result } })),
      ),
    ),
  ]
}
