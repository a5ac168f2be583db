import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { log } from '@coalmine/contract/log.ts'
import type { ControlRequest, DownMessage, FatalMessage, SupervisorReport, UpMessage } from '../messages.ts'
import { afterCrash, type Backoff, FRESH } from './backoff.ts'
import { DataProcesses, LAME_DUCK_MS } from './data-processes.ts'
import { Listener } from './listener.ts'
import type { Address } from './ports.ts'
import { ended, onEnd } from './process-end.ts'
import { TOO_MANY, type UncleanEnds } from './unclean-ends.ts'
import { Workers } from './workers.ts'

const CONTROL = fileURLToPath(new URL('../control/main.ts', import.meta.url))
const CONTROL_STOP_MS = 5_000

type FromControl = DownMessage | ControlRequest | FatalMessage

/**
 * Starts, backs off and stops the processes of one gateway, and passes their messages on. It knows no store
 * and decides nothing, so that there is little in it that could fail.
 */
export class Supervisor {
  readonly #listener = new Listener()
  readonly #workers = new Workers((report) => this.#toControl(report))
  /** The last word of control by kind and model, with the instant it came, for data processes born later. */
  readonly #lastWords = new Map<string, { message: DownMessage; atMs: number }>()
  readonly #data: DataProcesses
  readonly #ready = Promise.withResolvers<void>()
  readonly #exited = Promise.withResolvers<string | undefined>()
  #control: ChildProcess | undefined
  #controlBackoff: Backoff = FRESH
  #stopping = false
  /** Control has come up once; from then on its failures are its own, and predictions go on. */
  #controlServed = false

  readonly #uncleanEnds: UncleanEnds
  /** Ends that control has not heard of. */
  #untoldEnds: boolean

  constructor({ dataProcesses, uncleanEnds }: { dataProcesses: number; uncleanEnds: UncleanEnds }) {
    this.#data = new DataProcesses({
      count: dataProcesses,
      listener: this.#listener,
      words: () => this.#words(),
      heard: (message) => this.#toControl(message),
      ready: () => this.#ready.resolve(),
      endedUncleanly: () => this.#endedUncleanly(),
    })
    this.#uncleanEnds = uncleanEnds
    this.#untoldEnds = uncleanEnds.recent(Date.now()) >= TOO_MANY
  }

  /** Rejects with a sentence when the data port cannot be had. */
  async start(data: Address): Promise<void> {
    await this.#listener.listen(data)
    this.#startControl()
    this.#data.start()
  }

  /** Resolves once every model can answer. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Resolves with the reason when the gateway cannot go on, with nothing after a clean stop. */
  get exited(): Promise<string | undefined> {
    return this.#exited.promise
  }

  /** Replaces the processes that answer predictions, one after another, without a failed request. */
  restartData(): Promise<void> {
    return this.#data.roll()
  }

  /** Data first (they answer what they have), then workers, then control: nothing in flight is lost. */
  async stop(reason?: string): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    this.#data.tell({ kind: 'lame-duck' })
    if (reason === undefined) await wait(LAME_DUCK_MS)
    await this.#listener.close()
    await this.#data.stop()
    await this.#workers.close()
    if (this.#control) {
      if (this.#control.connected) this.#control.disconnect()
      await ended(this.#control, CONTROL_STOP_MS)
    }
    this.#uncleanEnds.stopped()
    this.#exited.resolve(reason)
  }

  #startControl(): void {
    const control = fork(CONTROL, [], { stdio: 'inherit' })
    this.#control = control
    control.on('message', (message: FromControl) => this.#fromControl(message))
    control.once('spawn', () => {
      for (const report of this.#workers.reports()) this.#toControl(report)
      if (this.#untoldEnds) this.#tellEnds()
    })
    onEnd(control, (how) => {
      this.#control = undefined
      if (this.#stopping) return
      const { waitMs, next } = afterCrash(this.#controlBackoff, performance.now())
      this.#controlBackoff = next
      log.warn('the control process ended; predictions go on', { how, restartMs: waitMs })
      setTimeout(() => {
        if (!this.#stopping) this.#startControl()
      }, waitMs)
    })
  }

  #endedUncleanly(): void {
    this.#uncleanEnds.add(Date.now())
    if (this.#uncleanEnds.recent(Date.now()) >= TOO_MANY) this.#tellEnds()
  }

  /** Control's last words, for a data process that is born now. */
  *#words(): Iterable<DownMessage & { ageMs: number }> {
    const nowMs = performance.now()
    for (const { message, atMs } of this.#lastWords.values()) yield { ...message, ageMs: nowMs - atMs }
  }

  #tellEnds(): void {
    this.#untoldEnds = this.#control === undefined
    this.#toControl({ kind: 'unclean', count: this.#uncleanEnds.recent(Date.now()) })
  }

  #fromControl(message: FromControl): void {
    switch (message.kind) {
      case 'fatal':
        if (this.#controlServed)
          log.error('control cannot start; predictions go on', { reason: message.reason })
        else void this.stop(message.reason)
        return
      case 'restart':
        this.#workers.restart(message.worker, message.reason)
        return
      case 'workers':
        this.#controlServed = true
        if (!this.#stopping) this.#workers.desire(message.desired)
        return
      default:
        this.#keep(message)
        this.#data.tell({ ...message, ageMs: 0 })
    }
  }

  #keep(message: DownMessage): void {
    const atMs = performance.now()
    // A process born later has recorders of its own.
    if (message.kind === 'fenced') return
    if (message.kind !== 'models') {
      this.#lastWords.set(`${message.kind} ${message.model}`, { message, atMs })
      return
    }
    for (const [key, word] of this.#lastWords) {
      if (word.message.kind !== 'models' && !message.models.includes(word.message.model))
        this.#lastWords.delete(key)
    }
    this.#lastWords.set('models', { message, atMs })
  }

  #toControl(message: SupervisorReport | UpMessage): void {
    if (this.#control) sendTo(this.#control, message)
  }
}

/** A process may end between the look and the word; its exit says so. */
function sendTo(child: ChildProcess, message: SupervisorReport | UpMessage): void {
  if (child.connected) child.send(message, () => {})
}
