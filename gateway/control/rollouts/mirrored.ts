import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Mirrored, Pair, PairSide } from '@coalmine/core/evidence/pair.ts'
import { isInMirror } from '@coalmine/core/rollout/phase.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { PAIR_OUTCOMES, type PackedPair, type PairsMessage } from '../../messages.ts'
import { INPUTS_MAX, type RolloutStore } from '../../store/rollout-store.ts'
import { CopyLatencies, type CopyLatency } from './copy-latencies.ts'

/**
 * The pairs of each model's mirror, from all data processes, on their way into the evidence. A model that answers the
 * same input in the same way again says nothing new: each input counts once, or one that is sent a hundred times would
 * be a hundred witnesses. Which ones have counted is stored with the evidence that they went into, in the same commit,
 * and recalled from there: by a process that begins, and after a commit that was lost or whose outcome is unknown.
 */
export class Mirrors {
  readonly #mirrors = new Map<string, Remembered>()

  /**
   * Reads which inputs of this rollout have counted, where that is not known. Nothing is accepted before: both answers are
   * lost alike until then.
   */
  async recall({ model, serial, phase }: Rollout, store: Pick<RolloutStore, 'mirrorInputs'>): Promise<void> {
    if (!isInMirror(phase) || this.#mirrors.get(model)?.serial === serial) return
    const seen = new Set(await store.mirrorInputs(model, serial))
    this.#mirrors.set(model, { serial, seen, waiting: new Map(), latencies: new CopyLatencies() })
  }

  accept({ model, serial, pairs }: PairsMessage, { phase }: Rollout): void {
    const known = this.#mirrors.get(model)
    if (known?.serial !== serial || !isInMirror(phase)) return
    for (const pair of pairs) {
      const [input, other] = pair
      // The same input may be compared with the canary and with stable itself.
      const key = input * 2 + other
      if (known.seen.has(key)) continue
      known.seen.add(key)
      if (known.seen.size > INPUTS_MAX) known.seen.delete(known.seen.values().next().value!)
      known.waiting.set(key, pair)
      if (other === 0 && isGood(pair)) known.latencies.add(pair[8], pair[9])
    }
  }

  /** What came since the last time, with what is to be stored of it: each is given out once. */
  take(
    { model, serial, phase }: Rollout,
    stable: Pick<Manifest, 'score'> | undefined,
  ): { readonly mirrored: Mirrored; readonly inputs: readonly number[] } {
    const known = this.#mirrors.get(model)
    if (known?.serial !== serial || !isInMirror(phase)) return NOTHING
    const { waiting } = known
    known.waiting = new Map()
    const of = (arm: 0 | 1) =>
      [...waiting.values()]
        .filter(([, other]) => other === arm)
        .map((packed) => pairOf(packed, stable?.score?.range))
    return { mirrored: { pairs: of(0), floor: of(1) }, inputs: [...waiting.keys()] }
  }

  /** How long copies took lately beside the originals; undefined before the first, and where none are compared. */
  latency({ model, serial, phase }: Rollout): CopyLatency | undefined {
    const known = this.#mirrors.get(model)
    return known?.serial === serial && isInMirror(phase) ? known.latencies.median() : undefined
  }

  /** No rollout of this model runs, or what it has counted is to be recalled. */
  delete(model: string): void {
    this.#mirrors.delete(model)
  }

  /** What any of them has counted is to be recalled. */
  clear(): void {
    this.#mirrors.clear()
  }
}

interface Remembered {
  readonly serial: number
  /** Those that have counted or wait to, by their keys. */
  readonly seen: Set<number>
  waiting: Map<number, PackedPair>
  readonly latencies: CopyLatencies
}

const NOTHING = { mirrored: { pairs: [], floor: [] }, inputs: [] }

const isGood = ([, , stable, , , other]: PackedPair) =>
  PAIR_OUTCOMES[stable] === 'good' && PAIR_OUTCOMES[other] === 'good'

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
