import { DELAY_BOUNDS_SECONDS } from '../data/feedback.ts'
import type { Snapshot, TruthCounts } from '../snapshot.ts'
import { counter, histogram, type MetricFamily } from './metrics-family.ts'
import { LABEL_RESULTS, type LabelResult } from './rollouts/ground-truth.ts'

/** What control did with the labels of a running rollout. */
export interface RolloutLabels {
  readonly model: string
  readonly results: Readonly<Record<LabelResult, number>>
}

export function feedbackMetrics(
  { feedback, truths }: Snapshot,
  rollouts: readonly RolloutLabels[],
): MetricFamily[] {
  const of = ({ model, version, arm }: TruthCounts) => ({ model, version, arm })
  return [
    counter(
      'coalmine_feedback_total',
      'Truths that clients sent, by what became of them: accepted, or why refused. invalid counts requests.',
      feedback.map(({ model, result, count }) => ({ value: count, labels: { model, result } })),
    ),
    counter(
      'coalmine_labels_total',
      'Accepted truths that could be compared, by the version that had answered and whether it was right.',
      truths.flatMap((one) =>
        (['right', 'wrong'] as const).map((answer) => ({
          value: one[answer],
          labels: { ...of(one), answer },
        })),
      ),
    ),
    histogram(
      'coalmine_label_delay_seconds',
      'From the prediction to its truth: when it was observed where the client says so, else when it came.',
      truths.map((one) => ({
        labels: of(one),
        bounds: DELAY_BOUNDS_SECONDS,
        counts: one.delayBuckets,
        sum: one.delaySumSeconds,
      })),
    ),
    counter(
      'coalmine_rollout_labels_total',
      'Labels that reached the running rollout. counted: kept until their request is as old as the label window.',
      rollouts.flatMap(({ model, results }) =>
        LABEL_RESULTS.map((result) => ({ value: results[result], labels: { model, result } })),
      ),
    ),
  ]
}
