import type { Snapshot } from '../snapshot.ts'
import { counter, gauge, type MetricFamily } from './metrics-family.ts'

/** How the data processes are, and what they gave up to stay so. */
export function processMetrics({ process, predictionLog, spans }: Snapshot): MetricFamily[] {
  const one = (value: number) => [{ value, labels: {} }]
  return [
    gauge('coalmine_connections', 'Open connections of clients.', one(process.connections)),
    counter(
      'coalmine_connections_dropped_total',
      'Connections of clients that were one too many.',
      one(process.droppedConnections),
    ),
    gauge(
      'coalmine_overload_level',
      'Of the data process that is worst off: 0 calm, 1 no second attempts, 2 answers close connections, 3 predictions are refused.',
      one(process.overloadLevel),
    ),
    counter('coalmine_shed_total', 'Predictions refused for overload.', one(process.shed)),
    gauge(
      'coalmine_event_loop_delay_seconds',
      '99th percentile of how late the event loop lately was, in the data process where it is highest.',
      one(process.loopDelayP99Ms / 1_000),
    ),
    gauge(
      'coalmine_heap_used_ratio',
      'Share of its heap that is used, in the data process where it is highest.',
      one(process.heapShare),
    ),
    counter(
      'coalmine_log_lines_dropped_total',
      'Lines of the log that nobody took in time.',
      one(process.droppedLogLines),
    ),
    counter(
      'coalmine_prediction_log_events_total',
      'Predictions for the prediction log by what became of them (dropped: the disk did not take them in time).',
      (['written', 'dropped'] as const).map((result) => ({
        value: predictionLog[result],
        labels: { result },
      })),
    ),
    counter(
      'coalmine_trace_spans_total',
      'Spans by what became of them (failed: the collector did not take them; dropped: too many waited for it).',
      (['exported', 'failed', 'dropped'] as const).map((result) => ({
        value: spans[result],
        labels: { result },
      })),
    ),
  ]
}
