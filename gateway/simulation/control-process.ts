import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { comparesLatency, isAA } from '@coalmine/core/rollout/rollout.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { Deployments } from '../control/deployments.ts'
import { FleetCounts } from '../control/fleet-counts.ts'
import { RecentTraffic } from '../control/recent-traffic.ts'
import { RolloutController } from '../control/rollouts/controller.ts'
import { epochOffsetMs } from '../control/rollouts/evidence-clock.ts'
import type { KnownVersion } from '../control/rollouts/foundations.ts'
import { isReady } from '../control/rollouts/readiness.ts'
import { stableFacts } from '../control/rollouts/stable-facts.ts'
import { trialOf } from '../control/rollouts/trial.ts'
import { DEFAULT_OVERLOAD } from '../data/overload.ts'
import { DEFAULT_LISTENER } from '../http1/settings.ts'
import type { DownMessage, Endpoint, MetricsMessage, OwnArm } from '../messages.ts'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import type { RolloutStore } from '../store/rollout-store.ts'
import type { FromData } from './data-process.ts'
import type { Client, CrashPoint, FaultyStore } from './faulty-store.ts'
import type { History } from './history.ts'
import type { Host } from './host.ts'
import type { Report } from './report.ts'
import type { VirtualTime } from './virtual-time.ts'
import { FIRST_CANARY, FIRST_STABLE, OTHER_CANARY, type Workers } from './workers.ts'

export const MODEL = 'churn'
export const AFFINITY_HEADER = 'x-caller'

const HEARTBEAT_MS = 5_000
const TURN_MS = 250
const LOOK_MS = 1_000
/** What was said so long ago is fresh. */
const RECENT_MS = 3_000
const TIMEOUT_MS = 2_000
const REPLICAS = 2
const ID_KEY = { id: 0, secret: Buffer.alloc(32).toString('base64') }
const MANIFEST = { score: { range: [0, 1] }, outputs: [] } as unknown as Manifest
const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
const KNOWN: KnownVersion = {
  manifest: MANIFEST,
  reference: {
    score: { edges: DECILES, shares: Array(10).fill(0.1), mean: 0.5 },
  } as KnownVersion['reference'] & {},
}

export interface ControlSetting {
  readonly name: string
  readonly time: VirtualTime
  readonly host: Host
  readonly store: FaultyStore
  readonly workers: Workers
  readonly history: History
  readonly report: Report
  /** How many data processes there should be. */
  readonly processes: number
  /** The time of day, which may be wrong. */
  readonly wallMs: () => number
}

/** A control process: the parts of the gateway that hold deployments and run rollouts, without files and sockets. */
export class ControlProcess implements Client {
  alive = true
  crashPoint: CrashPoint | undefined
  readonly name: string
  readonly deployments: Deployments
  readonly controller: RolloutController
  readonly store: RolloutStore
  readonly #setting: ControlSetting
  readonly #counts = new FleetCounts()
  readonly #traffic = new RecentTraffic()
  #offsetMs: number
  #storeHeardMs = Number.NEGATIVE_INFINITY
  #turn: Promise<unknown> = Promise.resolve()
  #seen = ''
  #published = 0
  readonly #heardMs = new Map<string, number>()

  constructor(setting: ControlSetting) {
    const { name, time, host, store, processes, wallMs } = setting
    this.name = name
    this.#setting = setting
    this.store = store.of(this)
    this.#offsetMs = wallMs() - time.nowMs
    this.deployments = new Deployments(this.store, () => this.#committed())
    this.controller = new RolloutController({
      deployments: this.deployments,
      now: () => this.nowMs(),
      send: (message) => this.#send(message),
      world: {
        processes,
        version: () => KNOWN,
        stableFacts: (model, version) => stableFacts(this.#traffic.stable(model, version)),
        timeoutMs: () => TIMEOUT_MS,
        ready: (deployment) => isReady(deployment, this.#endpoints(deployment)),
        withheld: () => false,
      },
    })
    host.controls.add(this)
  }

  /** The time of the evidence. */
  nowMs(): number {
    return Math.round(this.#setting.time.nowMs + this.#offsetMs)
  }

  /** Rejects when the store cannot be read. */
  async start(): Promise<void> {
    const { time, wallMs } = this.#setting
    await this.deployments.load()
    this.#offsetMs = this.#offsetOver(wallMs())
    await this.align()
    time.every(HEARTBEAT_MS, () => this.#live(() => void this.align().catch(() => {})))
    time.every(LOOK_MS, () => this.#live(() => this.#look()))
    this.#nextTurn()
  }

  /** A process that is told to end, or that ends of itself. */
  crash(): void {
    this.alive = false
    this.#setting.report.trace(() => `${this.name} is dead`)
    const { host, time } = this.#setting
    if (host.controls.size > 1) host.sideBySideMs = time.nowMs
    host.controls.delete(this)
  }

  /**
   * How many data processes have told it lately what they recorded. While two control processes by two clocks make
   * recordings begin anew all the time, one process has several recorders, and nobody here can tell.
   */
  get hears(): number {
    const { time, host } = this.#setting
    const sinceMs = time.nowMs - RECENT_MS
    if (host.controls.size > 1 || host.sideBySideMs >= sinceMs) return Number.POSITIVE_INFINITY
    return this.#heardMs.values().reduce((count, heardMs) => count + Number(heardMs >= sinceMs), 0)
  }

  hear(process: string, message: FromData | MetricsMessage): void {
    if (!this.alive) return
    switch (message.kind) {
      case 'delta':
        this.#heardMs.set(process, this.#setting.time.nowMs)
        this.controller.accept(message)
        return
      case 'labels':
        this.controller.acceptLabels(message)
        return
      case 'pairs':
        this.controller.acceptPairs(message)
        return
      case 'tripped':
        void this.controller
          .tripped(message)
          .catch((error: Error) =>
            this.#setting.report.holds(false, () => `nobody handles that a trip ended in: ${error.message}`),
          )
        return
      case 'metrics':
        this.#counts.update(message.incarnation, message.snapshot, this.#setting.time.nowMs)
        return
    }
  }

  /** The workers that it serves from. */
  workers(): string[] {
    return this.#endpoints(this.deployments.get(MODEL)).map(({ id }) => id)
  }

  /** Looks at what is stored, and tells it. */
  align(): Promise<void> {
    const result = this.#turn.then(async () => {
      const { time } = this.#setting
      const askedMs = time.nowMs
      await this.deployments.refresh(MODEL)
      this.#storeHeardMs = askedMs
      this.#offsetMs = this.#offsetOver(time.nowMs + this.#offsetMs)
      this.#send({
        kind: 'models',
        models: [MODEL],
        idKeys: [ID_KEY],
        epochOffsetMs: this.#offsetMs,
        listener: DEFAULT_LISTENER,
        overload: DEFAULT_OVERLOAD,
      })
      this.publish()
    })
    this.#turn = result.catch(() => {})
    return result
  }

  publish(): void {
    const { report, history } = this.#setting
    const deployment = this.deployments.get(MODEL)
    const table = routingTable(deployment)
    if (!this.alive || table === undefined) return
    const { rollout } = deployment
    const known = history.revisions.get(table.revision)
    report.holds(
      known !== undefined &&
        routingTable(known)!.weightBp === table.weightBp &&
        known.serial === deployment.serial,
      () =>
        `${this.name} publishes revision ${table.revision} at ${table.weightBp} bp, which was never committed`,
    )
    report.holds(
      table.revision >= this.#published,
      () => `${this.name} publishes revision ${table.revision} after revision ${this.#published}`,
    )
    this.#published = table.revision
    this.#send({
      kind: 'table',
      model: MODEL,
      table,
      versions: [FIRST_STABLE, FIRST_CANARY, OTHER_CANARY].map((version) => ({
        version,
        digest: digestOf(version),
        manifest: MANIFEST,
      })),
      limits: { timeoutMs: TIMEOUT_MS, bodyBytes: 1000, instances: 1, jsonDepth: 32, jsonKeys: 10_000 },
      resilience: DEFAULT_RESILIENCE,
      endpoints: this.#endpoints(deployment),
      ...(rollout && { trial: trialOf(rollout, MANIFEST) }),
    })
  }

  /** Never before what is stored, whoever stored it by whatever clock. */
  #offsetOver(wallMs: number): number {
    return epochOffsetMs({ wallMs, monotonicMs: this.#setting.time.nowMs }, this.deployments.all())
  }

  #committed(): void {
    this.#storeHeardMs = this.#setting.time.nowMs
    this.publish()
    if (this.crashPoint === 'after-publish') return this.crash()
    void this.align().catch(() => {})
  }

  #look(): void {
    const { time } = this.#setting
    this.#traffic.add(this.#counts.total(time.nowMs), time.nowMs)
    const deployment = this.deployments.get(MODEL)
    const seen = JSON.stringify(this.#endpoints(deployment).map(({ id, healthy }) => [id, healthy]))
    if (seen === this.#seen) return
    this.#seen = seen
    // A table that is sent again counts as fresh, which this one is not while nobody knows what is stored.
    if (time.nowMs - this.#storeHeardMs <= HEARTBEAT_MS * 2) this.publish()
  }

  async #nextTurn(): Promise<void> {
    try {
      await this.controller.tick()
    } catch (error) {
      const { name, message } = error as Error
      this.#setting.report.holds(
        name === 'StoreError',
        () => `a turn of ${this.name} ended by ${name}: ${message}`,
      )
    }
    this.#setting.time.after(TURN_MS, () => this.#live(() => void this.#nextTurn()))
  }

  #live(work: () => void): boolean {
    if (this.alive) work()
    return this.alive
  }

  #send(message: DownMessage): void {
    if (this.alive) this.#setting.host.fromControl({ message, storeHeardMs: this.#storeHeardMs })
  }

  #endpoints({ stable, previous, split, rollout }: Deployment): Endpoint[] {
    const versions = new Set(
      [stable, previous, split?.canary, rollout?.stable, rollout?.canary].flatMap(
        (ref) => ref?.version ?? [],
      ),
    )
    const endpoints = [...versions].flatMap((version) => this.#replicas(version))
    if (rollout && comparesLatency(rollout))
      endpoints.push(...this.#replicas(rollout.stable.version, 'baseline'))
    if (rollout && isAA(rollout)) endpoints.push(...this.#replicas(rollout.canary.version, 'canary'))
    return endpoints
  }

  #replicas(version: string, arm?: OwnArm): Endpoint[] {
    return Array.from({ length: REPLICAS }, (_, i) => {
      const id = `${version}${arm ? ` ${arm}` : ''}/${i}`
      this.#setting.workers.want(id)
      const healthy = this.#setting.workers.healthy(id)
      return { id, version, ...(arm && { arm }), origin: 'http://worker', healthy, own: true }
    })
  }
}

export function digestOf(version: string): string {
  return `sha256:${version}`
}
