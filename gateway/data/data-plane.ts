import { randomBytes } from 'node:crypto'
import { type IdKey, type IdKeyRing, idKey } from '@coalmine/contract/prediction-id.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { monotonicMs } from '../clock.ts'
import { DEFAULT_LISTENER, type ListenerSettings } from '../http1/settings.ts'
import type {
  DeltaMessage,
  DownMessage,
  Endpoint,
  EndpointEvent,
  LabelsMessage,
  PairsMessage,
  TableMessage,
  TrippedMessage,
  WrittenIdKey,
} from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { ProcessCounts, Snapshot } from '../snapshot.ts'
import { Clients } from './clients.ts'
import { endpointCounts, secondAttemptCounts } from './endpoint-counts.ts'
import { Endpoints } from './endpoints.ts'
import { Feedback } from './feedback.ts'
import { LEVELS, levelOf, OverloadGuard } from './overload.ts'
import { PredictionLog } from './prediction-log/prediction-log.ts'
import { NO_SPANS, Recorder } from './recorder.ts'
import { ModelRoute } from './route.ts'
import { RunningTrial } from './running-trial.ts'
import type { Tracer } from './tracing/request-trace.ts'
import { Upstream } from './upstream.ts'

/** Control unseen for this long: predictions go on, the canary gets nothing. */
const STALE_MS = 30_000

/** What a data plane tells control of itself. */
export type Report = EndpointEvent | DeltaMessage | LabelsMessage | PairsMessage | TrippedMessage

/** What one data process knows. Messages replace parts of it; requests only read. */
export class DataPlane {
  readonly routes = new Map<string, ModelRoute>()
  readonly recorder = new Recorder()
  readonly feedback: Feedback
  readonly predictionLog: PredictionLog = new PredictionLog()
  /** Undefined where nothing is traced. */
  tracer: Tracer | undefined
  /** Signs prediction ids; replaced by the gateway's own as soon as control has spoken. */
  idKey: IdKey = idKey(0, randomBytes(32))
  /** What prediction ids are verified with. */
  idKeys: IdKeyRing = new Map([[this.idKey.id, this.idKey]])
  /** Independent u32 draws: never a client's request id, whose retries would keep their arm. */
  readonly random: () => number
  /** The machine's monotonic clock. */
  readonly nowMs: () => number
  readonly #endpoints = new Map<string, Endpoints<Upstream>>()
  readonly #running = new Map<string, RunningTrial>()
  readonly #report: (report: Report) => void
  #epochOffsetMs: number | undefined
  #known = false
  #models: readonly string[] = []
  draining = false
  readonly overload = new OverloadGuard()
  /** Who may ask; anybody when undefined. */
  clients: Clients | undefined
  /** Of the port that it answers on. */
  listener: ListenerSettings = DEFAULT_LISTENER

  constructor({
    report,
    seed = randomBytes(16),
    clock = monotonicMs,
  }: {
    report: (report: Report) => void
    seed?: Uint8Array
    clock?: () => number
  }) {
    this.#report = report
    this.random = seededRandom(seed)
    this.nowMs = clock
    this.feedback = new Feedback({
      routes: this.routes,
      keys: () => this.idKeys,
      nowMs: () => this.evidenceMs(this.nowMs()),
      random: () => this.random(),
      send: report,
    })
  }

  /** @param ageMs how long ago control said this, where the supervisor repeats it */
  apply(message: DownMessage, ageMs = 0): void {
    switch (message.kind) {
      case 'table':
        // Together, or a request between the two would draw a version that has no endpoint any more.
        this.#endpointsOf(message).replace(message.endpoints, message.resilience)
        this.routes.set(
          message.model,
          new ModelRoute(message, {
            endpoints: this.#endpointsOf(message),
            recorder: this.recorder,
            freshAtMs: this.nowMs() - ageMs,
            running: this.#runningOf(message),
          }),
        )
        return
      case 'models':
        this.#known = true
        this.#models = message.models
        this.#takeKeys(message.idKeys)
        for (const [model, endpoints] of this.#endpoints) {
          if (message.models.includes(model)) continue
          this.routes.delete(model)
          this.#running.delete(model)
          this.#endpoints.delete(model)
          void endpoints.close()
        }
        this.#epochOffsetMs = message.epochOffsetMs
        this.overload.settings = message.overload
        this.listener = message.listener
        this.predictionLog.configure(message.predictionLog)
        if (message.clients === undefined) this.clients = undefined
        else {
          this.clients ??= new Clients()
          this.clients.use(message.clients, this.nowMs())
        }
        for (const running of this.#running.values())
          running.update(running.trial, message.epochOffsetMs, this.nowMs())
        return
      case 'fenced':
        this.#running.get(message.model)?.fenced(message.incarnations, this.nowMs())
    }
  }

  #takeKeys(keys: readonly WrittenIdKey[]): void {
    this.idKeys = new Map(keys.map(({ id, secret }) => [id, idKey(id, Buffer.from(secret, 'base64'))]))
    this.idKey = this.idKeys.get(keys[0]!.id)!
  }

  /** The time of the evidence in whole ms, at an instant of the monotonic clock. */
  evidenceMs(monotonicMs: number): number {
    return Math.round(monotonicMs + (this.#epochOffsetMs ?? Date.now() - this.nowMs()))
  }

  /**
   * Sends what the rollouts' recordings have closed, and the truths that came.
   * @param stalled the process stood still until now
   */
  flush(stalled = false): void {
    this.feedback.flush()
    for (const running of this.#running.values()) running.flush(this.nowMs(), stalled)
  }

  /** There is too much to do for what is not asked for: no second attempts. */
  get sparing(): boolean {
    return this.overload.protection.sparing
  }

  /** Answers close their connection. */
  get closing(): boolean {
    return this.draining || this.overload.protection.closing
  }

  /** @param port what the process knows beside this */
  snapshot(port: Pick<ProcessCounts, 'connections' | 'droppedConnections' | 'droppedLogLines'>): Snapshot {
    const { protection, shed, worst } = this.overload
    const all = [...this.#endpoints]
    return this.recorder.snapshot({
      ...this.feedback.snapshot(),
      endpoints: all.flatMap(([model, endpoints]) => endpointCounts(model, endpoints, this.nowMs())),
      secondAttempts: all.flatMap(([model, endpoints]) => secondAttemptCounts(model, endpoints)),
      panics: all.map(([model, { panics }]) => ({ model, count: panics })),
      clients: this.clients?.counts() ?? [],
      predictionLog: { ...this.predictionLog.counts },
      spans: this.tracer ? { ...this.tracer.queue.counts } : NO_SPANS,
      process: {
        ...port,
        overloadLevel: LEVELS.indexOf(levelOf(protection)),
        shed,
        loopDelayP99Ms: worst.loopDelayMs,
        heapShare: worst.heapShare,
      },
    })
  }

  stale(route: ModelRoute): boolean {
    return this.nowMs() - route.freshAtMs > STALE_MS
  }

  /** A configured model. Before control has spoken any may be one. */
  knows(model: string): boolean {
    return !this.#known || this.#models.includes(model)
  }

  get models(): readonly string[] {
    return this.#models
  }

  /** Ready once control has spoken and a model can answer: one broken model must not take the others down. */
  ready(): boolean {
    const nowMs = this.nowMs()
    return this.#known && !this.draining && [...this.routes.values()].some((route) => route.ready(nowMs))
  }

  /** Every model can answer: what a start waits for. */
  allReady(): boolean {
    const nowMs = this.nowMs()
    return this.#models.every((model) => this.routes.get(model)?.ready(nowMs)) && this.#known
  }

  endpointFailed(model: string, id: string, code: string): void {
    this.#report({ kind: 'endpoint', model, id, code })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map((endpoints) => endpoints.close()))
    await this.predictionLog.close()
    await this.tracer?.queue.close()
  }

  /** The rollout of a table. One that ended is forgotten with all that it recorded: nobody asks for it any more. */
  #runningOf({ model, table: { serial }, trial }: TableMessage): RunningTrial | undefined {
    if (trial === undefined) {
      this.#running.delete(model)
      return undefined
    }
    let running = this.#running.get(model)
    if (running?.serial !== serial) {
      const lost = this.recorder.losses(model)
      const mirrored = this.recorder.mirrored(model)
      const setting = { model, random: this.random, send: this.#report, lost, mirrored }
      running = new RunningTrial(serial, trial, setting)
      this.#running.set(model, running)
    }
    running.update(trial, this.#epochOffsetMs, this.nowMs())
    return running
  }

  #endpointsOf({ model, resilience }: TableMessage): Endpoints<Upstream> {
    let endpoints = this.#endpoints.get(model)
    if (!endpoints) {
      const make = (endpoint: Endpoint, now: Resilience) => new Upstream(endpoint, now, this.nowMs)
      endpoints = new Endpoints(make, resilience, this.nowMs)
      this.#endpoints.set(model, endpoints)
    }
    return endpoints
  }
}
