import { hash } from 'node:crypto'
import type { PackedPair, PairsMessage } from '../messages.ts'
import { PAIR_OUTCOMES } from '../messages.ts'
import { isComparable } from './assignment.ts'
import type { Asker } from './attempt.ts'
import { Copy } from './copy.ts'
import type { DataPlane } from './data-plane.ts'
import type { Said } from './identify.ts'
import type { ModelRoute } from './route.ts'

/** Copies of one model's requests that a process has under way at a time: what nobody asked for stays small. */
const IN_FLIGHT_MAX = 8
/** Pairs that wait to be told to control; a mirror that finds more has shown enough for the moment. */
const PAIRS_MAX = 512
const U32 = 2 ** 32
/** One copy in eight goes to stable itself: how much differs there is what no version is to blame for. */
const FLOOR_POINTS = U32 / 8

/**
 * What became of requests that were drawn to be copied. `overload`, `limit` and `full` were not copied; `void` is a pair
 * of which one answer was never known.
 */
export const MIRROR_RESULTS = ['compared', 'floor', 'overload', 'limit', 'full', 'void'] as const
export type MirrorResult = (typeof MIRROR_RESULTS)[number]
export type MirrorTally = Record<MirrorResult, number>

export function emptyMirrorTally(): MirrorTally {
  return { compared: 0, floor: 0, overload: 0, limit: 0, full: 0, void: 0 }
}

/** One answer, as far as it is compared. */
export interface Side {
  readonly outcome: (typeof PAIR_OUTCOMES)[number]
  readonly said?: Said | undefined
  /** How long it took. */
  readonly elapsedMs: number
}

/** The copies of one rollout's requests that this process makes, and what it found by them. */
export class Mirror {
  readonly #model: string
  readonly #serial: number
  readonly #send: (message: PairsMessage) => void
  readonly #tally: MirrorTally
  #pairs: PackedPair[] = []
  #inFlight = 0

  constructor(model: string, serial: number, tally: MirrorTally, send: (message: PairsMessage) => void) {
    this.#model = model
    this.#serial = serial
    this.#tally = tally
    this.#send = send
  }

  /**
   * The copy of a request that is about to go to stable, if it is to have one. Known before either is sent, so that no
   * answer chooses what is compared.
   */
  draw(plane: DataPlane, route: ModelRoute, original: Asker, mirrorBp: number): Copy | undefined {
    if (plane.random() >= (mirrorBp * U32) / 10_000) return undefined
    const result = this.#refused(plane, route)
    if (result !== undefined) {
      this.#tally[result]++
      return undefined
    }
    const arm = plane.random() < FLOOR_POINTS ? 'stable' : 'canary'
    this.#inFlight++
    const firstAttemptMs = route.running!.trial.firstAttemptMs
    return new Copy({
      ...{ plane, route, original, arm, limitMs: firstAttemptMs },
      goesFirst: plane.random() < U32 / 2,
      onEnded: () => this.#inFlight--,
      onPair: (stable, other) => this.#paired(original.body, arm, stable, other),
    })
  }

  #refused(plane: DataPlane, route: ModelRoute): MirrorResult | undefined {
    if (plane.sparing) return 'overload'
    if (this.#inFlight >= IN_FLIGHT_MAX) return 'limit'
    if (this.#pairs.length >= PAIRS_MAX) return 'full'
    // Beside a stable version that nothing serves any canary would look good.
    return isComparable(plane, route) ? undefined : 'void'
  }

  #paired(body: Buffer, arm: 'stable' | 'canary', stable: Side | undefined, other: Side | undefined): void {
    if (stable === undefined || other === undefined) {
      this.#tally.void++
      return
    }
    this.#tally[arm === 'canary' ? 'compared' : 'floor']++
    // 48 bits: whole in a double, and among a rollout's pairs hardly ever the same for two inputs.
    const inputHash = hash('sha1', body, 'buffer').readUIntBE(0, 6)
    this.#pairs.push([
      inputHash,
      arm === 'canary' ? 0 : 1,
      ...packed(stable),
      ...packed(other),
      stable.elapsedMs,
      other.elapsedMs,
    ])
  }

  flush(): void {
    if (this.#pairs.length === 0) return
    const pairs = this.#pairs
    this.#pairs = []
    this.#send({ kind: 'pairs', model: this.#model, serial: this.#serial, pairs })
  }
}

function packed({ outcome, said }: Side): readonly [number, number | null, number | null] {
  return [PAIR_OUTCOMES.indexOf(outcome), said?.score ?? null, said?.class ?? null]
}
