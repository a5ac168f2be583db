import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { LATENCY_BOUNDS_SECONDS, Recorder } from '../data/recorder.ts'
import type { Snapshot } from '../snapshot.ts'
import { addSnapshots, FleetCounts } from './fleet-counts.ts'
import { exposition, fleetMetrics, healthMetrics, lossMetrics, weightMetrics } from './metrics.ts'

function recorded(work: (recorder: Recorder) => void) {
  const recorder = new Recorder()
  work(recorder)
  return recorder.snapshot()
}

const one = recorded((r) => {
  const arm = r.arm('churn', 'canary', '1.1.0', [0, 1])
  arm.record('ok', 3)
  arm.record('error', 700)
  arm.recordScore(0.52)
  arm.recordScore(1)
  r.responses('churn', '1.1.0')(200)
  r.unrouted('unknown')
  r.inFlight = 2
})

test('snapshots add up in any order and grouping', () => {
  const two = recorded((r) => r.arm('churn', 'stable', '1.0.0', [0, 1]).record('timeout', 20_000))
  const sorted = (s: Snapshot) =>
    JSON.stringify({ ...s, arms: s.arms.toSorted((a, b) => a.arm.localeCompare(b.arm)) })
  expect(sorted(addSnapshots([one, two, one]))).toBe(sorted(addSnapshots([addSnapshots([two, one]), one])))
  expect(addSnapshots([one, one]).arms[0]).toMatchObject({ outcomes: { ok: 2, error: 2 }, scoreSum: 3.04 })
})

test('the counts of a process that ended stay, what it had in flight does not', () => {
  const fleet = new FleetCounts()
  fleet.update('a', one, 0)
  expect(fleet.total(1000)).toMatchObject({ inFlight: 2, unrouted: [{ reason: 'unknown', count: 1 }] })
  fleet.update('b', one, 20_000)
  expect(fleet.total(20_000)).toMatchObject({ inFlight: 2, unrouted: [{ reason: 'unknown', count: 2 }] })
})

test('however many processes come and go, no count is lost', () => {
  const fleet = new FleetCounts()
  for (let i = 0; i < 500; i++) fleet.update(`process ${i}`, one, i)
  expect(fleet.total(500).unrouted).toEqual([{ reason: 'unknown', count: 500 }])
})

test('the exposition has counters, cumulative buckets and weights', async () => {
  const weights = [{ model: 'churn', version: '1.1.0', arm: 'canary', configured: 0.1, observed: 0.0987 }]
  const health = [{ model: 'churn', version: '1.1.0', healthy: 1, unhealthy: 0 }]
  const text = await exposition(
    [...fleetMetrics(one), ...weightMetrics(weights), ...healthMetrics(health)],
    new Registry(),
  )
  const labels = 'model="churn",version="1.1.0",arm="canary"'
  for (const line of [
    `coalmine_requests_total{${labels},outcome="ok"} 1`,
    `coalmine_requests_total{${labels},outcome="error"} 1`,
    `coalmine_requests_total{${labels},outcome="invalid"} 0`,
    `coalmine_request_duration_seconds_bucket{${labels},le="0.0025"} 0`,
    `coalmine_request_duration_seconds_bucket{${labels},le="0.005"} 1`,
    `coalmine_request_duration_seconds_bucket{${labels},le="0.75"} 2`,
    `coalmine_request_duration_seconds_bucket{${labels},le="+Inf"} 2`,
    `coalmine_request_duration_seconds_count{${labels}} 2`,
    `coalmine_score_bucket{${labels},le="0.5"} 0`,
    `coalmine_score_bucket{${labels},le="0.55"} 1`,
    `coalmine_score_bucket{${labels},le="1"} 2`,
    'coalmine_responses_total{model="churn",version="1.1.0",code="200"} 1',
    'coalmine_unrouted_total{reason="unknown"} 1',
    'coalmine_requests_in_flight 2',
    `coalmine_weight_configured{${labels}} 0.1`,
    `coalmine_weight_observed{${labels}} 0.0987`,
    'coalmine_endpoints{model="churn",version="1.1.0",health="healthy"} 1',
  ]) {
    expect(text).toContain(`${line}\n`)
  }
})

test('what recordings lost adds up over processes, beside what control could not use', async () => {
  const losing = recorded((r) =>
    Object.assign(r.losses('churn'), { unrecorded: 3, dropped: 1, stalledSeconds: 2 }),
  )
  const fleet = new FleetCounts()
  fleet.update('a', losing, 0)
  fleet.update('b', losing, 0)
  const text = await exposition(
    lossMetrics(fleet.total(0), [{ model: 'churn', late: 4, givenUp: 5 }]),
    new Registry(),
  )
  for (const [why, value] of [
    ['unrecorded', 6],
    ['dropped', 2],
    ['late', 4],
    ['given-up', 5],
  ])
    expect(text).toContain(`coalmine_evidence_dropped_total{model="churn",why="${why}"} ${value}\n`)
  expect(text).toContain('coalmine_evidence_stalled_seconds_total{model="churn"} 4\n')
})

test('a latency is counted under the smallest bound that holds it', () => {
  const counts = (ms: number) =>
    recorded((r) => r.arm('m', 'stable', '1', undefined).record('ok', ms)).arms[0]!.latencyBuckets
  LATENCY_BOUNDS_SECONDS.forEach((bound, i) => {
    expect(counts(bound * 1000)[i]).toBe(1)
    expect(counts(bound * 1000 + 0.001)[i + 1]).toBe(1)
  })
})
