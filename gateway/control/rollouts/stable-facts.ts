import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { DELAY_BOUNDS_SECONDS } from '../../data/feedback.ts'
import { LATENCY_BOUNDS_SECONDS, scoreBounds } from '../../data/recorder.ts'
import type { RecentArms, SeenTruths } from '../recent-traffic.ts'

/** How the stable version of a model behaved lately, from what is counted for everybody. Rates are shares of requests. */
export interface StableFacts {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly errorRate: number
  /** Errors, and requests that their callers gave up. */
  readonly unfinishedRate: number
  readonly rejectedRate: number
  /** Requests by latency bin of the evidence; spread evenly within the coarser buckets of the metrics. */
  readonly latency: Float64Array
  /** Upper bounds: the end of the bucket that the quantile lies in. */
  readonly p99Ms: number
  readonly p999Ms: number
  /** Mean as a part of the range. */
  readonly scores?: { readonly edges: number[]; readonly shares: number[]; readonly mean: number }
  /** Undefined where too few truths have come. */
  readonly truths?: {
    readonly wrongRate: number
    /** Share of the requests whose truth comes within so many ms. */
    labelledWithin(ms: number): number
  }
}

const FAILED = ['error', 'timeout', 'unavailable', 'invalid']
/** Fewer tell nothing. */
const REQUESTS_MIN = 100
/** No bucket ends below the gateway's longest timeout; what lies above all of them took about this long. */
const LONGEST_MS = 60_000

/** Undefined while too little was seen. */
export function stableFacts(recent: RecentArms | undefined): StableFacts | undefined {
  if (recent === undefined) return undefined
  const { outcomes, seconds, latencyBuckets } = recent
  const count = (names: readonly string[]) => names.reduce((sum, name) => sum + (outcomes[name] ?? 0), 0)
  const requests = count(Object.keys(outcomes))
  if (requests < REQUESTS_MIN) return undefined
  const failed = count(FAILED)
  const scores = scoresOf(recent)
  const truths = truthsOf(recent.truths)
  return {
    requests,
    requestsPerSecond: requests / Math.max(1, seconds),
    errorRate: failed / requests,
    unfinishedRate: (failed + count(['aborted'])) / requests,
    rejectedRate: count(['rejected']) / requests,
    latency: spread(latencyBuckets),
    p99Ms: quantileEndMs(latencyBuckets, 0.99),
    p999Ms: quantileEndMs(latencyBuckets, 0.999),
    ...(scores && { scores }),
    ...(truths && { truths }),
  }
}

/** Delays lie in coarse buckets; within one they are taken to be spread evenly. */
function truthsOf({ requests, right, wrong, delayBuckets }: SeenTruths): StableFacts['truths'] {
  const labelled = right + wrong
  if (labelled < REQUESTS_MIN) return undefined
  return {
    wrongRate: wrong / labelled,
    labelledWithin(ms) {
      const within = delayBuckets.reduce((sum, count, bucket) => {
        const low = DELAY_BOUNDS_SECONDS[bucket - 1] ?? 0
        const high = DELAY_BOUNDS_SECONDS[bucket] ?? Number.POSITIVE_INFINITY
        return sum + count * Math.min(1, Math.max(0, (ms / 1000 - low) / (high - low)))
      }, 0)
      return Math.min(1, within / Math.max(1, requests))
    },
  }
}

function boundsMs(bucket: number): [number, number] {
  const at = (i: number) => (LATENCY_BOUNDS_SECONDS[i] ?? LONGEST_MS / 1000) * 1000
  return [bucket === 0 ? 0 : at(bucket - 1), at(bucket)]
}

function quantileEndMs(buckets: readonly number[], p: number): number {
  const total = buckets.reduce((a, b) => a + b, 0)
  let below = 0
  for (const [bucket, count] of buckets.entries()) {
    below += count
    if (below >= p * total) return boundsMs(bucket)[1]
  }
  return LONGEST_MS
}

function spread(buckets: readonly number[]): Float64Array {
  const out = new Float64Array(LATENCY_BINS)
  for (const [bucket, count] of buckets.entries()) {
    const [low, high] = boundsMs(bucket)
    const [from, to] = [latencyBin(low), Math.max(latencyBin(low) + 1, latencyBin(high))]
    for (let bin = from; bin < to; bin++) out[bin]! += count / (to - from)
  }
  return out
}

/** Bins of the metrics that hold something; edges where two of them meet. */
function scoresOf({ scoreBuckets, scoreRange, scoreSum }: RecentArms): StableFacts['scores'] {
  const total = scoreBuckets.reduce((a, b) => a + b, 0)
  if (scoreRange === undefined || total < REQUESTS_MIN) return undefined
  const bounds = scoreBounds(scoreRange)
  const edges: number[] = []
  const shares: number[] = []
  for (const [bucket, count] of scoreBuckets.entries()) {
    if (count === 0) continue
    if (shares.length > 0) edges.push(bounds[bucket - 1]!)
    shares.push(count / total)
  }
  const [low, high] = scoreRange
  // Sums of doubles may lie a little beside the range.
  const mean = Math.min(1, Math.max(0, (scoreSum / total - low) / (high - low)))
  return { edges, shares, mean }
}
