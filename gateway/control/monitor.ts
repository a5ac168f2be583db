import { LINK_TERMS_PATH } from '@coalmine/contract/link/frame.ts'
import type { Dispatcher } from 'undici'
import type { LinkLimits, OwnArm } from '../messages.ts'
import { endpointDispatcher } from './endpoint-dispatcher.ts'
import { afterCheck, type Health, UNCHECKED } from './health.ts'
import { linkOf } from './link-terms.ts'
import { type ProbeAnswer, probe } from './probe.ts'

/** One endpoint to watch. */
export interface Target {
  id: string
  model: string
  version: string
  /** It serves this arm of a rollout alone. */
  arm?: OwnArm
  origin: string
  socketPath?: string
}

export type Identity = { digest: string; manifest: unknown } | 'foreign'

const INTERVAL_MS = 5_000
/** While an endpoint is out, or has just failed a check. */
const DOUBTFUL_MS = 500

interface Watched {
  target: Target
  health: Health
  identity?: Identity
  /** What its worker takes in a call of the link. */
  link?: LinkLimits
  /** It was verified, and since then its checks get no answer in time. */
  silent: boolean
  dispatcher: Dispatcher
  timer?: NodeJS.Timeout
  checking: boolean
  /** Something happened while a check was under way, which may have seen the time before it. */
  again: boolean
  /** Its process ended while a check was under way. */
  lost: boolean
}

export interface Standing {
  /** Verified by its manifest; false for a server of another make and for one that has not been up. */
  own: boolean
  /** What its worker takes in a call of the link; undefined where it gets plain requests. */
  link: LinkLimits | undefined
  /** It may be no more than busy: nothing says that it is gone, or another. */
  silent: boolean
}

export interface MonitorListener {
  /** Decides whether an endpoint may join, by what it says it serves; a sentence is the reason why not. */
  admit(target: Target, identity: Identity): Promise<string | undefined>
  changed(model: string): void
}

/** Asks every endpoint in turn how it is. There is one monitor a gateway, whatever the number of data processes. */
export class Monitor {
  readonly #watched = new Map<string, Watched>()
  readonly #listener: MonitorListener

  constructor(listener: MonitorListener) {
    this.#listener = listener
  }

  watch(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [target.id, target]))
    for (const id of this.#watched.keys()) if (!wanted.has(id)) this.#forget(id)
    for (const target of targets) {
      if (this.#watched.has(target.id)) continue
      const dispatcher = endpointDispatcher(target)
      const watched: Watched = {
        target,
        health: UNCHECKED,
        dispatcher,
        silent: false,
        checking: false,
        again: false,
        lost: false,
      }
      this.#watched.set(target.id, watched)
      void this.#check(watched)
    }
  }

  /** Something happened to this endpoint: look at once instead of at the next turn. */
  look(id: string): void {
    const watched = this.#watched.get(id)
    if (watched) void this.#check(watched)
  }

  /** Its process is known to be gone. */
  lost(id: string, reason: string): void {
    const watched = this.#watched.get(id)
    if (!watched) return
    delete watched.identity
    watched.silent = false
    // A check under way may have been answered by the process that is gone.
    watched.lost = watched.checking
    this.#become(watched, { healthy: false, failures: 0, reason })
  }

  health(id: string): Health {
    return this.#watched.get(id)?.health ?? UNCHECKED
  }

  /** Whether anything is known of it yet. */
  checked(id: string): boolean {
    return this.health(id) !== UNCHECKED
  }

  /** How an endpoint is to be asked, as far as it was found out. */
  standing(id: string): Standing {
    const { identity, link, silent, health } = this.#watched.get(id) ?? {}
    return {
      own: identity !== undefined && identity !== 'foreign',
      link,
      silent: silent === true && health?.healthy === false,
    }
  }

  close(): void {
    for (const id of [...this.#watched.keys()]) this.#forget(id)
  }

  async #check(watched: Watched): Promise<void> {
    if (watched.checking) {
      watched.again = true
      return
    }
    watched.checking = true
    watched.again = false
    clearTimeout(watched.timer)
    const answer = await this.#examine(watched)
    const health = afterCheck(watched.health, answer)
    const wasIn = watched.health.healthy || watched.silent
    watched.silent = wasIn && answer.kind === 'unreachable' && answer.code === 'TIMEOUT'
    watched.checking = false
    if (watched.lost) {
      watched.lost = false
      delete watched.identity
      watched.timer = setTimeout(() => void this.#check(watched), 0)
      return
    }
    if (this.#watched.get(watched.target.id) !== watched) return
    // An endpoint that went away may come back as something else.
    if (!health.healthy && health.failures > 0 && watched.health.healthy) delete watched.identity
    this.#become(watched, health)
    const waitMs =
      health.healthy && health.failures === 0 ? INTERVAL_MS * (0.8 + 0.4 * Math.random()) : DOUBTFUL_MS
    watched.timer = setTimeout(() => void this.#check(watched), watched.again ? 0 : waitMs)
  }

  async #examine(watched: Watched): Promise<ProbeAnswer> {
    const { target, dispatcher } = watched
    const ready = await probe({ origin: target.origin, dispatcher }, '/v2/health/ready')
    if (watched.identity || ready.kind !== 'answered' || ready.status !== 200) return ready
    const manifest = await probe({ origin: target.origin, dispatcher }, '/manifest')
    if (manifest.kind !== 'answered') return manifest
    const identity = identityOf(manifest)
    const refusal = await this.#listener.admit(target, identity)
    if (refusal !== undefined)
      return { kind: 'answered', status: 412, body: JSON.stringify({ reason: refusal }) }
    watched.identity = identity
    const link =
      identity === 'foreign' ? undefined : linkOf(await this.#terms(watched), target, identity.digest)
    if (link === undefined) delete watched.link
    else watched.link = link
    return ready
  }

  #terms({ target, dispatcher }: Watched): Promise<ProbeAnswer> {
    return probe({ origin: target.origin, dispatcher }, LINK_TERMS_PATH)
  }

  #become(watched: Watched, health: Health): void {
    const before = watched.health
    watched.health = health
    if (before.healthy !== health.healthy || before.reason !== health.reason)
      this.#listener.changed(watched.target.model)
  }

  #forget(id: string): void {
    const watched = this.#watched.get(id)
    if (!watched) return
    this.#watched.delete(id)
    clearTimeout(watched.timer)
    void watched.dispatcher.close()
  }
}

/** A server of another make has no `/manifest`; what it serves cannot be verified. */
function identityOf(answer: ProbeAnswer & { kind: 'answered' }): Identity {
  if (answer.status !== 200) return 'foreign'
  try {
    const { digest, manifest } = JSON.parse(answer.body)
    return typeof digest === 'string' && manifest ? { digest, manifest } : 'foreign'
  } catch {
    return 'foreign'
  }
}
