import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { log } from '@coalmine/contract/log.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { listModelFolders, loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import type { Version } from '../messages.ts'

/**
 * The versions that exist, by model: those in the models folder, and those that endpoints say they serve. A
 * version is immutable: its digest stays the one it was first seen with.
 */
export class Catalog {
  readonly #folder: string
  readonly #versions = new Map<string, Map<string, Version>>()
  readonly #references = new Map<string, Reference>()
  readonly #faults = new Map<string, Map<string, string>>()
  readonly #deployed = new Map<string, string>()
  /** Of each folder's files when they were last read. */
  readonly #signatures = new Map<string, string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A version that was deployed with this digest: other bytes under its name are never started from. */
  expect(model: string, version: string, digest: string): void {
    this.#deployed.set(`${model}/${version}`, digest)
  }

  /**
   * Looks at the versions of the models named: new ones, and those whose files changed. One that cannot be read
   * is a fault to show, not a failure, and none any more once it is whole again.
   */
  async scan(models: readonly string[]): Promise<void> {
    const found = (await listModelFolders(this.#folder)).filter(({ model }) => models.includes(model))
    for (const [model, faults] of this.#faults) {
      for (const version of faults.keys()) {
        if (!models.includes(model) || found.some((f) => f.model === model && f.version === version)) continue
        faults.delete(version)
        this.#signatures.delete(`${model}/${version}`)
      }
    }
    for (const { model, version } of found) {
      const seen = await signature(join(this.#folder, model, version))
      const key = `${model}/${version}`
      if (this.#signatures.get(key) === seen) continue
      this.#signatures.set(key, seen)
      try {
        const { manifest, digest, reference } = await loadModelFolder(this.#folder, model, version)
        const tampered = this.#tampered(model, version, digest)
        if (tampered) throw new Error(tampered)
        this.#add(model, { version, digest, manifest })
        if (reference) this.#references.set(key, reference)
        this.#faults.get(model)?.delete(version)
      } catch (error) {
        const known = this.#deployed.has(key) || this.version(model, version) !== undefined
        const { message } = error as Error
        this.#faulty(
          model,
          version,
          known && !message.startsWith('tampered') ? `tampered: ${message}` : message,
        )
      }
    }
  }

  /** Whether a worker of this version may be started. */
  startable(model: string, version: string): boolean {
    return this.version(model, version) !== undefined && !this.#faults.get(model)?.has(version)
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

  /** What a version in the models folder saw in training, where it says so. */
  reference(model: string, version: string): Reference | undefined {
    return this.#references.get(`${model}/${version}`)
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

/** Names, sizes and times of a folder's files: a cheap sign that something changed. */
async function signature(folder: string): Promise<string> {
  const names = (await readdir(folder).catch(() => [])).sort()
  const parts = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(folder, name)).catch(() => ({ size: -1, mtimeMs: -1 }))
      return `${name} ${size} ${mtimeMs}`
    }),
  )
  return parts.join('\n')
}

function entry<T>(map: Map<string, Map<string, T>>, key: string): Map<string, T> {
  let inner = map.get(key)
  if (!inner) {
    inner = new Map()
    map.set(key, inner)
  }
  return inner
}
