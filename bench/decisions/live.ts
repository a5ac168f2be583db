import type { Released } from '@coalmine/core/evidence/counts.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import type { DecisionRecord } from '@coalmine/core/rollout/decision.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { type Rollout, sharesOf } from '@coalmine/core/rollout/rollout.ts'
import { startRollout } from '@coalmine/core/rollout/start-rollout.ts'
import { tick } from '@coalmine/core/rollout/tick.ts'
import type { Sampler } from './sample.ts'
import { secondOf, type World } from './stream.ts'

/** A whole rollout as the controller runs it, one tick a second, until it is over or the time is up. */
export interface Life {
  readonly end: Rollout
  readonly records: readonly DecisionRecord[]
  readonly seconds: number
  /** Requests since the canary got its first. */
  readonly requests: number
  readonly canaryRequests: number
}

export function live(
  sampler: Sampler,
  policy: Policy,
  references: References,
  world: World,
  mostSeconds: number,
  /** What the controller gets of what was released: the same, unless something is tried. */
  delivered: (released: Released) => Released = (released) => released,
): Life {
  let rollout = startedRollout(policy, references)
  const records: DecisionRecord[] = []
  let requests = 0
  let canaryRequests = 0
  let second = 0
  while (second < mostSeconds && rollout.phase.kind !== 'finished') {
    const { weightBp, baselineBp } = sharesOf(rollout)
    let released: Released = {}
    if (weightBp > 0) {
      const windows = secondOf(sampler, world, second, weightBp, baselineBp)
      requests += world.ratePerSecond
      canaryRequests += windows.early[0]!.strata[0]!.arms.canary.requests
      released = windows
    }
    second++
    const ticked = tick(rollout, delivered(released), {
      nowMs: second * 1000,
      frozen: false,
      evidenceIsFresh: true,
      ready: true,
    })
    rollout = ticked.next
    if (ticked.record !== undefined) records.push(ticked.record)
  }
  return { end: rollout, records, seconds: second, requests, canaryRequests }
}

export function startedRollout(policy: Policy, references: References): Rollout {
  const started = startRollout(
    {
      model: 'bench',
      serial: 1,
      stable: { version: '1.0.0', digest: 'sha256:stable' },
      canary: { version: '1.1.0', digest: 'sha256:canary' },
      policy,
      references,
      actor: 'bench',
      nowMs: 0,
      firstAttempt: { limitMs: 5000, reserveMs: 50 },
      cannotDecide: [],
    },
    [],
  )
  if (started.kind === 'refused') throw new Error(started.message)
  return started.rollout
}
