import type { DownMessage, MetricsMessage } from '../messages.ts'
import type { ControlProcess } from './control-process.ts'
import type { DataProcess, FromData } from './data-process.ts'
import type { Dice } from './dice.ts'
import { Way } from './messages-in-flight.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a control process says, and when it last had an answer of the store. */
export interface Word {
  readonly message: DownMessage
  readonly storeHeardMs: number
}

/** No message takes longer. */
const UNDER_WAY_MS = 5_000

/**
 * The machine that all processes run on: passes their messages on, and keeps the last word of each kind for data
 * processes that are born later, as the supervisor does. Here control processes may live side by side.
 */
export class Host {
  readonly controls = new Set<ControlProcess>()
  /** When two control processes lived side by side last. */
  sideBySideMs = Number.NEGATIVE_INFINITY
  readonly data = new Set<DataProcess>()
  readonly up: Way
  readonly down: Way
  readonly #time: VirtualTime
  readonly #lastWords = new Map<string, Word & { readonly atMs: number }>()

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time
    this.up = new Way(time, dice.of('up'))
    this.down = new Way(time, dice.of('down'))
  }

  /** Messages of two control processes, or disturbed ones, may come in another order than they were sent in. */
  get mayReorder(): boolean {
    return this.#time.nowMs < Math.max(this.sideBySideMs, this.down.disturbed.untilMs) + UNDER_WAY_MS
  }

  fromControl(word: Word): void {
    const { message } = word
    if (this.controls.size > 1) this.sideBySideMs = this.#time.nowMs
    if (message.kind !== 'fenced') this.#lastWords.set(message.kind, { ...word, atMs: this.#time.nowMs })
    for (const process of this.data) this.down.send(() => process.hear(word, 0))
  }

  /** @param process the name of the one that says it */
  fromData(process: string, message: FromData | MetricsMessage): void {
    for (const control of this.controls) this.up.send(() => control.hear(process, message))
  }

  /** A data process is born. */
  add(process: DataProcess): void {
    this.data.add(process)
    for (const { atMs, ...word } of this.#lastWords.values()) process.hear(word, this.#time.nowMs - atMs)
  }
}
