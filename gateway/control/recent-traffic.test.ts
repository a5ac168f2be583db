import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../snapshot.ts'
import { RecentTraffic } from './recent-traffic.ts'

type Counted = Pick<Snapshot, 'arms' | 'truths'>

const total = (stable: number, canary: number, pinned = 0): Counted => ({
  truths: [],
  arms: Object.entries({
    stable: ['1.0.0', stable],
    canary: ['1.1.0', canary],
    pinned: ['1.1.0', pinned],
  }).map(([arm, [version, ok]]) => ({
    model: 'churn',
    version: version as string,
    arm,
    outcomes: { ok: ok as number },
    latencyBuckets: [],
    latencySumSeconds: 0,
    scoreBuckets: [],
    scoreSum: 0,
  })),
})

test('the share is that of the draws of the last minute, not of all time', () => {
  const weights = new RecentTraffic()
  weights.add(total(1000, 0), 0)
  weights.add(total(1050, 50), 30_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.5)
  weights.add(total(1080, 120), 90_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.7)
})

test('pinned requests are nobody’s draw', () => {
  const weights = new RecentTraffic()
  weights.add(total(0, 0), 0)
  weights.add(total(90, 10, 500), 1000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.1)
})

test('without draws there is no share', () => {
  const weights = new RecentTraffic()
  expect(weights.share('churn', 'canary', '1.1.0')).toBeUndefined()
  weights.add(total(5, 5), 0)
  weights.add(total(5, 5), 61_000)
  weights.add(total(5, 5), 125_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBeUndefined()
})

describe('what the stable version did lately', () => {
  const arms = (
    ...counted: [arm: string, version: string, outcomes: Record<string, number>, buckets?: number[]][]
  ): Counted => ({
    ...total(0, 0),
    arms: counted.map(([arm, version, outcomes, buckets = []]) => ({
      model: 'churn',
      version,
      arm,
      outcomes,
      latencyBuckets: buckets,
      latencySumSeconds: 0,
      scoreBuckets: buckets,
      scoreSum: buckets.length,
      scoreRange: [0, 1],
    })),
  })

  test('is that of stable and baseline together, within the window', () => {
    const traffic = new RecentTraffic()
    traffic.add(arms(['stable', '1.0.0', { ok: 100 }, [100, 0]]), 0)
    traffic.add(
      arms(
        ['stable', '1.0.0', { ok: 150, error: 10, invalid: 2 }, [150, 12]],
        ['baseline', '1.0.0', { ok: 20 }, [5, 15]],
        ['canary', '1.1.0', { ok: 999 }, [999, 0]],
        ['pinned', '1.0.0', { ok: 999 }, [999, 0]],
      ),
      30_000,
    )
    expect(traffic.stable('churn', '1.0.0')).toEqual({
      seconds: 30,
      outcomes: { ok: 70, rejected: 0, error: 10, invalid: 2, timeout: 0, unavailable: 0, aborted: 0 },
      latencyBuckets: [55, 27],
      scoreBuckets: [55, 27],
      scoreSum: 2,
      scoreRange: [0, 1],
      truths: { requests: 182, right: 0, wrong: 0, delayBuckets: [] },
    })
  })

  test('truths are those of its draws since the processes began, as they come late and all at once', () => {
    const traffic = new RecentTraffic()
    const truth = (arm: string, version: string, right: number, wrong: number, delayBuckets: number[]) => ({
      ...{ model: 'churn', version, arm, right, wrong },
      ...{ delayBuckets, delaySumSeconds: 0 },
    })
    const truths = [
      truth('stable', '1.0.0', 30, 10, [0, 40]),
      truth('baseline', '1.0.0', 5, 5, [10, 0]),
      truth('canary', '1.1.0', 7, 7, [14, 0]),
      truth('pinned', '1.0.0', 9, 9, [18, 0]),
    ]
    const counted = arms(['stable', '1.0.0', { ok: 200 }], ['baseline', '1.0.0', { ok: 20 }])
    for (const second of [0, 30, 90, 150]) traffic.add({ ...counted, truths }, second * 1000)
    expect(traffic.stable('churn', '1.0.0')!.truths).toEqual({
      ...{ requests: 220, right: 35, wrong: 15 },
      delayBuckets: [10, 40],
    })
  })

  test('is unknown where it was not drawn', () => {
    const traffic = new RecentTraffic()
    expect(traffic.stable('churn', '1.0.0')).toBeUndefined()
    traffic.add(arms(['canary', '1.0.0', { ok: 100 }]), 0)
    expect(traffic.stable('churn', '1.0.0')).toBeUndefined()
  })

  test('is unknown by the first totals alone, which may be those of days', () => {
    const traffic = new RecentTraffic()
    traffic.add(arms(['stable', '1.0.0', { ok: 1_000_000 }]), 0)
    expect(traffic.stable('churn', '1.0.0')).toBeUndefined()
    expect(traffic.share('churn', 'stable', '1.0.0')).toBeUndefined()
  })

  test('a baseline is a draw of its own', () => {
    const traffic = new RecentTraffic()
    traffic.add(arms(), 0)
    traffic.add(
      arms(
        ['stable', '1.0.0', { ok: 90 }],
        ['baseline', '1.0.0', { ok: 5 }],
        ['canary', '1.1.0', { invalid: 5 }],
      ),
      1000,
    )
    const shares = [
      ['stable', '1.0.0'],
      ['baseline', '1.0.0'],
      ['canary', '1.1.0'],
    ].map(([arm, version]) => traffic.share('churn', arm!, version!))
    expect(shares).toEqual([0.9, 0.05, 0.05])
  })
})

test('a minute ago is where what a stable version did begins', () => {
  const traffic = new RecentTraffic()
  // Ten requests a second until second 100, then one.
  const ok = (second: number) => 10 * Math.min(second, 100) + Math.max(0, second - 100)
  for (let second = 0; second <= 180; second++) traffic.add(total(ok(second), 0), second * 1000)
  expect(traffic.stable('churn', '1.0.0')).toMatchObject({ seconds: 60, outcomes: { ok: 60 } })
})

test('a version that was not there a minute ago did all that it did since', () => {
  const traffic = new RecentTraffic()
  traffic.add({ ...total(0, 0), arms: [] }, 0)
  traffic.add(total(7, 0), 1000)
  expect(traffic.stable('churn', '1.0.0')?.outcomes).toMatchObject({ ok: 7 })
  expect(traffic.stable('churn', '1.2.0')).toBeUndefined()
  expect(traffic.stable('digits', '1.0.0')).toBeUndefined()
})

test('totals of a process that was not known before are no traffic of the last minute', () => {
  const traffic = new RecentTraffic()
  traffic.add(total(10, 0), 0)
  traffic.add(total(20, 0), 1000)
  traffic.beginAnew()
  traffic.add(total(1_000_020, 0), 2000)
  traffic.add(total(1_000_025, 0), 3000)
  expect(traffic.stable('churn', '1.0.0')).toMatchObject({ seconds: 1, outcomes: { ok: 5 } })
})
