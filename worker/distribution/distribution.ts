import { randomUUID } from 'node:crypto'
import {
  type DistributionAnswer,
  type DistributionRequest,
  LAYOUTS_MAX,
  type Layout,
  layoutId,
} from '@coalmine/contract/distribution/layout.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { ContractError } from '@coalmine/contract/problem.ts'
import type { RowFacts } from '../serving.ts'
import { type Run, Tally } from './tally.ts'

/** A gateway asks every few seconds; a layout not asked for in so long is that of a version that went. */
const FORGOTTEN_MS = 60_000

type Counting = { tally: Tally; since: string; askedMs: number }

/**
 * What a worker sees of features and scores, counted in the layouts that somebody asks for, from the first time on.
 * Where nobody ever asks nothing is counted.
 */
export class Distribution {
  readonly #manifest: Manifest
  readonly #digest: string
  readonly #facts: RowFacts
  readonly #nowMs: () => number
  readonly #countings = new Map<string, Counting>()
  #tallies: Tally[] = []

  constructor(manifest: Manifest, digest: string, facts: RowFacts, nowMs: () => number) {
    this.#manifest = manifest
    this.#digest = digest
    this.#facts = facts
    this.#nowMs = nowMs
  }

  /** Records that the model has answered. */
  add(run: Run): void {
    for (let i = 0; i < this.#tallies.length; i++) this.#tallies[i]!.add(run)
  }

  refused(error: ContractError): void {
    for (const tally of this.#tallies) tally.refused(error)
  }

  /** Goes on counting, or begins to, and says how much it is. */
  ask({ layouts }: DistributionRequest): DistributionAnswer {
    const nowMs = this.#nowMs()
    const counts = layouts.map((layout) => {
      const { tally, since } = this.#counting(layout, nowMs)
      return { since, counts: [...tally.counts] }
    })
    this.#forget(nowMs)
    return { digest: this.#digest, counts }
  }

  #counting(layout: Layout, askedMs: number): Counting {
    const id = layoutId(layout)
    const known = this.#countings.get(id)
    // Last in the order of the map: the first is the one that was not asked for longest.
    this.#countings.delete(id)
    const counting = known ?? {
      tally: new Tally(layout, this.#manifest, this.#facts),
      since: randomUUID(),
      askedMs,
    }
    counting.askedMs = askedMs
    this.#countings.set(id, counting)
    return counting
  }

  #forget(nowMs: number): void {
    for (const [id, { askedMs }] of this.#countings)
      if (this.#countings.size > LAYOUTS_MAX || nowMs - askedMs > FORGOTTEN_MS) this.#countings.delete(id)
    this.#tallies = [...this.#countings.values()].map(({ tally }) => tally)
  }
}
