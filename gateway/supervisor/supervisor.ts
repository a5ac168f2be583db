import { type ChildProcess, fork } from 'node:child_process'
import cluster, { type Worker as DataProcess } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { log } from '../log.ts'
import type { ControlRequest, DownMessage, FatalMessage, SupervisorReport, UpMessage } from '../messages.ts'
import { afterCrash, type Backoff, FRESH } from './backoff.ts'
import { Workers } from './workers.ts'

const CONTROL = fileURLToPath(new URL('../control/main.ts', import.meta.url))
const DATA = fileURLToPath(new URL('../data/main.ts', import.meta.url))
/** Data processes answer what they have within this; then they are killed. */
const DRAIN_MS = 30_000

type FromControl = DownMessage | ControlRequest | FatalMessage
type FromData = UpMessage | FatalMessage | { kind: 'ready' }

/**
 * Starts, backs off and stops the processes of one gateway, and passes their messages on. It knows no store
 * and decides nothing, so that there is little in it that could fail.
 */
export class Supervisor {
  readonly #dataProcesses: number
  readonly #workers = new Workers((report) => this.#toControl(report))
  /** The last word of control by kind and model, with the instant it came, for data processes born later. */
  readonly #lastWords = new Map<string, { message: DownMessage; atMs: number }>()
  readonly #exited = Promise.withResolvers<string | undefined>()
  #control: ChildProcess | undefined
  #controlBackoff: Backoff = FRESH
  #dataBackoff: Backoff = FRESH
  #stopping = false
  readonly #ready = Promise.withResolvers<void>()

  constructor({ dataProcesses }: { dataProcesses: number }) {
    this.#dataProcesses = dataProcesses
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ exec: DATA })
  }

  /** Resolves once predictions can be answered. */
  start(): Promise<void> {
    this.#startControl()
    for (let i = 0; i < this.#dataProcesses; i++) this.#startData()
    return this.#ready.promise
  }

  /** Resolves with the reason when the gateway cannot go on, with nothing after a clean stop. */
  get exited(): Promise<string | undefined> {
    return this.#exited.promise
  }

  /** Data first (they answer what they have), then workers, then control: nothing in flight is lost. */
  async stop(reason?: string): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    this.#toControl({ kind: 'shutdown' })
    await Promise.all(Object.values(cluster.workers ?? {}).map((data) => drain(data as DataProcess)))
    await this.#workers.close()
    await endControl(this.#control)
    this.#exited.resolve(reason)
  }

  #startControl(): void {
    const control = fork(CONTROL, [], { stdio: 'inherit' })
    this.#control = control
    control.on('message', (message: FromControl) => this.#fromControl(message))
    control.on('error', (error) => log.error('control cannot be reached', { error: error.message }))
    control.once('spawn', () => {
      for (const report of this.#workers.reports()) this.#toControl(report)
      for (const data of Object.values(cluster.workers ?? {})) {
        this.#toControl({ kind: 'data', process: data!.id, event: 'started' })
      }
    })
    control.once('exit', (code, signal) => {
      this.#control = undefined
      if (this.#stopping) return
      const { waitMs, next } = afterCrash(this.#controlBackoff, performance.now())
      this.#controlBackoff = next
      log.warn('the control process ended; predictions go on', { code, signal, restartMs: waitMs })
      setTimeout(() => {
        if (!this.#stopping) this.#startControl()
      }, waitMs)
    })
  }

  #startData(): void {
    const data = cluster.fork()
    data.on('message', (message: FromData) => {
      if (message.kind === 'fatal') void this.stop(message.reason)
      else if (message.kind === 'ready') this.#ready.resolve()
      else this.#toControl(message)
    })
    data.on('error', (error) => log.warn('a data process cannot be reached', { error: error.message }))
    data.once('online', () => {
      const nowMs = performance.now()
      for (const { message, atMs } of this.#lastWords.values()) data.send({ ...message, ageMs: nowMs - atMs })
      this.#toControl({ kind: 'data', process: data.id, event: 'started' })
    })
    data.once('exit', (code, signal) => {
      this.#toControl({ kind: 'data', process: data.id, event: 'stopped' })
      if (this.#stopping) return
      const { waitMs, next } = afterCrash(this.#dataBackoff, performance.now())
      this.#dataBackoff = next
      log.warn('a data process ended', { process: data.id, code, signal, restartMs: waitMs })
      setTimeout(() => {
        if (!this.#stopping) this.#startData()
      }, waitMs)
    })
  }

  #fromControl(message: FromControl): void {
    switch (message.kind) {
      case 'fatal':
        void this.stop(message.reason)
        return
      case 'workers':
        this.#workers.desire(message.desired)
        return
      default:
        this.#keep(message)
        for (const data of Object.values(cluster.workers ?? {})) {
          if (data!.isConnected()) data!.send({ ...message, ageMs: 0 })
        }
    }
  }

  #keep(message: DownMessage): void {
    const atMs = performance.now()
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
    if (this.#control?.connected) this.#control.send(message)
  }
}

function drain(data: DataProcess): Promise<void> {
  return new Promise((resolve) => {
    if (data.isDead()) return resolve()
    const kill = setTimeout(() => data.process.kill('SIGKILL'), DRAIN_MS)
    data.once('exit', () => {
      clearTimeout(kill)
      resolve()
    })
    if (data.isConnected()) data.send({ kind: 'drain' })
    else data.process.kill('SIGTERM')
  })
}

function endControl(control: ChildProcess | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (!control || control.exitCode !== null || control.signalCode !== null) return resolve()
    const kill = setTimeout(() => control.kill('SIGKILL'), 5_000)
    control.once('exit', () => {
      clearTimeout(kill)
      resolve()
    })
    control.kill('SIGTERM')
  })
}
