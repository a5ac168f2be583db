import { readFileSync, writeFileSync } from 'node:fs'

const WINDOW_MS = 10 * 60_000
/** So many within the window, and something that is being tried may be what kills. */
export const TOO_MANY = 3

interface Kept {
  running: boolean
  endedMs: number[]
}

/**
 * Ends that nobody asked for, of the gateway as a whole and of its data processes, in the last ten minutes. Kept in a
 * file: the gateway that died cannot tell. A file that cannot be read or written counts nothing and stops nobody.
 */
export class UncleanEnds {
  readonly #file: string
  readonly #endedMs: number[]

  /** @param nowMs time of day; a gateway that did not stop by itself has ended now */
  constructor(file: string, nowMs: number) {
    this.#file = file
    const { running, endedMs } = read(file)
    this.#endedMs = endedMs
    if (running) this.#endedMs.push(nowMs)
    this.#write(true)
  }

  add(nowMs: number): void {
    this.#endedMs.push(nowMs)
    this.#endedMs.splice(0, this.#endedMs.length - TOO_MANY)
    this.#write(true)
  }

  recent(nowMs: number): number {
    return this.#endedMs.filter((endedMs) => Math.abs(nowMs - endedMs) < WINDOW_MS).length
  }

  stopped(): void {
    this.#write(false)
  }

  #write(running: boolean): void {
    const kept: Kept = { running, endedMs: this.#endedMs }
    try {
      writeFileSync(this.#file, JSON.stringify(kept))
    } catch {
      // A full disk must not keep anybody from serving.
    }
  }
}

function read(file: string): Kept {
  try {
    const { running, endedMs } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Kept>
    const isTime = (value: unknown) => typeof value === 'number' && Number.isFinite(value)
    return { running: running === true, endedMs: Array.isArray(endedMs) ? endedMs.filter(isTime) : [] }
  } catch {
    return { running: false, endedMs: [] }
  }
}
