import {
  countsOf,
  type DistributionAnswer,
  type Layout,
  layoutId,
  type Trained,
  trainedLayout,
  type Unmeasured,
} from '@coalmine/contract/distribution/layout.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import { RecentCounts } from './recent-counts.ts'

/** What training says of a version, and the bins that it says it in. */
export interface TrainedVersion {
  readonly digest: string
  readonly rows: number
  readonly layout: Layout
  readonly trained: readonly Trained[]
  readonly unmeasured: readonly Unmeasured[]
}

/** What the workers of a version saw, in the bins of a version that need not be the same. */
export interface Book {
  readonly version: string
  readonly bins: string
  readonly layoutId: string
  readonly counts: RecentCounts
}

/** The last list of counts that a worker said. */
interface Said {
  readonly since: string
  readonly counts: readonly number[]
}

/** Everything that was counted of one model, over all of its workers. Pure: who asks the workers stands elsewhere. */
export class DriftBooks {
  readonly #trained = new Map<string, TrainedVersion | 'no reference'>()
  readonly #books = new Map<string, Book>()
  /** By endpoint, then by whose bins. */
  readonly #said = new Map<string, Map<string, Said>>()

  /** What a version saw in training; undefined for one that has no reference.json. */
  learn(version: string, digest: string, manifest: Manifest, reference: Reference | undefined): void {
    this.#trained.set(
      version,
      reference === undefined
        ? 'no reference'
        : { digest, rows: reference.rows, ...trainedLayout(reference, manifest) },
    )
  }

  /** Undefined while nobody was asked. */
  trained(version: string): TrainedVersion | 'no reference' | undefined {
    return this.#trained.get(version)
  }

  /**
   * What workers of a version should count in: the bins of its own training, and those of the stable version, so that
   * two versions can be compared that were trained on other data.
   */
  wanted(version: string, stable: string | undefined): { bins: string; layout: Layout }[] {
    const versions = stable === undefined || stable === version ? [version] : [version, stable]
    return versions.flatMap((bins) => {
      const trained = this.#trained.get(bins)
      const known = trained !== undefined && trained !== 'no reference' && trained.layout.series.length > 0
      return known ? [{ bins, layout: trained.layout }] : []
    })
  }

  /** Adds what a worker has seen since it was last asked. What it had seen before is somebody else's to count. */
  add(
    { endpoint, version, bins, layout }: { endpoint: string; version: string; bins: string; layout: Layout },
    { since, counts }: DistributionAnswer['counts'][number],
    nowMs: number,
  ): void {
    if (counts.length !== countsOf(layout)) return
    const id = layoutId(layout)
    const key = `${bins} ${id}`
    const said = this.#said.get(endpoint) ?? new Map<string, Said>()
    this.#said.set(endpoint, said)
    const before = said.get(key)
    said.set(key, { since, counts })
    const book = this.#book(version, bins, id, () => new RecentCounts(counts.length, nowMs))
    if (before?.since !== since) return
    const grown = counts.map((count, i) => count - before.counts[i]!)
    if (grown.every((count) => count >= 0)) book.counts.add(grown, nowMs)
  }

  /** Endpoints that are gone are forgotten; what they counted stays for as long as it is looked back at. */
  keep(
    endpoints: readonly { id: string; version: string }[],
    stable: string | undefined,
    nowMs: number,
  ): void {
    const present = new Set(endpoints.map(({ id }) => id))
    for (const endpoint of this.#said.keys()) if (!present.has(endpoint)) this.#said.delete(endpoint)
    const versions = new Set(endpoints.map(({ version }) => version))
    for (const [key, { version, bins, counts }] of this.#books) {
      const inUse = versions.has(version) && this.wanted(version, stable).some((one) => one.bins === bins)
      if (!inUse && counts.isPast(nowMs)) this.#books.delete(key)
    }
  }

  book(version: string, bins: string): Book | undefined {
    return this.#books.get(keyOf(version, bins))
  }

  books(): Book[] {
    return [...this.#books.values()]
  }

  #book(version: string, bins: string, id: string, begin: () => RecentCounts): Book {
    const known = this.book(version, bins)
    // Bins change with a version's bytes alone, which they never should.
    if (known?.layoutId === id) return known
    const fresh = { version, bins, layoutId: id, counts: begin() }
    this.#books.set(keyOf(version, bins), fresh)
    return fresh
  }
}

const keyOf = (version: string, bins: string) => `${version}\n${bins}`
