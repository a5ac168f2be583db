import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { log } from '@coalmine/contract/log.ts'
import type { DataMessage, DownMessage, TakenMessage, UpMessage } from '../messages.ts'
import { afterCrash, type Backoff, FRESH } from './backoff.ts'
import type { Listener } from './listener.ts'
import { ended, onEnd } from './process-end.ts'

const PROGRAM = fileURLToPath(new URL('../data/main.ts', import.meta.url))
/** From the word on /readyz says no and answers close their connection, but new ones are still served. */
export const LAME_DUCK_MS = 1_000
/** Data processes answer what they have within this; then they are killed. */
const DRAIN_MS = 30_000
/** A successor serves within this, or the restart is given up. */
const SERVES_MS = 30_000
/** So long it may need to find every model ready; one that is not may not have been before either. */
const READY_MS = 10_000

type FromData = UpMessage | TakenMessage | { kind: 'serving' } | { kind: 'ready' } | { kind: 'crashed' }

export interface DataProcessesHost {
  readonly count: number
  readonly listener: Listener
  /** Control's last words with their age, for a process that is born now. */
  words(): Iterable<DownMessage & { ageMs: number }>
  heard(message: UpMessage): void
  /** Every model can answer. */
  ready(): void
  endedUncleanly(): void
}

/** The processes that answer predictions: as many as there are to be, whatever becomes of one. */
export class DataProcesses {
  readonly #host: DataProcessesHost
  readonly #running = new Map<ChildProcess, Running>()
  #backoff: Backoff = FRESH
  #stopping = false
  #rolling: Promise<void> | undefined
  #rollAgain = false

  constructor(host: DataProcessesHost) {
    this.#host = host
  }

  start(): void {
    for (let i = 0; i < this.#host.count; i++) this.#start()
  }

  tell(message: DataMessage): void {
    for (const data of this.#running.keys()) send(data, message)
  }

  /**
   * Replaces one after another, each by one that serves before it goes; what the old one has it answers. Another word
   * while this goes on is a restart more after it.
   */
  roll(): Promise<void> {
    if (this.#rolling === undefined) this.#rolling = this.#roll()
    else this.#rollAgain = true
    return this.#rolling
  }

  /** Resolves when all are gone: they answer what they have. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.tell({ kind: 'drain' })
    await Promise.all([...this.#running.keys()].map((data) => ended(data, DRAIN_MS)))
  }

  async #roll(): Promise<void> {
    do {
      this.#rollAgain = false
      const old = [...this.#running.keys()]
      log.info('data processes are replaced', { processes: old.length })
      for (const data of old) {
        if (this.#stopping || !(await this.#replace(data))) break
      }
    } while (this.#rollAgain && !this.#stopping)
    this.#rolling = undefined
  }

  /** @returns false where its successor does not come up: the old one stays */
  async #replace(old: ChildProcess): Promise<boolean> {
    const successor = this.#start()
    const { serving, ready } = this.#running.get(successor)!
    const serves = await Promise.race([serving.promise, wait(SERVES_MS, false, { ref: false })])
    if (!serves) {
      log.error('a new data process does not serve; the old ones stay', { pid: successor.pid })
      this.#retire(successor)
      successor.kill('SIGKILL')
      return false
    }
    await Promise.race([ready.promise, wait(READY_MS, false, { ref: false })])
    if (!this.#running.has(old)) return true
    this.#retire(old)
    send(old, { kind: 'lame-duck' })
    await wait(LAME_DUCK_MS)
    send(old, { kind: 'drain' })
    await ended(old, DRAIN_MS)
    return true
  }

  /** It gets no connection any more, and nobody takes its place when it ends. */
  #retire(data: ChildProcess): void {
    this.#running.get(data)!.isRetired = true
    this.#host.listener.retire(data)
  }

  #start(): ChildProcess {
    const data = fork(PROGRAM, [], { stdio: 'inherit' })
    const running: Running = {
      serving: Promise.withResolvers(),
      ready: Promise.withResolvers(),
      isRetired: false,
    }
    this.#running.set(data, running)
    data.on('message', (message: FromData) => {
      if (message.kind === 'serving') {
        this.#host.listener.add(data)
        running.serving.resolve(true)
      } else if (message.kind === 'taken') this.#host.listener.taken(data, message.number)
      else if (message.kind === 'ready') {
        running.ready.resolve(true)
        this.#host.ready()
      } else if (message.kind === 'crashed') {
        // It answers what it has, while another takes what comes.
        this.#retire(data)
        this.#lost(data, 'crashed')
      } else this.#host.heard(message)
    })
    data.once('spawn', () => {
      for (const word of this.#host.words()) send(data, word)
    })
    onEnd(data, (how) => this.#ended(data, running, how))
    return data
  }

  #ended(data: ChildProcess, running: Running, how: string): void {
    this.#running.delete(data)
    this.#host.listener.remove(data)
    running.serving.resolve(false)
    running.ready.resolve(false)
    if (!running.isRetired) this.#lost(data, how)
  }

  #lost(data: ChildProcess, how: string): void {
    if (this.#stopping) return
    const { waitMs, next } = afterCrash(this.#backoff, performance.now())
    this.#backoff = next
    this.#host.endedUncleanly()
    log.warn('a data process ended', { pid: data.pid, how, restartMs: waitMs })
    setTimeout(() => {
      if (!this.#stopping) this.#start()
    }, waitMs)
  }
}

interface Running {
  readonly serving: PromiseWithResolvers<boolean>
  readonly ready: PromiseWithResolvers<boolean>
  isRetired: boolean
}

/** A process may end between the look and the word; its exit says so. */
function send(data: ChildProcess, message: DataMessage): void {
  if (data.connected) data.send(message, () => {})
}
