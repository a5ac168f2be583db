import type { EndpointCounts, Snapshot } from '../snapshot.ts'
import { addEndpoints } from './fleet-counts.ts'
import { counter, gauge, type MetricFamily } from './metrics-family.ts'

/** Endpoints of a model that have series of their own. */
const ENDPOINTS_MAX = 64
/** What the others of a version are together. */
const OTHER = 'other'

/** What requests find out about endpoints, and second attempts. */
export function endpointMetrics({ endpoints, secondAttempts, panics }: Snapshot): MetricFamily[] {
  const shown = [...Map.groupBy(endpoints, ({ model }) => model).values()].flatMap(bounded)
  const series = (value: (one: EndpointCounts) => number) =>
    shown.map((one) => ({
      value: value(one),
      labels: { model: one.model, version: one.version, endpoint: one.endpoint },
    }))
  return [
    gauge(
      'coalmine_endpoint_requests_in_flight',
      'Attempts that wait for an endpoint or are under way there.',
      series((one) => one.inFlight),
    ),
    gauge(
      'coalmine_endpoint_requests_waiting',
      'Those of them that wait in the gateway.',
      series((one) => one.waiting),
    ),
    gauge(
      'coalmine_endpoint_requests_limit',
      'Attempts that may be under way at an endpoint, by its latency.',
      series((one) => one.limit),
    ),
    gauge(
      'coalmine_endpoint_ejected',
      '1 while an endpoint is left out for its failures.',
      series((one) => one.ejected),
    ),
    counter(
      'coalmine_endpoint_ejections_total',
      'How often an endpoint was left out for its failures.',
      series((one) => one.ejections),
    ),
    counter(
      'coalmine_endpoint_link_calls_total',
      'Calls of the link: many predictions in one request to a worker.',
      series((one) => one.linkCalls),
    ),
    counter(
      'coalmine_endpoint_link_rows_total',
      'Predictions in those calls.',
      series((one) => one.linkRows),
    ),
    counter(
      'coalmine_endpoint_link_dead_calls_total',
      'Calls of the link that broke: their predictions were asked again, each alone.',
      series((one) => one.deadCalls),
    ),
    counter(
      'coalmine_second_attempts_total',
      'Second attempts at a version: made, or refused by the budget.',
      secondAttempts.flatMap(({ model, version, made, refused }) => [
        { value: made, labels: { model, version, outcome: 'made' } },
        { value: refused, labels: { model, version, outcome: 'refused' } },
      ]),
    ),
    counter(
      'coalmine_endpoint_panics_total',
      'Choices among the endpoints of the stable version that ignored health, as too few were healthy.',
      panics.map(({ model, count }) => ({ value: count, labels: { model } })),
    ),
  ]
}

/** Endpoints of one model, by name, so that the same ones are shown as long as they are there. */
function bounded(endpoints: readonly EndpointCounts[]): EndpointCounts[] {
  if (endpoints.length <= ENDPOINTS_MAX) return [...endpoints]
  const byName = endpoints.toSorted((a, b) => (a.endpoint < b.endpoint ? -1 : 1))
  const others = Map.groupBy(byName.slice(ENDPOINTS_MAX), ({ version }) => version)
  return [
    ...byName.slice(0, ENDPOINTS_MAX),
    ...[...others.values()].map((some) => ({ ...some.reduce(addEndpoints), endpoint: OTHER })),
  ]
}
