import { breakingChanges } from '@coalmine/contract/contract-change.ts'
import { log } from '@coalmine/contract/log.ts'
import { parseManifestObject } from '@coalmine/contract/manifest.ts'
import { type Deployment, emptyDeployment, type VersionRef } from '@coalmine/core/rollout/deployment.ts'
import {
  applyIntent,
  type Change,
  type Intent,
  type IntentContext,
  type Refusal,
} from '@coalmine/core/rollout/intent.ts'
import { type Drift, driftOf, reconcile, type Wish } from '@coalmine/core/rollout/reconcile.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import type { GatewayConfig, ModelConfig } from '../config/gateway-config.ts'
import type { ControlRequest, DownMessage, EndpointEvent, WorkerReport } from '../messages.ts'
import type { RolloutStore } from '../store/rollout-store.ts'
import { Catalog } from './catalog.ts'
import { Fleet } from './fleet.ts'
import { type Identity, Monitor, type Target } from './monitor.ts'

/** Tables are sent again this often: data processes stop trusting one after thirty seconds. */
const HEARTBEAT_MS = 5_000
/** How long a version may take to become ready before it is not given everything. */
const PREPARE_MS = 20_000
const PREPARE_LOOK_MS = 50
/** Checks without any answer before a worker of ours is ended and started anew. */
const LIVENESS_FAILURES = 20

export interface ControlDeps {
  config: GatewayConfig
  store: RolloutStore
  stateFolder: string
  send(message: DownMessage | ControlRequest): void
}

/**
 * Keeps what is served equal to what is stored: file and people change the store, the store decides which
 * workers run, their health and the stored split make the tables that the data processes route by.
 */
export class Control {
  readonly store: RolloutStore
  readonly catalog: Catalog
  readonly #send: ControlDeps['send']
  readonly #fleet: Fleet
  readonly #monitor: Monitor
  readonly #deployments = new Map<string, Deployment>()
  readonly #pending = new Map<string, readonly string[]>()
  /** Splits whose canary has been ready at least once; before that it is given nothing. */
  readonly #readySplits = new Set<string>()
  readonly #preparing = new Set<{ model: string; version: string }>()
  readonly #published = new Set<string>()
  readonly #refusals = new Map<string, string>()
  #config: GatewayConfig
  #idKey: { id: number; secret: string } | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #heartbeat: NodeJS.Timeout | undefined

  constructor({ config, store, stateFolder, send }: ControlDeps) {
    this.#config = config
    this.store = store
    this.#send = send
    this.catalog = new Catalog(config.modelsFolder)
    this.#fleet = new Fleet(stateFolder)
    this.#monitor = new Monitor({
      admit: (target, identity) => this.#admit(target, identity),
      changed: (model) => this.#publish(model),
    })
  }

  get config(): GatewayConfig {
    return this.#config
  }

  async start(): Promise<void> {
    const secret = await this.store.secret('prediction-id', () => crypto.getRandomValues(new Uint8Array(32)))
    this.#idKey = { id: 0, secret: Buffer.from(secret).toString('base64') }
    for (const deployment of await this.store.readAll()) {
      this.#deployments.set(deployment.model, deployment)
      const { model, stable, previous, split } = deployment
      for (const ref of [stable, previous, split?.canary])
        if (ref) this.catalog.expect(model, ref.version, ref.digest)
    }
    await this.#serially(() => this.#align())
    this.#heartbeat = setInterval(() => void this.#serially(() => this.#align()), HEARTBEAT_MS)
  }

  close(): void {
    clearInterval(this.#heartbeat)
    this.#monitor.close()
  }

  /** The file changed and is valid. */
  reconfigure(config: GatewayConfig): Promise<void> {
    return this.#serially(async () => {
      // The catalog reads the folder it was started with.
      this.#config = { ...config, modelsFolder: this.#config.modelsFolder }
      await this.#align()
    })
  }

  workerReported(report: WorkerReport): void {
    this.#fleet.reported(report)
    if (report.state === 'ready' || report.state === 'not-ready') this.#monitor.look(report.id)
    else this.#monitor.lost(report.id, report.reason ?? `its worker is ${report.state}`)
  }

  endpointFailed({ id }: EndpointEvent): void {
    this.#monitor.look(id)
  }

  /** A person's wish; takes the same door as the file's. */
  act(
    model: string,
    intent: Intent,
    by: { actor: string; reason: string },
    expected?: number,
  ): Promise<Change | Refusal | 'stale'> {
    return this.#serially(async () => {
      for (;;) {
        const deployment = (await this.store.read(model)) ?? emptyDeployment(model)
        if (expected !== undefined && deployment.revision !== expected) return 'stale'
        const outcome = applyIntent(deployment, intent, {
          ...by,
          nowMs: Date.now(),
          frozen: (await this.store.freeze()).frozen,
          applied: this.#superseded(model, intent),
        })
        if (outcome.kind === 'refused') return outcome
        if ((await this.#commit(outcome)) === 'committed') {
          await this.#align()
          return outcome
        }
        if (expected !== undefined) return 'stale'
      }
    })
  }

  /** What the file still waits for and a person now decides: the later event wins. */
  #superseded(model: string, intent: Intent): NonNullable<IntentContext['applied']> {
    const { version, weightBp } = this.#config.models[model] ?? {}
    return intent.kind === 'set-weight' ? { weightBp } : { version, weightBp }
  }

  /**
   * Sees to it that a version could answer before it is given everything: starts its workers if they are ours,
   * waits for one to be ready, and keeps them until `then` has made use of it.
   * @returns what `then` gives, or why the version cannot answer
   */
  async prepared<T>(
    model: string,
    version: string,
    then: () => Promise<T>,
  ): Promise<T | { notReady: string }> {
    const preparation = { model, version }
    this.#preparing.add(preparation)
    try {
      await this.#serially(() => this.#align())
      const notReady = await this.#unready(model, version)
      return notReady === undefined ? await then() : { notReady }
    } finally {
      this.#preparing.delete(preparation)
    }
  }

  async #unready(model: string, version: string): Promise<string | undefined> {
    const endMs = performance.now() + PREPARE_MS
    for (;;) {
      const endpoints = this.endpoints(model).filter((endpoint) => endpoint.version === version)
      if (endpoints.some(({ healthy }) => healthy)) return undefined
      if (performance.now() > endMs || endpoints.every((endpoint) => this.#settled(endpoint))) {
        const why = endpoints.find(({ reason }) => reason)?.reason ?? 'it has no endpoint'
        return `version ${version} of ${model} is not ready: ${why}`
      }
      await new Promise((resolve) => setTimeout(resolve, PREPARE_LOOK_MS))
    }
  }

  /** Waiting changes nothing: a worker that says no, or somebody else's that was looked at. */
  #settled({ id, socketPath, worker }: ReturnType<Control['endpoints']>[number]): boolean {
    return socketPath === undefined
      ? this.#monitor.checked(id)
      : worker?.state === 'not-ready' || worker?.state === 'failed'
  }

  deployment(model: string): Deployment {
    return this.#deployments.get(model) ?? emptyDeployment(model)
  }

  drift(model: string): { drift: Drift[]; pending: readonly string[] } {
    const config = this.#config.models[model]
    return {
      drift: config ? driftOf(this.deployment(model), wishOf(config)) : [],
      pending: this.#pending.get(model) ?? [],
    }
  }

  endpoints(model: string) {
    return this.#fleet.targets(model).map((target) => ({
      ...target,
      ...this.#monitor.health(target.id),
      worker: this.#fleet.worker(target.id),
    }))
  }

  /** The share that the canary is given now: nothing until it has been ready once. */
  tableOf(model: string) {
    const deployment = this.deployment(model)
    if (deployment.split === undefined || this.#wasReady(deployment)) return routingTable(deployment)
    return routingTable({ ...deployment, split: { ...deployment.split, weightBp: 0 } })
  }

  async refToServe(model: string, version: string): Promise<VersionRef | undefined> {
    await this.#serially(() => this.catalog.scan(Object.keys(this.#config.models)))
    const found = this.catalog.version(model, version)
    return found && { version, digest: found.digest }
  }

  #wasReady({ model, split }: Deployment): boolean {
    return split !== undefined && this.#readySplits.has(`${model}/${split.serial}`)
  }

  /** Brings file, store, workers, endpoints and tables into line, in this order. */
  async #align(): Promise<void> {
    const models = Object.keys(this.#config.models)
    await this.catalog.scan(models)
    for (const model of models) await this.#reconcile(model)
    this.#fleet.plan(
      this.#config,
      models.map((model) => this.deployment(model)),
      {
        healthy: (id) => this.#monitor.health(id).healthy,
        running: (id) => this.#fleet.worker(id)?.state === 'ready',
        startable: (model, version) => this.catalog.startable(model, version),
        preparing: (model) => [...this.#preparing].filter((p) => p.model === model).map((p) => p.version),
      },
    )
    this.#restartUnreachable()
    this.#monitor.watch(this.#fleet.allTargets())
    // Not awaited: a slow resolver must not hold up a person's change.
    void this.#fleet.resolve().then((changed) => {
      if (!changed) return
      this.#monitor.watch(this.#fleet.allTargets())
      for (const model of models) this.#publish(model)
    })
    this.#sendModels(models)
    for (const model of models) this.#publish(model)
    this.#send({ kind: 'workers', desired: this.#fleet.workers() })
  }

  /** A worker that runs and answers nothing, not even its health, is started anew. */
  #restartUnreachable(): void {
    for (const { id } of this.#fleet.workers()) {
      const { unreachable, failures, reason = '' } = this.#monitor.health(id)
      if (!unreachable || failures < LIVENESS_FAILURES || this.#fleet.worker(id)?.state !== 'ready') continue
      this.#send({ kind: 'restart', worker: id, reason })
    }
  }

  async #reconcile(model: string): Promise<void> {
    const stored = (await this.store.read(model)) ?? emptyDeployment(model)
    this.#deployments.set(model, stored)
    const { changes, pending } = reconcile(stored, wishOf(this.#config.models[model]!), {
      nowMs: Date.now(),
      frozen: (await this.store.freeze()).frozen,
      digestOf: (version) => this.catalog.version(model, version)?.digest,
      incompatible: (stable, canary) => this.#incompatible(model, stable, canary),
    })
    if (pending.join() !== this.#pending.get(model)?.join()) {
      for (const sentence of pending) log.warn('the configuration cannot act yet', { model, why: sentence })
    }
    this.#pending.set(model, pending)
    for (const change of changes) if ((await this.#commit(change)) === 'stale') return
  }

  async #commit({ next, event }: Change): Promise<'committed' | 'stale'> {
    const outcome = await this.store.commit(next, event)
    if (outcome === 'committed') {
      this.#deployments.set(next.model, next)
      log.info(event.because, {
        model: next.model,
        event: event.kind,
        revision: next.revision,
        actor: event.actor,
        reason: event.reason,
      })
    }
    return outcome
  }

  /** Why requests that stable accepts could fail on the other version; undefined when they cannot. */
  #incompatible(model: string, stable: string, canary: string): string | undefined {
    const [from, to] = [this.catalog.version(model, stable), this.catalog.version(model, canary)]
    if (!from || !to) return undefined
    const broken = breakingChanges(from.manifest, to.manifest)
    return broken.length > 0
      ? `${canary} breaks the request contract of ${stable}: ${broken.join('; ')}`
      : undefined
  }

  async #admit(target: Target, identity: Identity): Promise<string | undefined> {
    const { model, version } = target
    if (identity !== 'foreign') {
      const refusal = this.#learn(target, identity)
      if (refusal && this.#refusals.get(target.id) !== refusal) {
        log.error('an endpoint was not admitted', { endpoint: target.id, why: refusal })
        this.#refusals.set(target.id, refusal)
      }
      if (!refusal) void this.#serially(() => this.#align())
      return refusal
    }
    if (this.catalog.version(model, version)) return undefined
    return `it does not say what it serves (no /manifest), and models/${model}/${version} is not here to say it`
  }

  #learn({ model, version }: Target, { digest, manifest }: Exclude<Identity, 'foreign'>): string | undefined {
    try {
      return this.catalog.learn(model, version, digest, parseManifestObject(manifest, '/manifest'))
    } catch (error) {
      return (error as Error).message
    }
  }

  #publish(model: string): void {
    const deployment = this.deployment(model)
    if (!this.#config.models[model] || !deployment.stable) return
    const endpoints = this.endpoints(model)
    // After a restart data processes know better than we do until every endpoint has been looked at once.
    const looked = this.#fleet.resolved(model) && endpoints.every(({ id }) => this.#monitor.checked(id))
    if (!this.#published.has(model) && !looked) return
    const { split } = deployment
    if (split && endpoints.some((e) => e.version === split.canary.version && e.healthy))
      this.#readySplits.add(`${model}/${split.serial}`)
    const versions = this.catalog.versions(model)
    const known = (version: string) => versions.some((v) => v.version === version)
    const table = this.tableOf(model)
    // A worker elsewhere that has not told yet what it serves: nothing can be routed before it has.
    if (!table || !known(table.stable) || (table.canary !== undefined && !known(table.canary))) return
    const reachable = endpoints.map(({ id, version, origin, socketPath, healthy }) => ({
      ...{ id, version, origin, healthy, own: this.#monitor.own(id) },
      ...(socketPath ? { socketPath } : {}),
    }))
    this.#published.add(model)
    const { limits } = this.#config.models[model]
    this.#send({ kind: 'table', model, table, versions, limits, endpoints: reachable })
  }

  #sendModels(models: string[]): void {
    if (this.#idKey) this.#send({ kind: 'models', models, idKey: this.#idKey })
  }

  /** One change at a time, so that what is read is what is written over. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch((error) =>
      log.error('control could not finish a turn', { error: (error as Error).message }),
    )
    return result
  }
}

export function wishOf({ initial, version, weightBp, affinity }: ModelConfig): Wish {
  return {
    initial,
    ...(version !== undefined && { version }),
    ...(weightBp !== undefined && { weightBp }),
    ...(affinity && { affinity }),
  }
}
