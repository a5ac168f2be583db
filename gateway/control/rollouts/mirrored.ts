import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Mirrored, Pair, PairSide } from '@coalmine/core/evidence/pair.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { PAIR_OUTCOMES, type PackedPair, type PairsMessage } from '../../messages.ts'

/** Inputs that are remembered; with more the oldest are forgotten, and count again when they come again. */
const INPUTS_MAX = 65_536

/**
 * The pairs of each model's mirror, from all data processes, on their way into the evidence. A model that answers the
 * same input in the same way again says nothing new: each input counts once, or one that is sent a hundred times would
 * be a hundred witnesses. What is given out is given out once, also where the commit that it was for is lost: both
 * answers are gone with it, and counting them twice would not be undone.
 */
export class Mirrors {
  readonly #mirrors = new Map<
    string,
    { serial: number; seen: Set<number>; pairs: PackedPair[]; floor: PackedPair[] }
  >()

  accept({ model, serial, pairs }: PairsMessage, rollout: Rollout): void {
    if (rollout.serial !== serial || rollout.phase.kind !== 'mirroring') return
    let known = this.#mirrors.get(model)
    if (known?.serial !== serial) {
      known = { serial, seen: new Set(), pairs: [], floor: [] }
      this.#mirrors.set(model, known)
    }
    for (const pair of pairs) {
      const [input, other] = pair
      // The same input may be compared with the canary and with stable itself.
      const key = input * 2 + other
      if (known.seen.has(key)) continue
      known.seen.add(key)
      if (known.seen.size > INPUTS_MAX) known.seen.delete(known.seen.values().next().value!)
      known[other === 0 ? 'pairs' : 'floor'].push(pair)
    }
  }

  /** What came since the last time. */
  take({ model, serial, phase }: Rollout, stable: Pick<Manifest, 'score'> | undefined): Mirrored {
    const known = this.#mirrors.get(model)
    if (known?.serial !== serial || phase.kind !== 'mirroring') return { pairs: [], floor: [] }
    const unpacked = (one: PackedPair) => pairOf(one, stable?.score?.range)
    const mirrored = { pairs: known.pairs.map(unpacked), floor: known.floor.map(unpacked) }
    known.pairs = []
    known.floor = []
    return mirrored
  }

  /** No rollout of this model runs. */
  delete(model: string): void {
    this.#mirrors.delete(model)
  }
}

function pairOf(
  [, , stableOutcome, stableScore, stableClass, otherOutcome, otherScore, otherClass]: PackedPair,
  range: readonly [number, number] | undefined,
): Pair {
  return {
    stable: sideOf(stableOutcome, stableScore, stableClass, range),
    canary: sideOf(otherOutcome, otherScore, otherClass, range),
  }
}

function sideOf(
  outcome: number,
  score: number | null,
  predicted: number | null,
  range: readonly [number, number] | undefined,
): PairSide {
  const position =
    score === null || range === undefined ? undefined : (score - range[0]) / (range[1] - range[0])
  return {
    outcome: PAIR_OUTCOMES[outcome] ?? 'failed',
    ...(score !== null && { score }),
    ...(position !== undefined && { position: Math.max(0, Math.min(1, position)) }),
    ...(predicted !== null && { class: predicted }),
  }
}
