import { expect, test } from 'vitest'
import { Histogram, histogramSamples } from './histogram.ts'

test('a value counts below the first bound that it does not exceed', () => {
  const histogram = new Histogram([1, 2])
  for (const value of [0.5, 1, 1.5, 2, 7]) histogram.observe(value)
  expect([...histogram.counts]).toEqual([2, 2, 1])
  expect(histogram.sum).toBe(12)
})

test('Prometheus gets cumulative buckets, sum and count', () => {
  const labels = { model: 'churn' }
  expect(histogramSamples('rows', { bounds: [1, 2], counts: [2, 2, 1], sum: 12 }, labels)).toEqual([
    { metricName: 'rows_bucket', labels: { model: 'churn', le: 1 }, value: 2 },
    { metricName: 'rows_bucket', labels: { model: 'churn', le: 2 }, value: 4 },
    { metricName: 'rows_bucket', labels: { model: 'churn', le: '+Inf' }, value: 5 },
    { metricName: 'rows_sum', labels, value: 12 },
    { metricName: 'rows_count', labels, value: 5 },
  ])
})
