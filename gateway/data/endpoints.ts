import type { Endpoint, OwnArm } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { EndpointHealth } from './endpoint-health.ts'
import { RetryBudget } from './retry-budget.ts'

/** What may be chosen. */
export interface Candidate {
  readonly id: string
  /** Which requests it serves; see `poolOf`. */
  readonly serves: string
  /** As control says. */
  readonly healthy: boolean
  /** Control has verified it, and hears nothing from it at the moment. */
  readonly silent: boolean
  /** As requests find out. */
  readonly health: EndpointHealth
  /** Attempts that wait for it or are under way. */
  readonly inFlight: number
  update(endpoint: Endpoint): void
  configure(resilience: Resilience): void
  close(): Promise<void>
}

/** Names the endpoints of a version, or those of it that serve one arm alone: neither ever stands in for the other. */
export function poolOf(version: string, arm?: OwnArm): string {
  // No version has a space in it.
  return arm === undefined ? version : `${version} ${arm}`
}

/** The endpoints of one model, by pool, and the choice among them. */
export class Endpoints<C extends Candidate> {
  readonly #make: (endpoint: Endpoint, resilience: Resilience) => C
  readonly #nowMs: () => number
  #resilience: Resilience
  #byId = new Map<string, C>()
  #byPool = new Map<string, C[]>()
  readonly #retries = new Map<string, RetryBudget>()
  /** Choices that ignored health, since the process began. */
  panics = 0
  /** Filled by each choice among several; it spares an array a request. */
  readonly #open: C[] = []

  constructor(
    make: (endpoint: Endpoint, resilience: Resilience) => C,
    resilience: Resilience,
    nowMs: () => number,
  ) {
    this.#make = make
    this.#resilience = resilience
    this.#nowMs = nowMs
  }

  /** Takes over what control knows; connections of endpoints that stay are kept, the others drain and close. */
  replace(endpoints: readonly Endpoint[], resilience: Resilience): void {
    this.#resilience = resilience
    for (const budget of this.#retries.values()) budget.settings = resilience.retries
    const next = new Map<string, C>()
    for (const endpoint of endpoints) {
      const known = this.#byId.get(endpoint.id)
      const kept = known?.serves === poolOf(endpoint.version, endpoint.arm) ? known : undefined
      if (kept) this.#update(kept, endpoint)
      next.set(endpoint.id, kept ?? this.#make(endpoint, resilience))
    }
    for (const [id, candidate] of this.#byId) if (next.get(id) !== candidate) void candidate.close()
    this.#byId = next
    this.#byPool = Map.groupBy(next.values(), ({ serves }) => serves)
    for (const pool of this.#retries.keys()) if (!this.#byPool.has(pool)) this.#retries.delete(pool)
  }

  #update(kept: C, endpoint: Endpoint): void {
    const wasHealthy = kept.healthy
    kept.configure(this.#resilience)
    kept.update(endpoint)
    if (!wasHealthy && kept.healthy) kept.health.joined(this.#nowMs())
    else kept.health.cleared()
  }

  loaded(version: string): boolean {
    return this.#byPool.has(poolOf(version))
  }

  /** Some endpoint of the pool may be asked. */
  answers(pool: string, nowMs: number): boolean {
    for (const one of this.#byPool.get(pool) ?? []) if (admits(one, nowMs)) return true
    return false
  }

  /** Attempts at the pool's endpoints. */
  inFlight(pool: string): number {
    let sum = 0
    for (const one of this.#byPool.get(pool) ?? []) sum += one.inFlight
    return sum
  }

  /** Second attempts at the pool's endpoints are counted here. */
  retries(pool: string): RetryBudget {
    let budget = this.#retries.get(pool)
    if (budget === undefined) {
      budget = new RetryBudget(this.#resilience.retries)
      this.#retries.set(pool, budget)
    }
    return budget
  }

  /** Whether the pool of an endpoint that fails can do without it. */
  mayEject({ serves }: C): boolean {
    const all = this.#byPool.get(serves) ?? []
    const nowMs = this.#nowMs()
    let out = 0
    for (const { health } of all) if (health.ejection.isOut(nowMs) || health.ejection.isOnProbation) out++
    return out + 1 <= Math.floor(this.#resilience.ejection.maxShare * all.length)
  }

  /**
   * The cheaper of two drawn at random among those that may be asked. Where none may, for what requests have found out,
   * one is asked all the same: passed over, a single refusal would be seconds of failures, and an arm with one endpoint
   * would lose a comparison by it.
   * @param pool of `poolOf`
   * @param random a u32
   * @param avoid an endpoint that just failed this request
   * @param mayPanic where few are left health is ignored: that many do not fail at once, it is the checks that fail, or
   *   the few would fail next
   */
  choose(pool: string, nowMs: number, random: number, avoid?: C, mayPanic = false): C | undefined {
    const all = this.#byPool.get(pool)
    if (all === undefined) return undefined
    if (all.length === 1 && !mayPanic) return only(all[0]!, avoid)
    const open = this.#open
    open.length = 0
    let admitted = 0
    for (const one of all) {
      if (!admits(one, nowMs)) continue
      admitted++
      if (one !== avoid) open.push(one)
    }
    if (mayPanic && admitted < all.length * this.#resilience.panicShare) this.#panic(all, nowMs, avoid)
    if (open.length === 0) for (const one of all) if (one.healthy && one !== avoid) open.push(one)
    if (open.length < 2) return open[0]
    const first = open[random % open.length]!
    const second = open[(random + 1 + ((random >>> 16) % (open.length - 1))) % open.length]!
    return better(first, second, nowMs, random)
  }

  #panic(all: readonly C[], nowMs: number, avoid: C | undefined): void {
    const open = this.#open
    const before = open.length
    for (const one of all) {
      if (one === avoid || admits(one, nowMs)) continue
      if ((one.healthy || one.silent) && !one.health.isSuspect(nowMs)) open.push(one)
    }
    if (open.length > before) this.panics++
  }

  all(): Iterable<C> {
    return this.#byId.values()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byId.values()].map((one) => one.close()))
  }
}

function only<C extends Candidate>(one: C, avoid: C | undefined): C | undefined {
  return one !== avoid && one.healthy ? one : undefined
}

function admits({ healthy, health }: Candidate, nowMs: number): boolean {
  return healthy && health.admits(nowMs)
}

/** One that starts slowly is taken as often as its share says, whatever it costs: idle, it would always win. */
function better<C extends Candidate>(a: C, b: C, nowMs: number, random: number): C {
  const [shareA, shareB] = [a.health.share(nowMs), b.health.share(nowMs)]
  if (shareA !== shareB) {
    const [slow, other] = shareA < shareB ? [a, b] : [b, a]
    if (((random >>> 8) & 0xffff) / 0x10000 >= Math.min(shareA, shareB)) return other
    return slow
  }
  return b.health.cost(b.inFlight, nowMs) < a.health.cost(a.inFlight, nowMs) ? b : a
}
