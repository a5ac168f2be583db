import { Worker } from 'node:worker_threads'
import { BatchError } from './batch-error.ts'
import type { Part, PartDone, PartSettings } from './part.ts'

export type FromBatchThread =
  | { kind: 'open' }
  | { kind: 'made'; done: PartDone }
  | { kind: 'failed'; message: string; permanent: boolean }

/** One thread with a model of its own. */
class PartThread {
  readonly #thread: Worker
  #settle: { resolve: (message: FromBatchThread) => void; reject: (error: Error) => void } | undefined

  constructor(settings: PartSettings) {
    this.#thread = new Worker(new URL('./batch-thread.ts', import.meta.url), {
      workerData: settings,
      // Collected early: left alone, each thread would let garbage grow as if it had the machine to itself.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    })
    this.#thread.on('message', (message: FromBatchThread) => {
      const settle = this.#settle
      this.#settle = undefined
      if (message.kind === 'failed')
        settle?.reject(new BatchError(message.message, { permanent: message.permanent }))
      else settle?.resolve(message)
    })
    const end = (reason: string) => this.#settle?.reject(new BatchError(reason))
    this.#thread.on('error', (error: Error) => end(`a thread failed: ${error.message}`))
    this.#thread.on('exit', (code) => end(`a thread ended with code ${code}`))
  }

  async open(): Promise<void> {
    await this.#next()
  }

  async make(part: Part): Promise<PartDone> {
    const made = this.#next()
    this.#thread.postMessage(part, part.text ? [part.text.bytes.buffer as ArrayBuffer] : [])
    const message = await made
    if (message.kind !== 'made') throw new BatchError(`a thread said ${message.kind}`)
    return message.done
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
  }

  #next(): Promise<FromBatchThread> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
  }
}

/**
 * Makes parts in several threads, in whatever order they are done. Takes the next part only when a thread is free, so that
 * there are never more in memory than threads, and one that is read.
 *
 * @param onMade is awaited before the thread takes another
 */
export async function makeParts(
  settings: PartSettings,
  concurrency: number,
  parts: AsyncIterable<Part>,
  onMade: (done: PartDone) => Promise<void>,
): Promise<void> {
  const threads = Array.from({ length: concurrency }, () => new PartThread(settings))
  try {
    await Promise.all(threads.map((thread) => thread.open()))
    const source = parts[Symbol.asyncIterator]()
    let next: Promise<IteratorResult<Part>> = source.next()
    const work = async (thread: PartThread) => {
      for (;;) {
        const mine = next
        // One at a time: who takes a part asks for the one after it.
        next = mine.then(({ done }) => (done ? mine : source.next()))
        next.catch(() => {})
        const { done, value } = await mine
        if (done) return
        await onMade(await thread.make(value))
      }
    }
    await Promise.all(threads.map(work))
  } finally {
    await Promise.all(threads.map((thread) => thread.close()))
  }
}
