import { assess } from '@coalmine/core/evidence/assessment.ts'
import { beginStep, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { type Crossings, crossed, NO_CROSSINGS } from './crossings.ts'
import type { Sampler } from './sample.ts'
import { joined, secondOf, type World } from './stream.ts'

/** A weight from a second on. */
export interface Leg {
  readonly fromSecond: number
  readonly weightBp: number
}

/** 5 % all the time. */
export const CONSTANT: readonly Leg[] = [{ fromSecond: 0, weightBp: 500 }]

/** 5, 10, 25 and 50 %, a quarter of the time each. */
export function ramped(seconds: number): readonly Leg[] {
  return [500, 1000, 2500, 5000].map((weightBp, i) => ({ fromSecond: (i * seconds) / 4, weightBp }))
}

/** What was certain at which request, on a schedule that no verdict changes. */
export interface WatchedCrossings extends Crossings {
  /** Requests that came to the canary until the end. */
  readonly canaryRequests: number
  readonly seconds: number
  readonly evaluations: number
}

export interface Watched {
  readonly policy: Policy
  readonly references: References
  readonly world: World
  readonly legs: readonly Leg[]
  readonly seconds: number
  readonly secondsPerTick: number
  /** Stop at the first of these. */
  readonly until: 'rollback' | 'promotion' | 'mismatch' | 'the end'
}

/** Runs the real evidence over a fixed schedule and notes what it was ever certain of. */
export function watchEvidence(sampler: Sampler, watched: Watched): WatchedCrossings {
  const { policy, references, world, legs, seconds, secondsPerTick, until } = watched
  const comparesLatency = policy.guardrails.some(({ metric }) => metric === 'latency')
  let evidence = startEvidence(policy, references, legs.length)
  let crossings = NO_CROSSINGS
  let requests = 0
  let canary = 0
  let weightBp = 0
  let evaluations = 0
  let second = 0
  while (second < seconds) {
    const batch = []
    for (let i = 0; i < secondsPerTick && second < seconds; i++, second++) {
      const leg = legs.findLast(({ fromSecond }) => fromSecond <= second)!
      if (leg.weightBp !== weightBp) {
        // A step begins between ticks, as it does in a rollout.
        if (batch.length > 0) break
        weightBp = leg.weightBp
        evidence = beginStep(policy, evidence, second)
      }
      const baselineBp = comparesLatency ? Math.min(weightBp, 10_000 - weightBp) : 0
      const released = secondOf(sampler, world, second, weightBp, baselineBp)
      requests += world.ratePerSecond
      canary += released.early[0]!.strata[0]!.arms.canary.requests
      batch.push(released)
    }
    evidence = observe(policy, evidence, joined(batch))
    evaluations++
    crossings = crossed(crossings, policy, assess(policy, evidence), requests)
    if (until !== 'the end' && Number.isFinite(crossings[`${until}At`])) break
  }
  return { ...crossings, canaryRequests: canary, seconds: second, evaluations }
}
