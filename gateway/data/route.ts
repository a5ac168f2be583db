import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { type JsonLimits, withRecords } from '@coalmine/contract/json-limits.ts'
import { modelMetadata } from '@coalmine/contract/model-metadata.ts'
import { versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import type { Arm, RoutingTable } from '@coalmine/core/routing/table.ts'
import type { ModelLimits, TableMessage, Version } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import { type Endpoints, poolOf } from './endpoints.ts'
import type { ArmRecorder, Recorder } from './recorder.ts'
import type { RunningTrial } from './running-trial.ts'
import type { Upstream } from './upstream.ts'

/** One version with everything about its answers that is known before a request. */
export class Served {
  readonly model: string
  readonly version: string
  readonly digest: string
  readonly manifest: Version['manifest']
  readonly fingerprint: bigint
  /** Flat header list of every answer by this version. */
  readonly headers: readonly string[]
  readonly responded: (status: number) => void
  readonly #recorder: Recorder
  readonly #arms = new Map<string, ArmRecorder>()

  constructor(model: string, { version, digest, manifest }: Version, recorder: Recorder) {
    this.model = model
    this.version = version
    this.digest = digest
    this.manifest = manifest
    this.fingerprint = versionFingerprint(model, version, digest)
    this.headers = ['x-model-name', model, 'x-model-version', version, 'x-model-digest', digest]
    this.responded = recorder.responses(model, version)
    this.#recorder = recorder
  }

  recorder(arm: Arm | 'pinned'): ArmRecorder {
    let recorder = this.#arms.get(arm)
    if (!recorder) {
      recorder = this.#recorder.arm(this.model, arm, this.version, this.manifest.score?.range)
      this.#arms.set(arm, recorder)
    }
    return recorder
  }
}

/** What a route shares with those before it. */
export interface RouteParts {
  endpoints: Endpoints<Upstream>
  recorder: Recorder
  freshAtMs: number
  running: RunningTrial | undefined
}

/** Routing of one model: immutable, swapped whole when control sends a new table. */
export class ModelRoute {
  readonly model: string
  readonly table: RoutingTable
  readonly limits: ModelLimits
  readonly versions: ReadonlyMap<string, Served>
  readonly endpoints: Endpoints<Upstream>
  readonly resilience: Resilience
  /** Workers serve one version each, so their paths carry none. */
  readonly path: Readonly<{ v1: string; v2: string }>
  /** When control last said that this table holds, on the monotonic clock. */
  readonly freshAtMs: number
  /** While a rollout runs. */
  readonly running: RunningTrial | undefined
  /** Of requests that the gateway reads itself; undefined where workers of ours alone read them, with their own. */
  readonly jsonLimits: JsonLimits | undefined
  readonly #stable: Served
  readonly #canary: Served
  readonly #pools: Readonly<Record<Arm, string>>

  constructor(message: TableMessage, { endpoints, recorder, freshAtMs, running }: RouteParts) {
    this.model = message.model
    this.table = message.table
    this.limits = message.limits
    this.versions = new Map(message.versions.map((v) => [v.version, new Served(message.model, v, recorder)]))
    this.endpoints = endpoints
    this.resilience = message.resilience
    this.path = { v1: `/v1/models/${message.model}:predict`, v2: `/v2/models/${message.model}/infer` }
    this.freshAtMs = freshAtMs
    this.running = running
    this.jsonLimits = message.endpoints.every(({ own }) => own) ? undefined : jsonLimitsOf(message)
    const { stable, canary = stable } = message.table
    this.#stable = this.#version(stable)
    this.#canary = this.#version(canary)
    this.#pools = {
      stable: poolOf(stable),
      baseline: poolOf(stable, 'baseline'),
      // A version that is compared with itself needs workers that are the canary's alone.
      canary: canary === stable ? poolOf(stable, 'canary') : poolOf(canary),
    }
  }

  /** The endpoints that an arm's first attempts go to. */
  pool(arm: Arm): string {
    return this.#pools[arm]
  }

  /** Baseline is the stable version on endpoints of its own. */
  served(arm: Arm): Served {
    return arm === 'canary' ? this.#canary : this.#stable
  }

  /**
   * The caller's key, where the configuration asks for affinity and the caller has one. An empty one counts as
   * none: all who send it would share one arm.
   */
  affinityKey(exchange: Exchange): string | undefined {
    const { affinity } = this.table
    if (affinity === undefined) return undefined
    if ('header' in affinity) return exchange.header(affinity.header) || undefined
    return cookie(exchange.header('cookie'), affinity.cookie)
  }

  /** The version that a prediction id names, if it is one of this model's. */
  byFingerprint(fingerprint: bigint): Served | undefined {
    for (const served of this.versions.values()) if (served.fingerprint === fingerprint) return served
    return undefined
  }

  ready(nowMs: number, version = this.#stable.version): boolean {
    return this.endpoints.answers(poolOf(version), nowMs)
  }

  metadata(version = this.#stable.version) {
    const served = this.versions.get(version)!
    const loaded = [...this.versions.keys()].filter((v) => this.endpoints.loaded(v))
    return modelMetadata(served.manifest, { versions: loaded, digest: served.digest })
  }

  #version(version: string): Served {
    const served = this.versions.get(version)
    if (!served)
      throw new Error(`table of ${this.model} names version ${version}, which it does not describe`)
    return served
  }
}

function jsonLimitsOf({ limits, versions }: TableMessage): JsonLimits {
  const fields = Math.max(...versions.map(({ manifest }) => manifest.inputs.length))
  return withRecords({ depth: limits.jsonDepth, keys: limits.jsonKeys }, limits.instances, fields)
}

function cookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const eq = pair.indexOf('=')
    if (eq > 0 && pair.slice(0, eq).trim() === name) return pair.slice(eq + 1).trim() || undefined
  }
  return undefined
}
