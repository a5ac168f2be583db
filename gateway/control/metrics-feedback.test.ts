import { expect, test } from 'vitest'
import type { Snapshot, TruthCounts } from '../snapshot.ts'
import { addSnapshots } from './fleet-counts.ts'
import { feedbackMetrics } from './metrics-feedback.ts'

const truths = (arm: string, right: number, wrong: number): TruthCounts => ({
  ...{ model: 'churn', version: '1.0.0', arm, right, wrong },
  delayBuckets: [right, wrong, 0, 0, 0, 0, 0, 0, 0, 0],
  delaySumSeconds: right + wrong,
})
const snapshot = (more: Partial<Snapshot>): Snapshot => ({ ...addSnapshots([]), ...more })
const valuesOf = (name: string, of: ReturnType<typeof feedbackMetrics>) =>
  of
    .find((family) => family.name === name)!
    .values.map(({ labels, value }) => [...Object.values(labels), value])

test('truths of all processes add up, by reason, version and arm', () => {
  const one = { model: 'churn', result: 'accepted', count: 3 }
  const sum = addSnapshots([
    snapshot({ feedback: [one, { ...one, result: 'forged', count: 1 }], truths: [truths('canary', 2, 1)] }),
    snapshot({ feedback: [one], truths: [truths('canary', 1, 1), truths('stable', 5, 0)] }),
  ])
  const metrics = feedbackMetrics(sum, [
    { model: 'churn', results: { counted: 4, repeated: 1, late: 2, other_rollout: 0, full: 0 } },
  ])
  expect(valuesOf('coalmine_feedback_total', metrics)).toEqual([
    ['churn', 'accepted', 6],
    ['churn', 'forged', 1],
  ])
  expect(valuesOf('coalmine_labels_total', metrics)).toEqual([
    ['churn', '1.0.0', 'canary', 'right', 3],
    ['churn', '1.0.0', 'canary', 'wrong', 2],
    ['churn', '1.0.0', 'stable', 'right', 5],
    ['churn', '1.0.0', 'stable', 'wrong', 0],
  ])
  expect(valuesOf('coalmine_rollout_labels_total', metrics)).toContainEqual(['churn', 'late', 2])
  const delays = metrics.find(({ name }) => name === 'coalmine_label_delay_seconds')!.values
  expect(delays.filter(({ metricName }) => metricName?.endsWith('_count')).map(({ value }) => value)).toEqual(
    [5, 5],
  )
})
