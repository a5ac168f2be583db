/** How long a version may take to become ready before it is not given everything. */
const PREPARE_MS = 20_000
const LOOK_MS = 50

/** An endpoint as far as it matters here. */
interface Looked {
  version: string
  arm?: string
  healthy: boolean
  reason?: string
}

export interface PreparationDeps<E extends Looked> {
  endpoints: (model: string) => readonly E[]
  /** Waiting changes nothing. */
  settled: (endpoint: E) => boolean
  /** Brings workers into line with what is wanted. */
  align: () => Promise<void>
}

/** Versions that are to run before they are given anything. */
export class Preparation<E extends Looked> {
  readonly #deps: PreparationDeps<E>
  readonly #wanted = new Set<{ model: string; version: string }>()

  constructor(deps: PreparationDeps<E>) {
    this.#deps = deps
  }

  versions(model: string): string[] {
    return [...this.#wanted].filter((wanted) => wanted.model === model).map(({ version }) => version)
  }

  /**
   * Sees to it that a version could answer before it is given everything: starts its workers if they are ours,
   * waits for one to be ready, and keeps them until `then` has made use of it.
   * @returns what `then` gives, or why the version cannot answer
   */
  async of<T>(model: string, version: string, then: () => Promise<T>): Promise<T | { notReady: string }> {
    const wanted = { model, version }
    this.#wanted.add(wanted)
    try {
      await this.#deps.align()
      const notReady = await this.#unready(model, version)
      return notReady === undefined ? await then() : { notReady }
    } finally {
      this.#wanted.delete(wanted)
    }
  }

  async #unready(model: string, version: string): Promise<string | undefined> {
    const endMs = performance.now() + PREPARE_MS
    for (;;) {
      const endpoints = this.#deps
        .endpoints(model)
        .filter((endpoint) => endpoint.version === version && endpoint.arm === undefined)
      if (endpoints.some(({ healthy }) => healthy)) return undefined
      if (performance.now() > endMs || endpoints.every((endpoint) => this.#deps.settled(endpoint))) {
        const why = endpoints.find(({ reason }) => reason)?.reason ?? 'it has no endpoint'
        return `version ${version} of ${model} is not ready: ${why}`
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
}
