import { randomBytes } from 'node:crypto'
import { type IdKey, idKey } from '@coalmine/contract/prediction-id.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { DownMessage, EndpointEvent } from '../messages.ts'
import { Endpoints } from './endpoints.ts'
import { Recorder } from './recorder.ts'
import { ModelRoute } from './route.ts'

/** Control unseen for this long: predictions go on, the canary gets nothing. */
const STALE_MS = 30_000

/** What one data process knows. Messages replace parts of it; requests only read. */
export class DataPlane {
  readonly routes = new Map<string, ModelRoute>()
  readonly recorder = new Recorder()
  /** Signs prediction ids; replaced by the gateway's own as soon as control has spoken. */
  idKey: IdKey = idKey(0, randomBytes(32))
  /** Independent u32 draws: never a client's request id, whose retries would keep their arm. */
  readonly random: () => number
  readonly #endpoints = new Map<string, Endpoints>()
  readonly #report: (event: EndpointEvent) => void
  #known = false
  #models: readonly string[] = []
  draining = false

  constructor({
    report,
    seed = randomBytes(16),
  }: { report: (event: EndpointEvent) => void; seed?: Uint8Array }) {
    this.#report = report
    this.random = seededRandom(seed)
  }

  /** @param ageMs how long ago control said this, where the supervisor repeats it */
  apply(message: DownMessage, ageMs = 0): void {
    switch (message.kind) {
      case 'table':
        // Together, or a request between the two would draw a version that has no endpoint any more.
        this.#endpointsOf(message.model).replace(message.endpoints)
        this.routes.set(
          message.model,
          new ModelRoute(message, this.#endpointsOf(message.model), this.recorder, performance.now() - ageMs),
        )
        return
      case 'models':
        this.#known = true
        this.#models = message.models
        this.idKey = idKey(message.idKey.id, Buffer.from(message.idKey.secret, 'base64'))
        for (const [model, endpoints] of this.#endpoints) {
          if (message.models.includes(model)) continue
          this.routes.delete(model)
          this.#endpoints.delete(model)
          void endpoints.close()
        }
    }
  }

  stale(route: ModelRoute): boolean {
    return performance.now() - route.freshAtMs > STALE_MS
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
    const nowMs = performance.now()
    return this.#known && !this.draining && [...this.routes.values()].some((route) => route.ready(nowMs))
  }

  /** Every model can answer: what a start waits for. */
  allReady(): boolean {
    const nowMs = performance.now()
    return this.#models.every((model) => this.routes.get(model)?.ready(nowMs)) && this.#known
  }

  endpointFailed(model: string, id: string, code: string): void {
    this.#report({ kind: 'endpoint', model, id, code })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map((endpoints) => endpoints.close()))
  }

  #endpointsOf(model: string): Endpoints {
    let endpoints = this.#endpoints.get(model)
    if (!endpoints) {
      endpoints = new Endpoints()
      this.#endpoints.set(model, endpoints)
    }
    return endpoints
  }
}
