import { CollectedBytes } from './collected-bytes.ts'

/** A chunk's size line with its extensions, and all trailers, are no longer than this. */
const LINE_BYTES_MAX = 256
const TRAILER_BYTES_MAX = 8_192
const SIZE =
  /^([0-9A-Fa-f]{1,8})(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"))?)*$/
/** What frames or routes a request has no place behind its body. */
const TRAILER =
  /^(?!(?:transfer-encoding|content-length|host|connection|te|trailer|upgrade):)[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/i

const LF = 0x0a

/** What has come of a chunked body: more is needed, it is whole, or it is not one. */
export type ChunkedState = 'more' | 'done' | 'broken'

/**
 * Reads a body in chunks (RFC 9112, 7.1), however its bytes are cut into packets. Trailers are checked and dropped.
 */
export class ChunkedBody {
  readonly data = new CollectedBytes()
  #part: 'size' | 'data' | 'data-end' | 'trailer' = 'size'
  #left = 0
  #line = ''
  #trailerBytes = 0

  /** @returns the state, and how many bytes of `packet` belong to the body */
  read(packet: Buffer): { state: ChunkedState; used: number } {
    let at = 0
    while (at < packet.length) {
      if (this.#part === 'data') {
        const end = Math.min(packet.length, at + this.#left)
        this.data.add(packet.subarray(at, end))
        this.#left -= end - at
        at = end
        if (this.#left === 0) this.#part = 'data-end'
        continue
      }
      const lf = packet.indexOf(LF, at)
      const end = lf < 0 ? packet.length : lf + 1
      this.#line += packet.toString('latin1', at, end)
      at = end
      if (this.#line.length > LINE_BYTES_MAX && this.#part !== 'trailer') return { state: 'broken', used: at }
      if (this.#trailerBytes + this.#line.length > TRAILER_BYTES_MAX) return { state: 'broken', used: at }
      if (lf < 0) break
      const line = this.#line
      this.#line = ''
      if (!line.endsWith('\r\n')) return { state: 'broken', used: at }
      const state = this.#ended(line.slice(0, -2))
      if (state !== 'more') return { state, used: at }
    }
    return { state: 'more', used: at }
  }

  #ended(line: string): ChunkedState {
    switch (this.#part) {
      case 'data-end':
        this.#part = 'size'
        return line === '' ? 'more' : 'broken'
      case 'size': {
        const size = SIZE.exec(line)?.[1]
        if (size === undefined) return 'broken'
        this.#left = Number.parseInt(size, 16)
        this.#part = this.#left === 0 ? 'trailer' : 'data'
        return 'more'
      }
      default:
        if (line === '') return 'done'
        this.#trailerBytes += line.length
        return TRAILER.test(line) ? 'more' : 'broken'
    }
  }
}
