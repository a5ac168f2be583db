import { AggregatorRegistry, type Registry } from 'prom-client'
import { LATENCY_BOUNDS_SECONDS, OUTCOMES, scoreBounds } from '../data/recorder.ts'
import type { ArmCounts, Snapshot } from '../messages.ts'
import { counter, gauge, histogram, type MetricFamily } from './metrics-family.ts'

/** A data process sends each second; what one silent this long had in flight is gone. */
const SILENT_MS = 10_000
/** Processes whose counts are kept apart; a longer silence than all of these is an end. */
const MAX_PROCESSES = 64

/**
 * Adds up what the data processes counted. A snapshot replaces the earlier one of its process, and that of a
 * process that ended stays, so that counters never fall while control lives.
 */
export class FleetCounts {
  readonly #processes = new Map<string, { snapshot: Snapshot; heardMs: number }>()
  #ended: Snapshot = { arms: [], responses: [], unrouted: [], recordings: [], inFlight: 0 }

  /** @returns whether the process was not known before: what it counted until now did not happen lately */
  update(incarnation: string, snapshot: Snapshot, nowMs: number): boolean {
    const isNew = !this.#processes.delete(incarnation)
    this.#processes.set(incarnation, { snapshot, heardMs: nowMs })
    if (this.#processes.size <= MAX_PROCESSES) return isNew
    const [oldest] = this.#processes.keys()
    this.#ended = { ...addSnapshots([this.#ended, this.#processes.get(oldest!)!.snapshot]), inFlight: 0 }
    this.#processes.delete(oldest!)
    return isNew
  }

  total(nowMs: number): Snapshot {
    const snapshots = [...this.#processes.values()].map(({ snapshot, heardMs }) =>
      nowMs - heardMs < SILENT_MS ? snapshot : { ...snapshot, inFlight: 0 },
    )
    return addSnapshots([this.#ended, ...snapshots])
  }
}

export function addSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  return {
    arms: sumBy(
      snapshots.flatMap((s) => s.arms),
      (a) => `${a.model}\n${a.arm}\n${a.version}`,
      addArms,
    ),
    responses: sumBy(
      snapshots.flatMap((s) => s.responses),
      (r) => `${r.model}\n${r.version}\n${r.code}`,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    unrouted: sumBy(
      snapshots.flatMap((s) => s.unrouted),
      (u) => u.reason,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    recordings: sumBy(
      snapshots.flatMap((s) => s.recordings),
      (r) => r.model,
      (a, b) => ({ ...a, unrecorded: a.unrecorded + b.unrecorded, dropped: a.dropped + b.dropped }),
    ),
    inFlight: snapshots.reduce((sum, s) => sum + s.inFlight, 0),
  }
}

function sumBy<T>(items: readonly T[], key: (item: T) => string, add: (a: T, b: T) => T): T[] {
  const sums = new Map<string, T>()
  for (const item of items) {
    const k = key(item)
    const sum = sums.get(k)
    sums.set(k, sum === undefined ? item : add(sum, item))
  }
  return [...sums.values()]
}

function addArms(a: ArmCounts, b: ArmCounts): ArmCounts {
  const add = (x: readonly number[], y: readonly number[]) => x.map((n, i) => n + (y[i] ?? 0))
  return {
    ...a,
    outcomes: Object.fromEntries(OUTCOMES.map((o) => [o, (a.outcomes[o] ?? 0) + (b.outcomes[o] ?? 0)])),
    latencyBuckets: add(a.latencyBuckets, b.latencyBuckets),
    latencySumSeconds: a.latencySumSeconds + b.latencySumSeconds,
    scoreBuckets: add(a.scoreBuckets, b.scoreBuckets),
    scoreSum: a.scoreSum + b.scoreSum,
  }
}

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
  ]
}
