import { createWriteStream, type WriteStream } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { log } from '@coalmine/contract/log.ts'
import type { PredictionLogSettings } from './settings.ts'

const ENDING = '.jsonl'
/** After a failure nothing is tried for so long, and lines are dropped. */
const PAUSE_MS = 5_000

export type RotationSettings = Pick<
  PredictionLogSettings,
  'folder' | 'fileBytes' | 'fileMs' | 'keep' | 'queueBytes'
>

/**
 * Lines into files that are closed when they are large or old enough. Nobody waits: what the disk does not take in time is
 * dropped and counted. Every closed file ends with a whole line; a process that is killed leaves at most one that is not.
 */
export class RotatingFile {
  readonly counts = { written: 0, dropped: 0 }
  settings: RotationSettings
  readonly #nowMs: () => number
  #stream: WriteStream | undefined
  readonly #closing = new Set<Promise<void>>()
  #bytes = 0
  #sinceMs = 0
  #number = 0
  #pausedUntilMs = Number.NEGATIVE_INFINITY

  constructor(settings: RotationSettings, nowMs: () => number) {
    this.settings = settings
    this.#nowMs = nowMs
  }

  /** @param line without its end */
  append(line: string): void {
    const nowMs = this.#nowMs()
    if (nowMs < this.#pausedUntilMs) {
      this.counts.dropped++
      return
    }
    const { fileBytes, fileMs, queueBytes } = this.settings
    if (this.#stream !== undefined && (this.#bytes >= fileBytes || nowMs - this.#sinceMs >= fileMs))
      this.rotate()
    const stream = this.#stream ?? this.#open(nowMs)
    if (stream.writableLength > queueBytes) {
      this.counts.dropped++
      return
    }
    this.#bytes += line.length + 1
    stream.write(`${line}\n`)
    this.counts.written++
  }

  /** Closes the file; the next line begins another one. */
  rotate(): void {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined || stream.destroyed) return
    const closed = new Promise<void>((resolve) => stream.once('close', resolve)).then(() => {
      this.#closing.delete(closed)
    })
    this.#closing.add(closed)
    stream.end()
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    this.rotate()
    await Promise.all(this.#closing)
  }

  #open(nowMs: number): WriteStream {
    const { folder } = this.settings
    const time = new Date().toISOString().replaceAll(/[-:]/g, '').replace('.', '-')
    const path = join(folder, `predictions-${time}-${process.pid}-${this.#number++}${ENDING}`)
    const stream = createWriteStream(path, { flags: 'a' })
    stream.on('error', (error) => this.#failed(error))
    stream.once('open', () => void this.#prune())
    this.#stream = stream
    this.#bytes = 0
    this.#sinceMs = nowMs
    return stream
  }

  #failed(error: Error): void {
    this.#stream = undefined
    this.#pausedUntilMs = this.#nowMs() + PAUSE_MS
    log.error('predictions cannot be logged; they are dropped for a while', { error: error.message })
  }

  /** The oldest go, by their names. */
  async #prune(): Promise<void> {
    const { folder, keep } = this.settings
    const names = await readdir(folder).catch(() => [])
    const files = names.filter((name) => name.startsWith('predictions-') && name.endsWith(ENDING)).toSorted()
    for (const name of files.slice(0, Math.max(0, files.length - keep)))
      await rm(join(folder, name), { force: true }).catch(() => {})
  }
}
