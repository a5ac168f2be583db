import { Pool } from 'undici'
import type { Endpoint, OwnArm } from '../messages.ts'

/** How long an endpoint that refused a connection is passed over for others, unless control has looked at it before. */
const SUSPECT_MS = 5_000

/** One address with its connections. Lives as long as control names it, across every change of the table. */
export class Upstream {
  readonly id: string
  /** Which requests it serves; see `poolOf`. */
  readonly serves: string
  readonly pool: Pool
  healthy: boolean
  /** Understands our own headers; a server of another make is not sent them. */
  own: boolean
  inFlight = 0
  suspectUntilMs = 0

  constructor({ id, version, arm, origin, socketPath, healthy, own }: Endpoint) {
    this.own = own
    this.id = id
    this.serves = poolOf(version, arm)
    this.healthy = healthy
    this.pool = new Pool(origin, {
      connections: 64,
      pipelining: 1,
      // The gateway ends attempts at their own deadline; undici's coarse timers would only cost.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: 1_000, ...(socketPath ? { socketPath } : {}) },
      // Shorter than the worker's 75 s, so that the worker never closes a connection we are about to use.
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 60_000,
      maxResponseSize: 8 * 1024 * 1024,
      allowH2: false,
    })
  }
}

/** Names the endpoints of a version, or those of it that serve one arm alone: neither ever stands in for the other. */
export function poolOf(version: string, arm?: OwnArm): string {
  // No version has a space in it.
  return arm === undefined ? version : `${version} ${arm}`
}

/** The endpoints of one model, by pool. */
export class Endpoints {
  #byId = new Map<string, Upstream>()
  #byPool = new Map<string, Upstream[]>()

  /** Takes over what control knows; connections of endpoints that stay are kept, the others drain and close. */
  replace(endpoints: readonly Endpoint[]): void {
    const next = new Map<string, Upstream>()
    for (const endpoint of endpoints) {
      const known = this.#byId.get(endpoint.id)
      const kept = known?.serves === poolOf(endpoint.version, endpoint.arm) ? known : undefined
      if (kept) {
        kept.healthy = endpoint.healthy
        kept.own = endpoint.own
        kept.suspectUntilMs = 0
      }
      next.set(endpoint.id, kept ?? new Upstream(endpoint))
    }
    for (const [id, upstream] of this.#byId) if (next.get(id) !== upstream) void upstream.pool.close()
    this.#byId = next
    this.#byPool = Map.groupBy(next.values(), (upstream) => upstream.serves)
  }

  loaded(version: string): boolean {
    return this.#byPool.has(poolOf(version))
  }

  /** Some endpoint of the pool may be asked. */
  answers(pool: string, nowMs: number): boolean {
    for (const upstream of this.#byPool.get(pool) ?? []) if (admissible(upstream, nowMs)) return true
    return false
  }

  /**
   * The less busy of two drawn at random among the healthy ones. One that refused a connection is asked all the same
   * where there is no other: passed over, a single refusal would be seconds of failures, and an arm with one endpoint
   * would lose a comparison by it.
   * @param pool of `poolOf`
   * @param random a u32
   * @param avoid an endpoint that just failed this request
   */
  choose(pool: string, nowMs: number, random: number, avoid?: Upstream): Upstream | undefined {
    const all = this.#byPool.get(pool)
    if (all === undefined) return undefined
    if (all.length === 1) {
      const only = all[0]!
      return only !== avoid && only.healthy ? only : undefined
    }
    const healthy = all.filter((upstream) => upstream !== avoid && upstream.healthy)
    const unsuspected = healthy.filter((upstream) => admissible(upstream, nowMs))
    const good = unsuspected.length > 0 ? unsuspected : healthy
    if (good.length < 2) return good[0]
    const first = good[random % good.length]!
    const second = good[(random + 1 + ((random >>> 16) % (good.length - 1))) % good.length]!
    return second.inFlight < first.inFlight ? second : first
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byId.values()].map((upstream) => upstream.pool.close()))
  }
}

export function suspect(upstream: Upstream, nowMs: number): void {
  upstream.suspectUntilMs = nowMs + SUSPECT_MS
}

function admissible(upstream: Upstream, nowMs: number): boolean {
  return upstream.healthy && nowMs >= upstream.suspectUntilMs
}
