import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { IDLE_PROCESS } from '../data/recorder.ts'
import type { EndpointCounts } from '../snapshot.ts'
import { addSnapshots } from './fleet-counts.ts'
import { exposition } from './metrics.ts'
import { endpointMetrics } from './metrics-endpoints.ts'
import { processMetrics } from './metrics-processes.ts'

const ONE: EndpointCounts = {
  ...{ model: 'churn', version: '1.0.0', endpoint: 'churn/1.0.0/0' },
  ...{ inFlight: 5, limit: 64, waiting: 2, ejected: 1, ejections: 3, linkCalls: 10, linkRows: 300 },
  deadCalls: 1,
}
const endpoints = (some: EndpointCounts[]) =>
  exposition(
    endpointMetrics({
      ...addSnapshots([]),
      endpoints: some,
      secondAttempts: [{ model: 'churn', version: '1.0.0', made: 3, refused: 2 }],
      panics: [{ model: 'churn', count: 7 }],
    }),
    new Registry(),
  )

test('every endpoint has its series', async () => {
  const text = await endpoints([ONE])
  const labels = 'model="churn",version="1.0.0",endpoint="churn/1.0.0/0"'
  for (const line of [
    `coalmine_endpoint_requests_in_flight{${labels}} 5`,
    `coalmine_endpoint_requests_waiting{${labels}} 2`,
    `coalmine_endpoint_requests_limit{${labels}} 64`,
    `coalmine_endpoint_ejected{${labels}} 1`,
    `coalmine_endpoint_ejections_total{${labels}} 3`,
    `coalmine_endpoint_link_calls_total{${labels}} 10`,
    `coalmine_endpoint_link_rows_total{${labels}} 300`,
    `coalmine_endpoint_link_dead_calls_total{${labels}} 1`,
    'coalmine_second_attempts_total{model="churn",version="1.0.0",outcome="made"} 3',
    'coalmine_second_attempts_total{model="churn",version="1.0.0",outcome="refused"} 2',
    'coalmine_endpoint_panics_total{model="churn"} 7',
  ])
    expect(text).toContain(`${line}\n`)
})

test('beyond 64 endpoints of a model the others are one series a version, and nothing is lost', async () => {
  const name = (i: number) => `churn/${String(i).padStart(3, '0')}`
  const many = Array.from({ length: 70 }, (_, i) => ({
    ...ONE,
    endpoint: name(i),
    version: i % 2 === 0 ? '1.0.0' : '1.1.0',
  }))
  const more = { ...ONE, model: 'digits', endpoint: 'digits/0' }
  // Whatever order they come in, the same ones are shown.
  const text = await endpoints([...many.toReversed(), more])
  const lines = text.split('\n').filter((line) => line.startsWith('coalmine_endpoint_link_rows_total{'))
  expect(lines).toHaveLength(64 + 2 + 1)
  expect(lines[0]).toContain(`endpoint="${name(0)}"`)
  expect(lines[63]).toContain(`endpoint="${name(63)}"`)
  expect(lines.slice(64)).toEqual([
    'coalmine_endpoint_link_rows_total{model="churn",version="1.0.0",endpoint="other"} 900',
    'coalmine_endpoint_link_rows_total{model="churn",version="1.1.0",endpoint="other"} 900',
    'coalmine_endpoint_link_rows_total{model="digits",version="1.0.0",endpoint="digits/0"} 300',
  ])
})

test('data processes, in base units', async () => {
  const process = {
    ...IDLE_PROCESS,
    ...{ connections: 3, droppedConnections: 4, overloadLevel: 2, shed: 5, loopDelayP99Ms: 12.5 },
    ...{ heapShare: 0.25, droppedLogLines: 6 },
  }
  const text = await exposition(processMetrics({ ...addSnapshots([]), process }), new Registry())
  for (const line of [
    'coalmine_connections 3',
    'coalmine_connections_dropped_total 4',
    'coalmine_overload_level 2',
    'coalmine_shed_total 5',
    'coalmine_event_loop_delay_seconds 0.0125',
    'coalmine_heap_used_ratio 0.25',
    'coalmine_log_lines_dropped_total 6',
  ])
    expect(text).toContain(`${line}\n`)
})
