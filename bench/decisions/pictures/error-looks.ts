import { assess, loudestGroup } from '@coalmine/core/evidence/assessment.ts'
import { beginStep, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import { errorRate, policyOf, referencesOf } from '../policies.ts'
import type { Sampler } from '../sample.ts'
import { secondOf, type World } from '../stream.ts'
import type { ArmTick, Tick } from '../tick.ts'
import type { Leg } from '../watch-evidence.ts'

/** Errors are the only guardrail, and no excess is tolerated: the hardest healthy canary. */
const POLICY = policyOf([errorRate(0)])

/** What is known when another second has been counted. */
export interface Look {
  /** So far. */
  readonly requests: number
  /** ln of the capital of the bets against "the canary fails no more often than stable". */
  readonly logCapital: number
  /** The second's counts, as other methods see them. */
  readonly tick: Tick
}

/** The real evidence on errors alone, a look each second. It goes on after a verdict; the reader stops. */
export function* errorLooks(
  sampler: Sampler,
  world: World,
  legs: readonly Leg[],
  seconds: number,
): Generator<Look> {
  let evidence = startEvidence(POLICY, referencesOf(world.stable(0, 500).errorRate), legs.length)
  for (let second = 0; second < seconds; second++) {
    if (legs.some(({ fromSecond }) => fromSecond === second)) evidence = beginStep(POLICY, evidence, second)
    const { weightBp } = legs.findLast(({ fromSecond }) => fromSecond <= second)!
    const released = secondOf(sampler, world, second, weightBp, 0)
    evidence = observe(POLICY, evidence, released)
    const { stratum, arms } = released.early[0]!.strata[0]!
    const arm = ({ requests, errors }: ArmTick): ArmTick => ({ requests, errors })
    yield {
      requests: (second + 1) * world.ratePerSecond,
      logCapital: loudestGroup(assess(POLICY, evidence)).log,
      tick: { pi: stratum.canary, canary: arm(arms.canary), stable: arm(arms.stable) },
    }
  }
}
