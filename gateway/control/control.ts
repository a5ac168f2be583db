import { log } from '@coalmine/contract/log.ts'
import type { Deployment, VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Change, Intent, IntentContext, Refusal } from '@coalmine/core/rollout/intent.ts'
import type { Plan } from '@coalmine/core/rollout/plan.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { monotonicMs } from '../clock.ts'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { ControlRequest, DownMessage, EndpointEvent, WorkerReport, WrittenIdKey } from '../messages.ts'
import { clientsPerProcess, listenerPerProcess, perProcess, predictionLogSettings } from '../per-process.ts'
import type { RolloutStore } from '../store/rollout-store.ts'
import { Catalog } from './catalog.ts'
import { Deployments } from './deployments.ts'
import { EndpointAdmission } from './endpoint-admission.ts'
import { Fleet } from './fleet.ts'
import type { Health } from './health.ts'
import { type Identity, Monitor, type Target } from './monitor.ts'
import { OWN_CLIENT } from './own-client.ts'
import { Preparation } from './preparation.ts'
import { Publisher } from './publisher.ts'
import type { RecentTraffic } from './recent-traffic.ts'
import { Reconciler } from './reconciler.ts'
import { RolloutController, runTurns } from './rollouts/controller.ts'
import { epochOffsetMs } from './rollouts/evidence-clock.ts'
import { isReady } from './rollouts/readiness.ts'
import { type RolloutRequest, RolloutStarter, refused } from './rollouts/starter.ts'
import { UNSTORED_MS } from './routed.ts'

/** Tables are sent again this often: data processes stop trusting one after thirty seconds. */
const HEARTBEAT_MS = 5_000
/** How often the controller looks which rollouts are due. */
const TURN_MS = 100
/** Checks without any answer before a worker of ours is ended and started anew. */
const LIVENESS_FAILURES = 20
/** The number of the key for prediction ids that the store keeps. */
const STORED_KEY = 0

export interface ControlDeps {
  config: GatewayConfig
  store: RolloutStore
  stateFolder: string
  traffic: RecentTraffic
  /** Of prediction ids, the one that signs first; beside them the store's own verifies, or signs where there are none. */
  idKeys?: readonly WrittenIdKey[]
  send(message: DownMessage | ControlRequest): void
}

/** Who wants something, and why. */
export interface By {
  actor: string
  reason: string
}

/** An endpoint with its health, and its worker if that is ours. */
export type ControlEndpoint = Target & Health & { worker: WorkerReport | undefined }

/**
 * Keeps what is served equal to what is stored: file and people change the store, the store decides which
 * workers run, their health and the stored shares make the tables that the data processes route by.
 */
export class Control {
  readonly store: RolloutStore
  readonly catalog: Catalog
  readonly rollouts: RolloutController
  readonly #deployments: Deployments
  readonly #starter: RolloutStarter
  readonly #reconciler: Reconciler
  readonly #publisher = new Publisher({ isUnstored: () => this.#isUnstored(), nowMs: monotonicMs })
  readonly #preparation: Preparation<ControlEndpoint>
  readonly #send: ControlDeps['send']
  readonly #fleet: Fleet
  readonly #admission: EndpointAdmission
  readonly #monitor: Monitor
  /** Since the start: another number takes effect at the next one. */
  readonly #processes: number
  readonly #listeners = new Set<(event: DeploymentEvent) => void>()
  #config: GatewayConfig
  readonly #givenKeys: readonly WrittenIdKey[]
  #idKeys: readonly WrittenIdKey[] | undefined
  #epochOffsetMs = Date.now() - monotonicMs()
  #turn: Promise<unknown> = Promise.resolve()
  #alignDue = false
  #heartbeat: NodeJS.Timeout | undefined
  #turns: { stop(): void } | undefined

  constructor({ config, store, stateFolder, traffic, idKeys = [], send }: ControlDeps) {
    this.#givenKeys = idKeys
    this.#config = config
    this.#processes = config.processes
    this.store = store
    this.#send = send
    this.catalog = new Catalog(config.modelsFolder)
    this.#admission = new EndpointAdmission(this.catalog)
    this.#fleet = new Fleet(stateFolder)
    this.#monitor = new Monitor({
      admit: (target, identity) => this.#admit(target, identity),
      changed: (model) => this.#publish(model),
    })
    this.#deployments = new Deployments(
      store,
      (event, next) => this.#committed(event, next),
      (model) => this.#publish(model),
    )
    this.#starter = new RolloutStarter({
      config: () => this.#config,
      catalog: this.catalog,
      traffic,
      store,
      nowMs: () => this.nowMs(),
    })
    this.#reconciler = new Reconciler({
      deployments: this.#deployments,
      catalog: this.catalog,
      starter: this.#starter,
      nowMs: () => this.nowMs(),
    })
    this.#preparation = new Preparation({
      endpoints: (model) => this.endpoints(model),
      settled: (endpoint) => this.#settled(endpoint),
      align: () => this.#serially(() => this.#align()),
    })
    this.rollouts = new RolloutController({
      deployments: this.#deployments,
      now: () => this.nowMs(),
      send: (message) => this.#send(message),
      world: {
        processes: config.processes,
        version: (model, version) => this.#starter.known(model, version),
        stableFacts: (model, version) => this.#starter.facts(model, version),
        timeoutMs: (model) => this.#config.models[model]!.limits.timeoutMs,
        ready: (deployment) => isReady(deployment, this.endpoints(deployment.model)),
        withheld: (deployment) => this.#publisher.withheld(deployment) !== undefined,
      },
    })
  }

  get config(): GatewayConfig {
    return this.#config
  }

  /** The time of the evidence, and of all decisions. */
  nowMs(): number {
    return Math.round(monotonicMs() + this.#epochOffsetMs)
  }

  async start(): Promise<void> {
    const secret = await this.store.secret('prediction-id', () => crypto.getRandomValues(new Uint8Array(32)))
    const stored = { id: STORED_KEY, secret: Buffer.from(secret).toString('base64') }
    this.#idKeys = [
      ...this.#givenKeys,
      ...(this.#givenKeys.some(({ id }) => id === STORED_KEY) ? [] : [stored]),
    ]
    await this.#deployments.load()
    const deployments = this.#deployments.all()
    this.#epochOffsetMs = epochOffsetMs({ wallMs: Date.now(), monotonicMs: monotonicMs() }, deployments)
    for (const { model, stable, previous, split, rollout } of deployments) {
      for (const ref of [stable, previous, split?.canary, rollout?.stable, rollout?.canary])
        if (ref) this.catalog.expect(model, ref.version, ref.digest)
    }
    await this.#serially(() => this.#align())
    for (const [model, config] of Object.entries(this.#config.models))
      await this.#reconciler.remind(model, config)
    this.#heartbeat = setInterval(() => void this.#serially(() => this.#align()), HEARTBEAT_MS)
    this.#turns = runTurns(this.rollouts, TURN_MS)
  }

  close(): void {
    clearInterval(this.#heartbeat)
    this.#turns?.stop()
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

  /** Tells of every recorded change of a deployment from now on; the returned function ends that. */
  listen(listener: (event: DeploymentEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A person's wish; takes the same door as the file's. */
  async act(model: string, intent: Intent, by: By, expected?: number): Promise<Change | Refusal | 'stale'> {
    return this.#change(model, () => intent, { ...by, applied: this.#superseded(model, intent) }, expected)
  }

  /** A person starts a rollout, or has one judged again. */
  async startRollout(
    model: string,
    request: RolloutRequest,
    by: By,
    expected?: number,
  ): Promise<{ outcome: Change | Refusal | 'stale'; plan?: Plan }> {
    const { canary: version } = request
    const canary = await this.refToServe(model, version)
    if (canary === undefined)
      return { outcome: refused('version-unknown', `model '${model}' has no version '${version}'`) }
    let plan: Plan | undefined
    const intentOf = async (deployment: Deployment) => {
      const start = await this.#starter.intent(deployment, canary, request, by.actor)
      plan = start.plan
      return start.intent
    }
    const { version: wanted, weightBp } = this.#config.models[model] ?? {}
    const context = { ...by, applied: { version: wanted, weightBp } }
    const outcome = request.dryRun
      ? await this.#deployments.imagine(model, intentOf, { ...context, nowMs: this.nowMs() })
      : await this.#change(model, intentOf, context, expected)
    return { outcome, ...(plan && { plan }) }
  }

  /** The policy of this name as it is written now, fit for where the model's workers run; or why there is none. */
  policy(model: string, name: string): Policy | Refusal {
    return this.#starter.policy(this.deployment(model), name)
  }

  async #change(
    model: string,
    intentOf: (deployment: Deployment) => Intent | Refusal | Promise<Intent | Refusal>,
    context: Omit<IntentContext, 'frozen' | 'nowMs'>,
    expected?: number,
  ): Promise<Change | Refusal | 'stale'> {
    const outcome = await this.#deployments.change(
      model,
      intentOf,
      { ...context, nowMs: this.nowMs() },
      expected,
    )
    if (outcome !== 'stale' && outcome.kind === 'changed') await this.#serially(() => this.#align())
    return outcome
  }

  /** What the file still waits for and a person now decides: the later event wins. */
  #superseded(model: string, intent: Intent): NonNullable<IntentContext['applied']> {
    const { version, weightBp } = this.#config.models[model] ?? {}
    if (intent.kind === 'set-weight') return { weightBp }
    // To wait, or to go on, decides nothing about which version it is to be.
    return intent.kind === 'act' && !DECIDES_VERSION.has(intent.action.kind) ? {} : { version, weightBp }
  }

  /** See `Preparation`. */
  prepared<T>(model: string, version: string, then: () => Promise<T>): Promise<T | { notReady: string }> {
    return this.#preparation.of(model, version, then)
  }

  /** A worker that says no, or somebody else's that was looked at. */
  #settled({ id, socketPath, worker }: ControlEndpoint): boolean {
    return socketPath === undefined
      ? this.#monitor.checked(id)
      : worker?.state === 'not-ready' || worker?.state === 'failed'
  }

  deployment(model: string): Deployment {
    return this.#deployments.get(model)
  }

  drift(model: string) {
    return this.#reconciler.differences(model, this.#config.models[model])
  }

  endpoints(model: string): ControlEndpoint[] {
    return this.#fleet.targets(model).map((target) => ({
      ...target,
      ...this.#monitor.health(target.id),
      worker: this.#fleet.worker(target.id),
    }))
  }

  withheld(model: string): string | undefined {
    return this.#publisher.withheld(this.deployment(model))
  }

  #isUnstored(): boolean {
    const { standingSinceMs } = this.rollouts
    return standingSinceMs !== undefined && this.nowMs() - standingSinceMs >= UNSTORED_MS
  }

  async refToServe(model: string, version: string): Promise<VersionRef | undefined> {
    await this.#serially(() => this.catalog.scan(Object.keys(this.#config.models)))
    const found = this.catalog.version(model, version)
    return found && { version, digest: found.digest }
  }

  #committed(event: DeploymentEvent, next: Deployment): void {
    const { model, kind, actor, reason, because } = event
    log.info(because, { model, event: kind, revision: next.revision, actor, reason })
    this.#publish(model)
    for (const listener of this.#listeners) listener(event)
    if (this.#alignDue) return
    // Other workers may be needed now.
    this.#alignDue = true
    void this.#serially(() => {
      this.#alignDue = false
      return this.#align()
    })
  }

  /** Brings file, store, workers, endpoints and tables into line, in this order. */
  async #align(): Promise<void> {
    const models = Object.keys(this.#config.models)
    await this.catalog.scan(models)
    for (const model of models) await this.#reconciler.reconcile(model, this.#config.models[model]!)
    this.#fleet.plan(
      this.#config,
      models.map((model) => this.deployment(model)),
      {
        nowMs: this.nowMs(),
        healthy: (id) => this.#monitor.health(id).healthy,
        running: (id) => this.#fleet.worker(id)?.state === 'ready',
        startable: (model, version) => this.catalog.startable(model, version),
        preparing: (model) => this.#preparation.versions(model),
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

  async #admit(target: Target, identity: Identity): Promise<string | undefined> {
    const refusal = this.#admission.refusal(target, identity)
    // What it says of its version may be what was waited for.
    if (refusal === undefined && identity !== 'foreign') void this.#serially(() => this.#align())
    return refusal
  }

  #publish(model: string): void {
    const config = this.#config.models[model]
    if (config === undefined) return
    const endpoints = this.endpoints(model).map((one) => ({ ...one, ...this.#monitor.standing(one.id) }))
    const message = this.#publisher.message({
      deployment: this.deployment(model),
      endpoints,
      versions: this.catalog.versions(model),
      limits: config.limits,
      resilience: perProcess(config.resilience, this.#processes),
      looked: this.#fleet.resolved(model) && endpoints.every(({ id }) => this.#monitor.checked(id)),
    })
    if (message) this.#send(message)
  }

  #sendModels(models: string[]): void {
    if (!this.#idKeys) return
    const { access, listener, overload, predictionLog } = this.#config
    this.#send({
      kind: 'models',
      models,
      idKeys: this.#idKeys,
      epochOffsetMs: this.#epochOffsetMs,
      listener: listenerPerProcess(listener, this.#processes),
      overload,
      ...(predictionLog && { predictionLog: predictionLogSettings(predictionLog, process.env) }),
      ...(access.clients && { clients: [...clientsPerProcess(access.clients, this.#processes), OWN_CLIENT] }),
    })
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

/** After these a person has decided which version it is to be. */
const DECIDES_VERSION: ReadonlySet<string> = new Set(['abort', 'rollback', 'promote'])
