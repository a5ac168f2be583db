import { AggregatorRegistry, type Registry } from 'prom-client'
import { LATENCY_BOUNDS_SECONDS, OUTCOMES, scoreBounds } from '../data/recorder.ts'
import type { ArmCounts, Snapshot } from '../snapshot.ts'
import { counter, gauge, histogram, type MetricFamily } from './metrics-family.ts'

export interface ArmWeight {
  model: string
  version: string
  arm: string
  configured: number
  /** Share of the draws of the last minute; absent while there were none. */
  observed?: number
}

export interface EndpointHealth {
  model: string
  version: string
  healthy: number
  unhealthy: number
}

/** The exposition of `/metrics`: what is given, and control's own process metrics. */
export async function exposition(families: readonly MetricFamily[], own: Registry): Promise<string> {
  const ownJson = (await own.getMetricsAsJSON()) as unknown as MetricFamily[]
  return AggregatorRegistry.aggregate([families, ownJson] as never).metrics()
}

export function fleetMetrics({ arms, responses, unrouted, inFlight }: Snapshot): MetricFamily[] {
  const labelsOf = ({ model, version, arm }: ArmCounts) => ({ model, version, arm })
  return [
    counter(
      'coalmine_requests_total',
      'First attempts by the arm drawn, its version and what became of them.',
      arms.flatMap((a) =>
        OUTCOMES.map((outcome) => ({ value: a.outcomes[outcome] ?? 0, labels: { ...labelsOf(a), outcome } })),
      ),
    ),
    histogram(
      'coalmine_request_duration_seconds',
      'Time from the whole request to the end of its first attempt.',
      arms.map((a) => ({
        labels: labelsOf(a),
        bounds: LATENCY_BOUNDS_SECONDS,
        counts: a.latencyBuckets,
        sum: a.latencySumSeconds,
      })),
    ),
    histogram(
      'coalmine_score',
      'Scores of the answers, over the range that the model manifest declares.',
      arms
        .filter((a) => a.scoreRange)
        .map((a) => ({
          labels: labelsOf(a),
          bounds: scoreBounds(a.scoreRange!),
          counts: [...a.scoreBuckets, 0],
          sum: a.scoreSum,
        })),
    ),
    counter(
      'coalmine_responses_total',
      'Answers to clients by the version that gave them and their status.',
      responses.map(({ model, version, code, count }) => ({
        value: count,
        labels: { model, version, code },
      })),
    ),
    counter(
      'coalmine_unrouted_total',
      'Requests that were not drawn, by reason.',
      unrouted.map(({ reason, count }) => ({ value: count, labels: { reason } })),
    ),
    gauge('coalmine_requests_in_flight', 'Predictions being answered.', [{ value: inFlight, labels: {} }]),
  ]
}

export function clientMetrics({ clients }: Snapshot): MetricFamily[] {
  const outcomes = ['admitted', 'limited', 'forbidden'] as const
  return [
    counter(
      'coalmine_client_requests_total',
      'Requests by the client whose key they had, and by what became of them at the entrance.',
      clients.flatMap(({ client, ...counts }) =>
        outcomes.map((outcome) => ({ value: counts[outcome], labels: { client, outcome } })),
      ),
    ),
  ]
}

export function weightMetrics(weights: readonly ArmWeight[]): MetricFamily[] {
  const of = ({ model, version, arm }: ArmWeight) => ({ model, version, arm })
  return [
    gauge(
      'coalmine_weight_configured',
      'Share of the traffic an arm should get, 0 to 1.',
      weights.map((w) => ({ value: w.configured, labels: of(w) })),
    ),
    gauge(
      'coalmine_weight_observed',
      'Share of the draws of the last minute that an arm got, 0 to 1.',
      weights.filter((w) => w.observed !== undefined).map((w) => ({ value: w.observed!, labels: of(w) })),
    ),
  ]
}

export function healthMetrics(health: readonly EndpointHealth[]): MetricFamily[] {
  return [
    gauge(
      'coalmine_endpoints',
      'Endpoints by version and health.',
      health.flatMap(({ model, version, healthy, unhealthy }) => [
        { value: healthy, labels: { model, version, health: 'healthy' } },
        { value: unhealthy, labels: { model, version, health: 'unhealthy' } },
      ]),
    ),
  ]
}

/** Windows of a running rollout that control itself could not use. */
export interface IntakeLosses {
  model: string
  /** They came when their second was released already, or from a recorder that was given up. */
  late: number
  /** No tick could be committed for so long. */
  givenUp: number
}

export function lossMetrics({ recordings }: Snapshot, intakes: readonly IntakeLosses[]): MetricFamily[] {
  const series = (model: string, why: string, value: number) => ({ value, labels: { model, why } })
  return [
    counter(
      'coalmine_evidence_dropped_total',
      'What no comparison rests on, with all arms: requests not recorded, outcomes and windows too late, seconds given up.',
      [
        ...recordings.flatMap(({ model, unrecorded, dropped }) => [
          series(model, 'unrecorded', unrecorded),
          series(model, 'dropped', dropped),
        ]),
        ...intakes.flatMap(({ model, late, givenUp }) => [
          series(model, 'late', late),
          series(model, 'given-up', givenUp),
        ]),
      ],
    ),
    counter(
      'coalmine_evidence_stalled_seconds_total',
      'Seconds of evidence in which a data process stood still: their latencies accuse and acquit no version.',
      recordings.map(({ model, stalledSeconds }) => ({ value: stalledSeconds, labels: { model } })),
    ),
  ]
}
