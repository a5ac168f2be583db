import { type Counts, histogramSamples, type Labels, type Sample } from '@coalmine/contract/histogram.ts'

/** A metric with all of its series, as prom-client aggregates them. */
export interface MetricFamily {
  name: string
  help: string
  type: 'counter' | 'histogram' | 'gauge'
  values: Sample[]
  aggregator: 'sum'
}

export function counter(name: string, help: string, values: Sample[]): MetricFamily {
  return { name, help, type: 'counter', values, aggregator: 'sum' }
}

export function gauge(name: string, help: string, values: Sample[]): MetricFamily {
  return { name, help, type: 'gauge', values, aggregator: 'sum' }
}

export function histogram(
  name: string,
  help: string,
  series: readonly (Counts & { labels: Labels })[],
): MetricFamily {
  const values = series.flatMap((counts) => histogramSamples(name, counts, counts.labels))
  return { name, help, type: 'histogram', values, aggregator: 'sum' }
}

/** One series for each state, 1 for the one that it is in. */
export function stateSet(
  label: string,
  states: readonly string[],
  current: string,
  labels: Labels,
): Sample[] {
  return states.map((state) => ({ value: state === current ? 1 : 0, labels: { ...labels, [label]: state } }))
}
