import { assess } from '@coalmine/core/evidence/assessment.ts'
import { observe } from '@coalmine/core/evidence/evidence.ts'
import { apply } from '@coalmine/core/rollout/apply.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { evaluate, intervene } from '@coalmine/core/rollout/tick.ts'
import { crossed, NO_CROSSINGS } from '../../crossings.ts'
import type { Outcome } from '../../experiment.ts'
import { runFleet } from '../../fleet.ts'
import { requestsOf } from '../../judges.ts'
import { startedRollout } from '../../live.ts'
import { errorRate, policyOf } from '../../policies.ts'
import {
  ERROR_RATE,
  fleetOf,
  NO_FALSE_PROMOTION,
  REFERENCES,
  type RequestLevel,
  versionOf,
} from './request-fleet.ts'

const EDIT_MS = 250_000

/** Promotion by the new rules, by evidence that begins with them and by evidence that merely goes on. */
function editedRun(seed: string, before: Policy, after: Policy, margin: number): Outcome {
  const fleet = fleetOf(seed, 500, (random) => ({
    versions: {
      stable: versionOf(random),
      canary: versionOf(random, undefined, () => ERROR_RATE + margin),
    },
  }))
  const begun = { kind: 'begin', weightBp: 500, because: 'the canary is ready' } as const
  let rollout = apply(startedRollout(before, REFERENCES), begun, 0, 'bench')
  let kept = rollout.evidence
  let [crossings, old] = [NO_CROSSINGS, NO_CROSSINGS]
  let requests = 0
  runFleet(fleet, (released, nowMs) => {
    requests += requestsOf(released)
    rollout = evaluate(rollout, released, nowMs)
    const isEdited = nowMs > EDIT_MS
    // Another margin has as many bets, so that the wealth of one policy can be taken for that of another.
    kept = observe(isEdited ? after : before, kept, released)
    if (isEdited) {
      crossings = crossed(crossings, after, assess(after, rollout.evidence), requests)
      old = crossed(old, after, assess(after, kept), requests)
    }
    if (nowMs === EDIT_MS) {
      const acted = intervene(
        rollout,
        { kind: 'restart', policy: after },
        {
          actor: 'bench',
          reason: 'other margins',
          nowMs,
          frozen: false,
        },
      )
      if (acted.kind === 'refused') throw new Error(acted.message)
      rollout = acted.next
    }
    return undefined
  })
  return {
    promotionAt: crossings.promotionAt,
    plainPromotionAt: old.promotionAt,
    attempts: rollout.attempt,
  }
}

export const EDITED: readonly RequestLevel[] = (
  [
    ['narrowed from 1 to 0.5 points', 0.01, 0.005],
    ['widened from 0.5 to 1 point', 0.005, 0.01],
  ] as const
).map(([name, before, after]) => ({
  name: `a margin ${name} in the middle, errors at the new one`,
  limits: [NO_FALSE_PROMOTION],
  run: (seed) =>
    editedRun(seed, policyOf([errorRate(0.001, before)]), policyOf([errorRate(0.001, after)]), after),
}))
