import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import { sliceElements, sliceRows, stackData, stackRows } from './tensor-rows.ts'

export type ModelRecord = Record<string, unknown>

/** What happened in one run, on the clock of `nowMs`. */
export interface RunTimes {
  readonly startMs: number
  /** Undefined where the records could not be encoded. */
  readonly encodedMs: number | undefined
  readonly endMs: number
  /** Of all its jobs. */
  readonly rows: number
  readonly jobs: number
  readonly isFailed: boolean
}
/** Who is told of each run that has rows of a job. */
export interface RunWatch {
  ran(run: RunTimes): void
}

/** One request's rows. Exactly one of `answered` and `failed` is called, once, unless the client is gone. */
export interface Job {
  readonly rows: number
  /** Checked records, encoded together with those of the other requests of a run... */
  readonly records: readonly ModelRecord[] | undefined
  /** ...or tensors, in the order of the model's inputs. */
  readonly tensors: readonly EncodedTensor[] | undefined
  /** On the clock of `nowMs`; Infinity for none. */
  readonly deadlineMs: number
  /** By what a log names it. */
  readonly reference?: Readonly<Record<string, string | undefined>>
  /** Asked for by a batcher that `isWatched` alone. */
  readonly watch?: RunWatch | undefined
  gone(): boolean
  /** The job's rows begin at `firstRow` of every array; the arrays are shared with other jobs. */
  answered(outputs: readonly TensorData[], firstRow: number): void
  failed(reason: JobFailure): void
}
export type JobFailure = 'model error' | 'expired' | 'gone'

export type BatcherSettings = {
  run(inputs: readonly EncodedTensor[]): Promise<TensorData[]>
  encode(records: readonly ModelRecord[]): EncodedTensor[]
  /** Elements of one row of each output. */
  outputElements: readonly number[]
  rowsPerRun: number
  waitingMax: number
  /** Jobs may have a watch. */
  isWatched: boolean
  nowMs(): number
  onRun(rows: number, seconds: number): void
  /** A run that the model answered whole. */
  onAnswered(run: { inputs: readonly EncodedTensor[]; outputs: readonly TensorData[]; rows: number }): void
  /** @param job whose alone the run was */
  onModelError(error: unknown, job?: Job): void
}

/** Consecutive rows of one job that go into one run. */
type Share = { job: Job; first: number; rows: number }

/** A job with more rows than a run may hold: how far it is, and its outputs up to there. */
type Progress = { next: number; outputs: TensorData[][] }

/**
 * Natural batching: while a run is in progress, requests gather; when it ends, as many as fit go as one run.
 * A request that finds the engine idle waits for nothing but the end of the event loop's turn, so that what
 * arrived in the same turn goes along.
 */
export class Batcher {
  #settings: BatcherSettings
  #queue: Job[] = []
  #head = 0
  #progress = new Map<Job, Progress>()
  #busy = false
  #onIdle: (() => void)[] = []

  constructor(settings: BatcherSettings) {
    this.#settings = settings
  }

  get waiting(): number {
    return this.#queue.length - this.#head
  }

  /** False when too many requests wait already. */
  submit(job: Job): boolean {
    if (this.waiting >= this.#settings.waitingMax) return false
    this.#queue.push(job)
    if (!this.#busy) {
      this.#busy = true
      setImmediate(this.#turn)
    }
    return true
  }

  /** Resolves as soon as nothing waits or runs. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#onIdle.push(resolve)) : Promise.resolve()
  }

  #turn = () => {
    const shares = this.#take()
    if (shares.length > 0) {
      this.#runAll(shares).catch(this.#settings.onModelError).then(this.#next)
      return
    }
    this.#busy = false
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #next = () => {
    setImmediate(this.#turn)
  }

  /** The next run: jobs in the order of arrival as long as they fit; jobs nobody waits for are dropped. */
  #take(): Share[] {
    const { rowsPerRun, nowMs } = this.#settings
    const shares: Share[] = []
    const takenMs = nowMs()
    let space = rowsPerRun
    while (this.#head < this.#queue.length) {
      const job = this.#queue[this.#head]!
      if (job.gone()) this.#drop(job, 'gone')
      else if (takenMs >= job.deadlineMs) this.#drop(job, 'expired')
      else {
        const first = this.#progress.get(job)?.next ?? 0
        const rows = Math.min(job.rows - first, rowsPerRun)
        if (rows > space) break
        shares.push({ job, first, rows })
        space -= rows
      }
      this.#head++
      if (space === 0) break
    }
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    return shares
  }

  #drop(job: Job, reason: JobFailure) {
    this.#progress.delete(job)
    job.failed(reason)
  }

  async #runAll(shares: readonly Share[]) {
    const outputs = await this.#run(shares)
    if (outputs !== undefined) return this.#hand(shares, outputs)
    if (shares.length === 1) return this.#drop(shares[0]!.job, 'model error')
    // One of them spoils the run for all: alone, only the guilty one fails.
    for (const share of shares) {
      const alone = await this.#run([share])
      if (alone === undefined) this.#drop(share.job, 'model error')
      else this.#hand([share], alone)
    }
  }

  /** Undefined when the model fails. */
  async #run(shares: readonly Share[]): Promise<TensorData[] | undefined> {
    const { run, outputElements, isWatched, nowMs, onRun, onAnswered, onModelError } = this.#settings
    let rows = 0
    for (const share of shares) rows += share.rows
    const startMs = nowMs()
    let encodedMs: number | undefined
    let isFailed = true
    try {
      const inputs = this.#inputs(shares)
      if (isWatched) encodedMs = nowMs()
      const outputs = await run(inputs)
      outputs.forEach((data, index) => {
        // Rows are handed out by position, so a model that drops or adds some must not get that far.
        if (data.length !== rows * outputElements[index]!) {
          throw new Error(`output ${index} has ${data.length} elements for ${rows} rows`)
        }
      })
      onAnswered({ inputs, outputs, rows })
      isFailed = false
      return outputs
    } catch (error) {
      onModelError(error, shares.length === 1 ? shares[0]!.job : undefined)
      return undefined
    } finally {
      const endMs = nowMs()
      onRun(rows, (endMs - startMs) / 1000)
      if (isWatched) {
        const times = { startMs, encodedMs, endMs, rows, jobs: shares.length, isFailed }
        for (const { job } of shares) job.watch?.ran(times)
      }
    }
  }

  /** Rows of jobs with records come first, so that one encoding serves them all. */
  #inputs(shares: readonly Share[]): EncodedTensor[] {
    const records: ModelRecord[] = []
    const groups: (readonly EncodedTensor[])[] = []
    for (const { job, first, rows } of shares) {
      if (job.records === undefined) {
        groups.push(rows === job.rows ? job.tensors! : sliceRows(job.tensors!, first, rows))
      } else if (job.rows === 1) records.push(job.records[0]!)
      else for (let row = first; row < first + rows; row++) records.push(job.records[row]!)
    }
    if (records.length > 0) groups.unshift(this.#settings.encode(records))
    return stackRows(groups)
  }

  /** Gives every job its rows: first those of the jobs with records, then those with tensors. */
  #hand(shares: readonly Share[], outputs: TensorData[]) {
    let row = 0
    for (const share of shares) {
      if (share.job.records === undefined) continue
      this.#handShare(share, outputs, row)
      row += share.rows
    }
    for (const share of shares) {
      if (share.job.records !== undefined) continue
      this.#handShare(share, outputs, row)
      row += share.rows
    }
  }

  #handShare({ job, first, rows }: Share, outputs: TensorData[], row: number) {
    if (rows === job.rows) return this.#answer(job, outputs, row)
    const elements = this.#settings.outputElements
    const part = outputs.map((data, i) => sliceElements(data, row * elements[i]!, rows * elements[i]!))
    const progress = this.#progress.get(job) ?? { next: 0, outputs: [] }
    progress.next = first + rows
    progress.outputs.push(part)
    if (progress.next < job.rows) {
      this.#progress.set(job, progress)
      this.#queue.push(job)
      return
    }
    this.#progress.delete(job)
    const whole = outputs.map((_, index) => stackData(progress.outputs.map((each) => each[index]!)))
    this.#answer(job, whole, 0)
  }

  #answer(job: Job, outputs: readonly TensorData[], row: number) {
    try {
      job.answered(outputs, row)
    } catch (error) {
      // One request must not keep the others of its run from their answers.
      this.#settings.onModelError(error, job)
      job.failed('model error')
    }
  }
}
