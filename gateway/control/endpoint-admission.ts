import { log } from '@coalmine/contract/log.ts'
import { parseManifestObject } from '@coalmine/contract/manifest.ts'
import type { Catalog } from './catalog.ts'
import type { Identity, Target } from './monitor.ts'

/** Decides which endpoints may join, by what they say they serve. */
export class EndpointAdmission {
  readonly #catalog: Catalog
  /** The last word to each, so that one that asks every half second is told of once. */
  readonly #told = new Map<string, string>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  /** Why it may not; what a worker of ours says of its version is learnt. */
  refusal(target: Target, identity: Identity): string | undefined {
    const { id, model, version } = target
    if (identity === 'foreign') {
      if (this.#catalog.version(model, version)) return undefined
      return `it does not say what it serves (no /manifest), and models/${model}/${version} is not here to say it`
    }
    const refusal = this.#learn(target, identity)
    if (refusal !== undefined && this.#told.get(id) !== refusal) {
      log.error('an endpoint was not admitted', { endpoint: id, why: refusal })
      this.#told.set(id, refusal)
    }
    return refusal
  }

  #learn({ model, version }: Target, { digest, manifest }: Exclude<Identity, 'foreign'>): string | undefined {
    try {
      return this.#catalog.learn(model, version, digest, parseManifestObject(manifest, '/manifest'))
    } catch (error) {
      return (error as Error).message
    }
  }
}
