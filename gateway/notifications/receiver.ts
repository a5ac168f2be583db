import { setTimeout as wait } from 'node:timers/promises'
import { log } from '@coalmine/contract/log.ts'
import { fetch } from 'undici'
import { type Format, messageOf } from './message.ts'
import type { Notice, NoticeKind } from './notice.ts'

export interface ReceiverSettings {
  readonly name: string
  readonly url: string
  readonly format: Format
  readonly secret: string | undefined
  /** Only these. */
  readonly kinds: readonly NoticeKind[]
  /** Only these; undefined: all. */
  readonly models: readonly string[] | undefined
}

export interface Delivery {
  /** Times between attempts, in ms. */
  readonly waitsMs: readonly number[]
  readonly timeoutMs: number
  readonly queueMax: number
}

export const DELIVERY: Delivery = {
  waitsMs: [1_000, 2_000, 5_000, 15_000, 60_000, 300_000],
  timeoutMs: 5_000,
  queueMax: 256,
}

/** Longer than this nobody is waited for, whatever they ask. */
const RETRY_AFTER_MAX_MS = 300_000

interface Waiting {
  readonly notice: Notice
  readonly settled: () => void
}

/** It is not said what became of a notice: it is to be told again at the next start. */
const LEFT = Symbol('left')

/**
 * One who is told: in order, each notice until it is taken, at most so many times. Whoever is away long enough loses notices,
 * which is counted; nobody waits for it.
 */
export class Receiver {
  readonly counts = { delivered: 0, retried: 0, dead: 0 }
  readonly #settings: ReceiverSettings
  readonly #delivery: Delivery
  readonly #queue: Waiting[] = []
  readonly #stopped = new AbortController()
  #sending = false
  #sent: Promise<void> = Promise.resolve()
  #isEnding = false

  constructor(settings: ReceiverSettings, delivery: Delivery = DELIVERY) {
    this.#settings = settings
    this.#delivery = delivery
  }

  get name(): string {
    return this.#settings.name
  }

  /**
   * @param settled called later, once it was taken or given up; not for what waits at the end
   * @returns whether it waits now: not what nobody asked for, nor what is too much
   */
  tell(notice: Notice, settled = () => {}): boolean {
    const { kinds, models } = this.#settings
    if (!kinds.includes(notice.kind) || this.#isEnding) return false
    if (models !== undefined && notice.model !== undefined && !models.includes(notice.model)) return false
    if (this.#queue.length >= this.#delivery.queueMax) {
      this.#lose(notice, 'too many wait')
      return false
    }
    this.#queue.push({ notice, settled })
    if (!this.#sending) this.#sent = this.#send()
    return true
  }

  /** Takes nothing more. What waits is sent, as far as that goes within this time and without a second attempt. */
  async stop(withinMs = 0): Promise<void> {
    this.#isEnding = true
    if (this.#sending && withinMs > 0)
      await Promise.race([this.#sent, wait(withinMs, undefined, { ref: false })])
    this.#stopped.abort()
  }

  async #send(): Promise<void> {
    this.#sending = true
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const failure = await this.#deliver(first.notice)
      if (failure === LEFT) return
      if (failure === undefined) this.counts.delivered++
      else this.#lose(first.notice, failure)
      this.#queue.shift()
      first.settled()
    }
    this.#sending = false
  }

  /** @returns why it was given up; undefined when it was taken */
  async #deliver(notice: Notice): Promise<string | typeof LEFT | undefined> {
    const { waitsMs } = this.#delivery
    for (let attempt = 0; ; attempt++) {
      const { failure, isFinal = false, retryAfterMs = 0 } = await this.#attempt(notice)
      if (failure === undefined || isFinal || attempt >= waitsMs.length) return failure
      if (this.#isEnding) return LEFT
      this.counts.retried++
      // Receivers that fail together do not come back together.
      const ms = Math.max(waitsMs[attempt]! * (0.8 + 0.4 * Math.random()), retryAfterMs)
      const stopped = await wait(ms, false, { signal: this.#stopped.signal, ref: false }).catch(() => true)
      if (stopped) return LEFT
    }
  }

  async #attempt(notice: Notice): Promise<{ failure?: string; isFinal?: boolean; retryAfterMs?: number }> {
    const { url, format, secret } = this.#settings
    const { headers, body } = messageOf(notice, format, secret, Date.now())
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(this.#delivery.timeoutMs), this.#stopped.signal]),
      })
      await response.body?.cancel()
      const { status } = response
      if (status >= 200 && status < 300) return {}
      const seconds = Number(response.headers.get('retry-after'))
      return {
        failure: `status ${status}`,
        // What is refused for itself is refused again.
        isFinal: status < 500 && status !== 408 && status !== 429,
        retryAfterMs: seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : 0,
      }
    } catch (error) {
      const { code } = ((error as Error).cause ?? error) as { code?: string | number }
      return { failure: typeof code === 'string' ? code : (error as Error).name }
    }
  }

  #lose(notice: Notice, why: string): void {
    this.counts.dead++
    log.warn('a notification was given up', { receiver: this.name, kind: notice.kind, id: notice.id, why })
  }
}
