import {
  DISTRIBUTION_PATH,
  distributionAnswer,
  REFERENCE_PATH,
} from '@coalmine/contract/distribution/layout.ts'
import { log } from '@coalmine/contract/log.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { parseReference } from '@coalmine/contract/reference.ts'
import type { Dispatcher } from 'undici'
import type { Control } from '../control.ts'
import { endpointDispatcher } from '../endpoint-dispatcher.ts'
import { probe } from '../probe.ts'
import { againstStable, againstTraining, type ComparedVersion, type Comparison } from './comparison.ts'
import { DriftAlerts } from './drift-alerts.ts'
import { DriftBooks } from './drift-book.ts'

const ASK_MS = 5_000

/** What is looked at: a part of control. */
export interface DriftWorld {
  models(): string[]
  stable(model: string): string | undefined
  manifest(model: string, version: string): { manifest: Manifest; digest: string } | undefined
  endpoints(model: string): readonly AskedEndpoint[]
  nowMs(): number
}

export interface AskedEndpoint {
  readonly id: string
  readonly version: string
  readonly origin: string
  readonly socketPath?: string
  readonly healthy: boolean
  /** Its process, where that is ours to start. */
  readonly worker?: { readonly pid?: number } | undefined
}

/** Endpoints of a version that are up, and those of them whose records are counted. */
export interface Workers {
  readonly healthy: number
  readonly counting: number
}

interface Asked {
  readonly dispatcher: Dispatcher
  pid: number | undefined
  asking: boolean
  lastMs: number
  /** It is no worker of ours, or one from before workers counted. */
  deaf: boolean
  /** What was wrong last, so that it is said once. */
  problem?: string
  /** In how many layouts it counts so that what comes from now on is known to be new. */
  layouts: number
}

/**
 * Asks every worker what it has seen, every five seconds and a new one at once, and adds it up by version. Predictions
 * wait for none of it: what is not asked in time is asked later, as workers go on counting.
 */
export class DriftWatch {
  readonly #world: DriftWorld
  readonly #models = new Map<string, DriftBooks>()
  readonly #asked = new Map<string, Asked>()

  constructor(world: DriftWorld) {
    this.#world = world
  }

  /** To be called about once a second. Resolves once everybody who was asked has answered, or will not; never rejects. */
  async look(): Promise<void> {
    const present = new Set<string>()
    const turns: Promise<void>[] = []
    const configured = new Set(this.#world.models())
    for (const model of configured) {
      const endpoints = this.#world.endpoints(model)
      for (const endpoint of endpoints) {
        present.add(endpoint.id)
        this.#again(endpoint)
        if (endpoint.healthy) turns.push(this.#turn(model, endpoint))
      }
      this.#books(model).keep(endpoints, this.#world.stable(model), this.#world.nowMs())
    }
    for (const model of this.#models.keys()) if (!configured.has(model)) this.#models.delete(model)
    for (const [id, { dispatcher }] of this.#asked) {
      if (present.has(id)) continue
      this.#asked.delete(id)
      void dispatcher.close()
    }
    await Promise.all(turns)
  }

  close(): void {
    for (const { dispatcher } of this.#asked.values()) void dispatcher.close()
    this.#asked.clear()
  }

  /** Both comparisons of a version; it has to be one that is known. */
  of(model: string, version: string): { workers: Workers; training: Comparison; stable: Comparison } {
    const books = this.#books(model)
    const nowMs = this.#world.nowMs()
    const one = this.#compared(model, version)!
    const stable = this.#world.stable(model)
    const healthy = this.#world
      .endpoints(model)
      .filter((endpoint) => endpoint.healthy && endpoint.version === version)
    const wanted = books.wanted(version, stable).length
    const counting = healthy.filter(({ id }) => wanted > 0 && this.#asked.get(id)?.layouts === wanted)
    return {
      workers: { healthy: healthy.length, counting: counting.length },
      training: againstTraining(books, one, nowMs),
      stable: againstStable(
        books,
        one,
        stable === undefined ? undefined : this.#compared(model, stable),
        nowMs,
      ),
    }
  }

  /** What was counted of a model since control began, or since the model is configured. */
  books(model: string): DriftBooks {
    return this.#books(model)
  }

  #compared(model: string, version: string): ComparedVersion | undefined {
    const found = this.#world.manifest(model, version)
    if (found === undefined) return undefined
    const endpoints = this.#world.endpoints(model).filter((endpoint) => endpoint.version === version)
    const deaf = endpoints.length > 0 && endpoints.every(({ id }) => this.#asked.get(id)?.deaf)
    const silent = deaf
      ? `the endpoints of ${version} are no workers of ours and do not say what they see`
      : endpoints.length === 0 && this.#books(model).trained(version) === undefined
        ? `${version} has no endpoint`
        : undefined
    return { version, manifest: found.manifest, ...(silent && { silent }) }
  }

  #books(model: string): DriftBooks {
    const known = this.#models.get(model)
    if (known) return known
    const fresh = new DriftBooks()
    this.#models.set(model, fresh)
    return fresh
  }

  /** Whoever comes back may be another process, which counts from its first question on: it is asked at once. */
  #again({ id, healthy, worker }: AskedEndpoint): void {
    const asked = this.#asked.get(id)
    if (asked === undefined || (healthy && asked.pid === worker?.pid)) return
    asked.pid = worker?.pid
    asked.layouts = 0
    asked.lastMs = Number.NEGATIVE_INFINITY
  }

  async #turn(model: string, endpoint: AskedEndpoint): Promise<void> {
    const nowMs = this.#world.nowMs()
    const asked = this.#asked.get(endpoint.id) ?? {
      dispatcher: endpointDispatcher(endpoint),
      pid: endpoint.worker?.pid,
      asking: false,
      lastMs: Number.NEGATIVE_INFINITY,
      deaf: false,
      layouts: 0,
    }
    this.#asked.set(endpoint.id, asked)
    if (asked.asking || nowMs - asked.lastMs < ASK_MS) return
    asked.asking = true
    asked.lastMs = nowMs
    try {
      await this.#ask(model, endpoint, asked)
    } catch (error) {
      const { message } = error as Error
      if (asked.problem !== message)
        log.warn('what a worker counted could not be used', {
          ...{ model, version: endpoint.version, endpoint: endpoint.id },
          error: message,
        })
      asked.problem = message
    } finally {
      asked.asking = false
    }
  }

  async #ask(model: string, endpoint: AskedEndpoint, asked: Asked): Promise<void> {
    const { id, version, origin } = endpoint
    const books = this.#books(model)
    const at = { origin, dispatcher: asked.dispatcher }
    const served = this.#world.manifest(model, version)
    if (served === undefined) return
    const trained = books.trained(version)
    if (trained === undefined || (trained !== 'no reference' && trained.digest !== served.digest)) {
      const answer = await probe(at, REFERENCE_PATH)
      if (answer.kind !== 'answered') return
      const reference = answer.status === 200 ? referenceIn(answer.body) : undefined
      // A server of another make may answer anything.
      asked.deaf = answer.status === 404 || (answer.status === 200 && reference === undefined)
      if (reference === undefined) return
      const parsed =
        reference === null ? undefined : parseReference(JSON.stringify(reference), 'reference.json')
      books.learn(version, served.digest, served.manifest, parsed)
    }
    const wanted = books.wanted(version, this.#world.stable(model))
    if (wanted.length === 0) return
    const layouts = wanted.map(({ layout }) => layout)
    const answer = await probe(at, DISTRIBUTION_PATH, { layouts })
    if (answer.kind !== 'answered') return
    asked.deaf = answer.status === 404
    if (answer.status !== 200) return
    const { digest, counts } = distributionAnswer.parse(JSON.parse(answer.body))
    if (digest !== served.digest) return
    asked.layouts = wanted.length
    for (const [i, { bins, layout }] of wanted.entries())
      if (counts[i]) books.add({ endpoint: id, version, bins, layout }, counts[i], this.#world.nowMs())
  }
}

/** The reference in an answer, which may be null; undefined where the answer is none. */
function referenceIn(body: string): unknown {
  try {
    return JSON.parse(body)?.reference
  } catch {
    return undefined
  }
}

export function driftAlertsOf(control: Control, drift: DriftWatch): DriftAlerts {
  return new DriftAlerts({
    models: () => Object.keys(control.config.models),
    versions: (model) =>
      [...new Set(control.endpoints(model).map(({ version }) => version))].filter(
        (version) => control.catalog.version(model, version) !== undefined,
      ),
    stable: (model) => control.deployment(model).stable?.version,
    drift: (model, version) => drift.of(model, version),
    nowMs: () => control.nowMs(),
  })
}

export function driftOf(control: Control): DriftWatch {
  return new DriftWatch({
    models: () => Object.keys(control.config.models),
    stable: (model) => control.deployment(model).stable?.version,
    manifest: (model, version) => control.catalog.version(model, version),
    endpoints: (model) => control.endpoints(model),
    nowMs: () => control.nowMs(),
  })
}
