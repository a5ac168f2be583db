import { createHash } from 'node:crypto'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import type { ClientAccess } from '../config/access.ts'
import type { ClientCounts } from '../snapshot.ts'
import { TokenBucket } from './token-bucket.ts'

/** Longer is no key of anybody's. */
const KEY_MAX = 512

/** One who may ask for predictions. */
export class Client {
  readonly counts = { admitted: 0, limited: 0, forbidden: 0 }
  access: ClientAccess
  #bucket: TokenBucket | undefined

  constructor(access: ClientAccess, nowMs: number) {
    this.access = access
    this.#bucket = access.rate && new TokenBucket(access.rate, nowMs)
  }

  /** What it may from now on. A rate that stays keeps what was used of it. */
  use(access: ClientAccess, nowMs: number): void {
    if (JSON.stringify(access.rate) !== JSON.stringify(this.access.rate))
      this.#bucket = access.rate && new TokenBucket(access.rate, nowMs)
    this.access = access
  }

  /** @returns 0 where it may ask now, else the milliseconds until it may */
  wait(nowMs: number): number {
    const waitMs = this.#bucket?.take(nowMs) ?? 0
    if (waitMs === 0) this.counts.admitted++
    else this.counts.limited++
    return waitMs
  }

  /** Whether it may ask this model. */
  mayAsk(model: string): boolean {
    if (this.access.models === undefined || this.access.models.includes(model)) return true
    this.counts.forbidden++
    return false
  }
}

/**
 * Who may ask for predictions, by their keys. Of keys only SHA-256 digests are configured; a key that was right once is
 * known as it is from then on, so that there are as many of those as are configured, and no more.
 */
export class Clients {
  #said = ''
  readonly #byName = new Map<string, Client>()
  #byDigest = new Map<string, Client>()
  #byKey = new Map<string, Client>()

  /** @param said one data process's share */
  use(said: readonly ClientAccess[], nowMs: number): void {
    const text = JSON.stringify(said)
    // Control repeats it all the time.
    if (text === this.#said) return
    this.#said = text
    this.#byDigest = new Map()
    this.#byKey = new Map()
    const names = new Set(said.map(({ name }) => name))
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name)
    for (const access of said) {
      const client = this.#byName.get(access.name) ?? new Client(access, nowMs)
      client.use(access, nowMs)
      this.#byName.set(access.name, client)
      for (const digest of access.sha256) this.#byDigest.set(digest, client)
    }
  }

  /** Whose key a request has; undefined for nobody's. */
  of(exchange: Exchange): Client | undefined {
    const key = keyOf(exchange)
    if (key === undefined) return undefined
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    // A digest of what somebody guesses tells nothing of how near it is, so a look-up by it does not either.
    const client = this.#byDigest.get(createHash('sha256').update(key).digest('hex'))
    if (client !== undefined) this.#byKey.set(key, client)
    return client
  }

  counts(): ClientCounts[] {
    return [...this.#byName].map(([client, { counts }]) => ({ client, ...counts }))
  }
}

/** `x-api-key` before `authorization: Bearer`, which may be for somebody in front of us. */
function keyOf(exchange: Exchange): string | undefined {
  const key =
    exchange.header('x-api-key') ?? /^bearer +(\S+)$/i.exec(exchange.header('authorization') ?? '')?.[1]
  return key !== undefined && key.length <= KEY_MAX ? key : undefined
}
