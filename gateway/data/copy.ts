import { checkAnswer, type Protocol } from './answer-check.ts'
import { type Answer, type Asker, Attempt, type Failure } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import type { Result } from './endpoint-health.ts'
import type { Side } from './mirror.ts'
import type { Outcome } from './recorder.ts'
import type { ModelRoute } from './route.ts'
import { isBusy } from './second-attempt.ts'
import type { Upstream } from './upstream.ts'

interface CopySetting {
  readonly plane: DataPlane
  readonly route: ModelRoute
  readonly original: Asker
  /** Whose endpoints get it. */
  readonly arm: 'stable' | 'canary'
  /** Before the original: whoever is asked second finds warm caches. */
  readonly goesFirst: boolean
  readonly limitMs: number
  /** Its answer came, or will not. */
  readonly onEnded: () => void
  /** Both are known, or one never will be: undefined. */
  readonly onPair: (stable: Side | undefined, other: Side | undefined) => void
}

/**
 * The same request once more, whose answer nobody gets: asked once, with no second attempt, and not of the prediction's
 * life: neither the client's leaving nor an end of the original touches it.
 */
export class Copy implements Asker {
  readonly protocol: Protocol
  readonly path: string
  readonly body: Buffer
  readonly pick: number
  readonly requestId: string
  // Traces are of what clients asked.
  readonly traceparent: string | undefined = undefined
  readonly tracestate: string | undefined = undefined
  readonly goesFirst: boolean
  readonly #setting: CopySetting
  #startMs = 0
  #timer: NodeJS.Timeout | undefined
  #attempt: Attempt | undefined
  #own: Side | 'open' | undefined = 'open'
  #stable: Side | 'open' | undefined = 'open'

  constructor(setting: CopySetting) {
    const { original, goesFirst } = setting
    this.protocol = original.protocol
    this.path = original.path
    this.body = original.body
    this.pick = original.pick
    this.requestId = original.requestId
    this.goesFirst = goesFirst
    this.#setting = setting
  }

  send(): void {
    const { plane, limitMs } = this.#setting
    this.#startMs = plane.nowMs()
    const upstream = this.#choose()
    // That nothing serves its version is a failure of it, here as in a step.
    if (upstream === undefined) return this.#end({ outcome: 'failed' })
    this.#timer = setTimeout(tooLate, limitMs, this)
    this.#ask(upstream, false)
  }

  /** What became of the original's first attempt. */
  stableEnded(outcome: Outcome, elapsedMs: number, said: Side['said']): void {
    if (outcome === 'aborted') this.#stable = undefined
    else if (outcome === 'ok') this.#stable = { outcome: 'good', said, elapsedMs }
    else this.#stable = { outcome: outcome === 'rejected' ? 'rejected' : 'failed', elapsedMs }
    this.#pair()
  }

  remainingMs(): number {
    return this.#startMs + this.#setting.limitMs - this.#setting.plane.nowMs()
  }

  ended(attempt: Attempt, outcome: Answer | Failure): void {
    const { upstream } = attempt
    if (outcome === 'dead-call') {
      this.#tell('neutral')
      return this.#ask(this.#choose(upstream) ?? upstream, true)
    }
    if (typeof outcome === 'string') {
      this.#tell(outcome === 'refused' ? 'refused' : outcome === 'busy' ? 'neutral' : 'failed')
      // It was never sent: the endpoint had no room for what nobody asked for.
      return this.#end(outcome === 'busy' ? undefined : { outcome: 'failed' })
    }
    const { status } = outcome
    if (status >= 400 && status < 500) {
      this.#tell('ok')
      return this.#end({ outcome: 'rejected' })
    }
    if (status >= 300) {
      this.#tell(isBusy(outcome) ? 'busy' : 'failed')
      return this.#end({ outcome: 'failed' })
    }
    const { route, arm } = this.#setting
    const { manifest } = route.served(arm)
    const { protocol, body, pick } = this
    const said = checkAnswer({ protocol, body, pick, manifest, own: upstream.own }, outcome)
    this.#tell(said === 'invalid' ? 'failed' : 'ok')
    if (said === 'invalid') return this.#end({ outcome: 'failed' })
    this.#end({ outcome: 'good', said: said === 'unread' ? undefined : said })
  }

  tooLate(): void {
    this.#tell('failed')
    this.#attempt?.cancel()
    this.#end({ outcome: 'failed' })
  }

  #choose(avoid?: Upstream): Upstream | undefined {
    const { plane, route, arm } = this.#setting
    return route.endpoints.choose(route.pool(arm), plane.nowMs(), plane.random(), avoid)
  }

  #ask(upstream: Upstream, alone: boolean): void {
    this.#attempt = new Attempt(this, upstream, this.#setting.plane.nowMs(), alone)
    upstream.health.began()
    upstream.submit(this.#attempt)
  }

  /** Its endpoint's health learns of copies as of anything else. */
  #tell(result: Result): void {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.isTold) return
    attempt.isTold = true
    const { plane, route } = this.#setting
    const { upstream, submittedMs } = attempt
    const nowMs = plane.nowMs()
    const mayEject = () => route.endpoints.mayEject(upstream)
    upstream.health.ended(result, nowMs - submittedMs, nowMs, plane.random(), mayEject)
  }

  #end(own: Omit<Side, 'elapsedMs'> | undefined): void {
    if (this.#own !== 'open') return
    this.#own = own && { ...own, elapsedMs: this.#setting.plane.nowMs() - this.#startMs }
    clearTimeout(this.#timer)
    this.#setting.onEnded()
    this.#pair()
  }

  #pair(): void {
    if (this.#own === 'open' || this.#stable === 'open') return
    this.#setting.onPair(this.#stable, this.#own)
  }
}

function tooLate(copy: Copy): void {
  copy.tooLate()
}
