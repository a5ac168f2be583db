import { setTimeout as wait } from 'node:timers/promises'
import { log } from '@coalmine/contract/log.ts'
import type { Bookmark, RolloutStore } from '../store/rollout-store.ts'
import { type Notice, noticeOf } from './notice.ts'
import type { Receiver } from './receiver.ts'

/** Events that are read at once. */
const PAGE = 100
/** A store that fails is asked again after this. */
const AGAIN_MS = 1_000

type Bookmarks = Pick<RolloutStore, 'events' | 'bookmarks' | 'keepBookmark' | 'forgetBookmark'>

interface Waiting {
  readonly notice: Notice
  /** Id in the record; undefined for what is told beside it. */
  readonly event?: number
}

/** A receiver with what it has not taken yet, in order. */
interface Addressee {
  readonly receiver: Receiver
  readonly waiting: Waiting[]
  /** Up to here it heard before this process began. */
  readonly heard: number
  isBookmarkDue: boolean
  bookmarking: Promise<void> | undefined
}

/**
 * Tells the receivers what the record has. Each has a bookmark in the store: whatever ends control, the next one goes on at the
 * first notice that was not taken, so that each is told at least once, under the same id. Nobody waits for it.
 */
export class Announcer {
  readonly #store: Bookmarks
  readonly #receivers: readonly Receiver[]
  readonly #stopped = new AbortController()
  #addressees: readonly Addressee[] = []
  /** Up to here the record was read. */
  #seen = 0
  #isLookDue = false
  #looking: Promise<void> | undefined

  constructor(store: Bookmarks, receivers: readonly Receiver[]) {
    this.#store = store
    this.#receivers = receivers
  }

  /** Goes on where each receiver was. Whoever is new hears what happens from now on; whoever is named no more is forgotten. */
  async start(): Promise<void> {
    const bookmarks = await this.#store.bookmarks()
    const newest = await this.#newest()
    this.#addressees = this.#receivers.map((receiver) => ({
      receiver,
      waiting: [],
      heard: bookmarks.get(receiver.name)?.event ?? newest,
      isBookmarkDue: false,
      bookmarking: undefined,
    }))
    this.#seen = Math.min(newest, ...this.#addressees.map(({ heard }) => heard))
    for (const addressee of this.#addressees) {
      for (const notice of bookmarks.get(addressee.receiver.name)?.beside ?? [])
        this.#tell(addressee, { notice })
      this.#bookmark(addressee)
      bookmarks.delete(addressee.receiver.name)
    }
    for (const name of bookmarks.keys()) await this.#store.forgetBookmark(name)
    this.look()
  }

  /** Something was recorded. */
  look(): void {
    if (this.#addressees.length === 0) return
    this.#isLookDue = true
    this.#looking ??= this.#lookOn()
  }

  /** Something happened that the record does not have. */
  tell(notice: Notice): void {
    for (const addressee of this.#addressees) {
      this.#tell(addressee, { notice })
      this.#bookmark(addressee)
    }
  }

  /** What waits is sent, as far as that goes within this time; the rest stays for the next start. */
  async stop(withinMs: number): Promise<void> {
    this.#stopped.abort()
    await this.#looking
    await Promise.all(this.#receivers.map((receiver) => receiver.stop(withinMs)))
    await Promise.all(this.#addressees.map(({ bookmarking }) => bookmarking))
    for (const { receiver, waiting } of this.#addressees)
      if (waiting.length > 0)
        log.info('notifications wait for the next start', { receiver: receiver.name, count: waiting.length })
  }

  async #lookOn(): Promise<void> {
    const { signal } = this.#stopped
    while (this.#isLookDue) {
      this.#isLookDue = false
      try {
        await this.#read()
      } catch (error) {
        log.warn('notifications wait for the store', { error: (error as Error).message })
        if (signal.aborted) break
        this.#isLookDue = true
        await wait(AGAIN_MS, undefined, { ref: false, signal }).catch(() => {})
      }
    }
    this.#looking = undefined
  }

  async #read(): Promise<void> {
    const newest = await this.#newest()
    while (this.#seen < newest) {
      const end = Math.min(this.#seen + PAGE, newest)
      const page = await this.#store.events({ limit: end - this.#seen, before: end + 1 })
      for (const event of page.filter(({ id }) => id > this.#seen).reverse()) {
        const notice = 'model' in event ? noticeOf(event) : undefined
        if (notice === undefined) continue
        for (const addressee of this.#addressees)
          if (event.id > addressee.heard) this.#tell(addressee, { notice, event: event.id })
      }
      this.#seen = end
    }
    for (const addressee of this.#addressees) this.#bookmark(addressee)
  }

  async #newest(): Promise<number> {
    const [last] = await this.#store.events({ limit: 1 })
    return last?.id ?? 0
  }

  #tell(addressee: Addressee, told: Waiting): void {
    const { receiver, waiting } = addressee
    const isTaken = receiver.tell(told.notice, () => {
      waiting.splice(waiting.indexOf(told), 1)
      this.#bookmark(addressee)
    })
    if (isTaken) waiting.push(told)
  }

  /** One write at a time: a later bookmark is never overtaken by an earlier one. */
  #bookmark(addressee: Addressee): void {
    addressee.isBookmarkDue = true
    addressee.bookmarking ??= this.#bookmarkOn(addressee)
  }

  async #bookmarkOn(addressee: Addressee): Promise<void> {
    while (addressee.isBookmarkDue) {
      addressee.isBookmarkDue = false
      const bookmark = bookmarkOf(addressee.waiting, Math.max(this.#seen, addressee.heard))
      await this.#store.keepBookmark(addressee.receiver.name, bookmark).catch((error: Error) => {
        log.warn('a notification may be told once more: the store fails', { error: error.message })
      })
    }
    addressee.bookmarking = undefined
  }
}

function bookmarkOf(waiting: readonly Waiting[], seen: number): Bookmark {
  const first = waiting.find(({ event }) => event !== undefined)
  return {
    event: first?.event === undefined ? seen : first.event - 1,
    beside: waiting.filter(({ event }) => event === undefined).map(({ notice }) => notice),
  }
}
