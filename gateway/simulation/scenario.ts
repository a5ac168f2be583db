import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Dice } from './dice.ts'
import { POLICIES } from './policies.ts'

/**
 * What the first canary is: as good as stable, stable itself, failing often, failing always, slow, or with other
 * scores.
 */
export type World = 'healthy' | 'measured' | 'failing' | 'dead' | 'slow' | 'shifted'

/** A span of time in ms. */
export interface Span {
  readonly fromMs: number
  readonly untilMs: number
}

/** Everything of a run that is decided before it begins. */
export interface Scenario {
  readonly world: World
  /** No faults and no people but the one that starts the rollout. */
  readonly calm: boolean
  readonly policy: Policy
  readonly processes: number
  readonly ratePerSecond: number
  /** No request comes. */
  readonly pauses: readonly Span[]
  /** Callers keep their version. */
  readonly sticky: boolean
  readonly lifeMs: number
  /** From then on nothing more goes wrong, and nobody does anything. */
  readonly quietFromMs: number
  /** When a bad canary begins to be bad. */
  readonly badFromMs: number
}

const LIFE_MS = 300_000
/** What comes to rest has this long for it. */
const QUIET_MS = 120_000

export function scenarioOf(dice: Dice): Scenario {
  const world = dice.pick<World>(['healthy', 'healthy', 'measured', 'failing', 'dead', 'slow', 'shifted'])
  const calm = dice.chance(0.3)
  const policy = policyFor(world, dice)
  return {
    world,
    calm,
    policy,
    processes: 1 + dice.whole(3),
    ratePerSecond: dice.around(50, 500) * (dice.chance(0.1) ? 1 : 0.6) + 20,
    pauses: calm ? [] : pauses(dice),
    sticky: !calm && dice.chance(0.1),
    lifeMs: LIFE_MS,
    quietFromMs: LIFE_MS - QUIET_MS,
    badFromMs: dice.chance(0.5) ? 0 : dice.between(20_000, 120_000),
  }
}

/** One that can see what is wrong. */
function policyFor(world: World, dice: Dice): Policy {
  const [errors, scores, latency] = POLICIES
  if (world === 'slow') return latency!
  if (world === 'shifted') return scores!
  return dice.chance(0.6) ? errors : dice.pick([scores!, latency!])
}

function pauses(dice: Dice): Span[] {
  return Array.from({ length: dice.whole(3) }, () => {
    const fromMs = dice.between(20_000, LIFE_MS - QUIET_MS)
    return { fromMs, untilMs: Math.min(fromMs + dice.around(1000, 70_000), LIFE_MS - QUIET_MS) }
  })
}
