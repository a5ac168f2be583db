import { log } from '@coalmine/contract/log.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { listModelFolders, loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Version } from '../messages.ts'

/**
 * The versions that exist, by model: those in the models folder, and those that endpoints say they serve. A
 * version is immutable: its digest stays the one it was first seen with.
 */
export class Catalog {
  readonly #folder: string
  readonly #versions = new Map<string, Map<string, Version>>()
  readonly #faults = new Map<string, Map<string, string>>()
  readonly #deployed = new Map<string, string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A version that was deployed with this digest: other bytes under its name are never started from. */
  expect(model: string, version: string, digest: string): void {
    this.#deployed.set(`${model}/${version}`, digest)
  }

  /** Looks for new versions of the models named. One that cannot be read is a fault to show, not a failure. */
  async scan(models: readonly string[]): Promise<void> {
    for (const { model, version } of await listModelFolders(this.#folder)) {
      if (!models.includes(model) || this.version(model, version)) continue
      try {
        const { manifest, digest } = await loadModelFolder(this.#folder, model, version)
        const tampered = this.#tampered(model, version, digest)
        if (tampered) throw new Error(tampered)
        this.#add(model, { version, digest, manifest })
        this.#faults.get(model)?.delete(version)
      } catch (error) {
        this.#faulty(model, version, (error as Error).message)
      }
    }
  }

  /**
   * What an endpoint says it serves.
   * @returns why it cannot be that version, or nothing if it can
   */
  learn(model: string, version: string, digest: string, manifest: Manifest): string | undefined {
    if (manifest.name !== model || manifest.version !== version) {
      return `it serves version ${manifest.version} of ${manifest.name}, not ${version} of ${model}`
    }
    const known = this.version(model, version)
    const tampered = this.#tampered(model, version, digest)
    if (tampered) return tampered
    if (!known) this.#add(model, { version, digest, manifest })
    return undefined
  }

  version(model: string, version: string): Version | undefined {
    return this.#versions.get(model)?.get(version)
  }

  versions(model: string): Version[] {
    return [...(this.#versions.get(model)?.values() ?? [])]
  }

  /** Versions that are there and cannot be served, with the reason. */
  faults(model: string): { version: string; reason: string }[] {
    return [...(this.#faults.get(model) ?? [])].map(([version, reason]) => ({ version, reason }))
  }

  #tampered(model: string, version: string, digest: string): string | undefined {
    const expected = this.version(model, version)?.digest ?? this.#deployed.get(`${model}/${version}`)
    if (expected === undefined || expected === digest) return undefined
    return `tampered: the bytes of ${model} ${version} are not those it was known by (${digest}, expected ${expected}); a version never changes, publish a new one`
  }

  #faulty(model: string, version: string, reason: string): void {
    const faults = entry(this.#faults, model)
    if (faults.get(version) === reason) return
    faults.set(version, reason)
    log.error('a version cannot be served', { model, version, reason })
  }

  #add(model: string, version: Version): void {
    entry(this.#versions, model).set(version.version, version)
  }
}

function entry<T>(map: Map<string, Map<string, T>>, key: string): Map<string, T> {
  let inner = map.get(key)
  if (!inner) {
    inner = new Map()
    map.set(key, inner)
  }
  return inner
}
