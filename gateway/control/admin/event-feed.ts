import type { FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import type { RecordedEvent, RolloutStore } from '../../store/rollout-store.ts'
import { decisionView } from './decision-view.ts'
import { iso } from './units.ts'

/** A server-sent event before it is written. */
export interface FeedEvent {
  readonly event: 'decision' | 'freeze' | Current['event']
  /** Of the record; what is not kept has none. */
  readonly id?: string
  readonly data: string
}

/** What is so now. It is not kept: only the last one counts. */
export interface Current {
  readonly event: 'evaluation' | 'configuration'
  /** Whose it is; undefined for what concerns all. */
  readonly model?: string
  /** Another one when there is something new to tell. */
  readonly state: string
  readonly view: () => object
}

export interface FeedDeps {
  readonly store: Pick<RolloutStore, 'events'>
  /** At most one of a kind for each model. */
  readonly current: () => readonly Current[]
}

/** Somebody who reads. */
export interface Reader {
  /** Begin after this event of the record; from now on when undefined. */
  readonly after?: number
  /** Only what concerns this model. */
  readonly model?: string
  /** Resolves once the reader has room for more. */
  readonly write: (event: FeedEvent | 'heartbeat') => Promise<unknown>
  /** The connection is ended without further words. */
  readonly cut: () => void
}

const PAGE = 100
const HEARTBEAT_SECONDS = 15
/** A reader that takes nothing for so long is cut. */
const STALLED_SECONDS = 10

/** How far one reader is. */
class Place {
  readonly reader: Reader
  cursor: number
  /** What was told last of what is so now. */
  readonly told = new Map<string, string>()
  /** It may hear again of what is so now. */
  isDue = true
  isWriting = false
  quietSeconds = 0
  stalledSeconds = 0
  ended = false
  #woken = true
  #wake: (() => void) | undefined

  constructor(reader: Reader, cursor: number) {
    this.reader = reader
    this.cursor = cursor
  }

  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  async sleep(): Promise<void> {
    if (!this.#woken) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#woken = false
  }

  end(): void {
    this.ended = true
    this.wake()
  }

  async write(event: FeedEvent | 'heartbeat'): Promise<void> {
    this.isWriting = true
    await this.reader.write(event)
    this.isWriting = false
    this.quietSeconds = 0
  }
}

/**
 * What happens, as it happens, for everybody who reads. Each reader goes through the record at its own pace, so that
 * nothing is kept for the slow ones but their place.
 */
export class EventFeed {
  readonly #deps: FeedDeps
  readonly #places = new Set<Place>()
  readonly #said = new Map<string, { readonly state: string; readonly data: string }>()
  #newest = 0

  constructor(deps: FeedDeps) {
    this.#deps = deps
  }

  get readers(): number {
    return this.#places.size
  }

  /** Tells a reader everything until it is ended; `signal` ends it. */
  async follow(reader: Reader, signal: AbortSignal): Promise<void> {
    const place = new Place(reader, Number.POSITIVE_INFINITY)
    this.#places.add(place)
    const end = () => place.end()
    signal.addEventListener('abort', end)
    try {
      await this.look()
      // A place beyond the record is one in another record, of which this reader has seen nothing here.
      const { after = this.#newest } = reader
      place.cursor = after > this.#newest ? 0 : after
      if (signal.aborted) place.end()
      while (!place.ended) {
        await place.sleep()
        await this.#tell(place)
      }
    } finally {
      signal.removeEventListener('abort', end)
      this.#places.delete(place)
    }
  }

  /** Something was recorded. */
  async look(): Promise<void> {
    const [last] = await this.#deps.store.events({ limit: 1 })
    this.#newest = Math.max(this.#newest, last?.id ?? 0)
    for (const place of this.#places) place.wake()
  }

  /** A second has passed. */
  second(): void {
    for (const place of this.#places) {
      place.quietSeconds++
      place.stalledSeconds = place.isWriting ? place.stalledSeconds + 1 : 0
      place.isDue = true
      if (place.stalledSeconds >= STALLED_SECONDS) {
        place.end()
        place.reader.cut()
      }
      place.wake()
    }
  }

  async #tell(place: Place): Promise<void> {
    while (!place.ended && place.cursor < this.#newest) await this.#tellPage(place)
    if (place.isDue) {
      place.isDue = false
      await this.#tellCurrent(place)
    }
    if (!place.ended && place.quietSeconds >= HEARTBEAT_SECONDS) await place.write('heartbeat')
  }

  async #tellPage(place: Place): Promise<void> {
    // Whatever is recorded while this is read and written is of another page.
    const end = Math.min(place.cursor + PAGE, this.#newest)
    const page = await this.#deps.store.events({ limit: PAGE, before: end + 1 })
    for (const event of page.filter(({ id }) => id > place.cursor).reverse()) {
      if (place.ended) return
      const told = this.#toldOf(event, place.reader)
      if (told) await place.write(told)
      place.cursor = event.id
    }
    // Numbers that the record has left out.
    place.cursor = Math.max(place.cursor, end)
  }

  #toldOf(event: RecordedEvent, { model }: Reader): FeedEvent | undefined {
    const id = String(event.id)
    if (!('model' in event)) return { event: 'freeze', id, data: JSON.stringify(freezeView(event)) }
    if (model !== undefined && event.model !== model) return undefined
    return { event: 'decision', id, data: JSON.stringify({ model: event.model, ...decisionView(event) }) }
  }

  async #tellCurrent(place: Place): Promise<void> {
    for (const current of this.#deps.current()) {
      const { event, model, state } = current
      if (model !== undefined && (place.reader.model ?? model) !== model) continue
      const what = `${event} ${model ?? ''}`
      if (place.told.get(what) === state) continue
      if (place.ended) return
      place.told.set(what, state)
      await place.write({ event, data: this.#words(what, current) })
    }
  }

  /** The same words for everybody who reads. */
  #words(what: string, { state, view }: Current): string {
    const before = this.#said.get(what)
    if (before?.state === state) return before.data
    const data = JSON.stringify(view())
    this.#said.set(what, { state, data })
    return data
  }
}

function freezeView({ kind, actor, reason, because, atMs }: FreezeEvent) {
  return { frozen: kind === 'frozen', actor, reason, because, at: iso(atMs) }
}
