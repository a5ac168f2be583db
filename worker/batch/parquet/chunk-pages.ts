import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { PageHeader } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'

/** Bytes that are read at once: a header, and mostly the page behind it. */
const WINDOW_BYTES = 256 * 1024

/** The pages of one column chunk, one after the other. A page that nobody asks for is not read but for its header. */
export class ChunkPages {
  readonly #descriptor: number
  readonly #end: number
  #at: number
  #window: { from: number; bytes: Uint8Array } = { from: 0, bytes: new Uint8Array(0) }

  /** @param from first byte of the chunk in the file */
  constructor(descriptor: number, from: number, end: number) {
    this.#descriptor = descriptor
    this.#at = from
    this.#end = end
  }

  /**
   * The next page; undefined behind the last one. Its body is good until the next call; one that its checksum does not fit is
   * an Error.
   */
  next(): { header: PageHeader; body: () => Uint8Array } | undefined {
    if (this.#at >= this.#end) return undefined
    const { header, bytes } = this.#header()
    const from = this.#at + bytes
    const length = header.compressed_page_size
    if (length < 0 || from + length > this.#end) throw new Error('a page goes beyond its column')
    this.#at = from + length
    return {
      header,
      body: () => {
        const body = this.#read(from, length)
        if (header.crc !== undefined && crc32(body) !== header.crc >>> 0)
          throw new Error('the checksum of a page is another than that of its bytes')
        return body
      },
    }
  }

  #header(): { header: PageHeader; bytes: number } {
    for (let length = 1024; ; length *= 16) {
      const left = this.#end - this.#at
      const { buffer, byteOffset, byteLength } = this.#read(this.#at, Math.min(length, left))
      const reader = { view: new DataView(buffer, byteOffset, byteLength), offset: 0 }
      try {
        return { header: parquetHeader(reader), bytes: reader.offset }
      } catch (error) {
        // Mostly cut off: statistics of long texts make long headers.
        if (length >= left) throw error
      }
    }
  }

  #read(from: number, length: number): Uint8Array {
    const before = from - this.#window.from
    if (before < 0 || before + length > this.#window.bytes.length) {
      this.#window = {
        from,
        bytes: this.#bytes(from, Math.min(Math.max(length, WINDOW_BYTES), this.#end - from)),
      }
      return this.#window.bytes.subarray(0, length)
    }
    return this.#window.bytes.subarray(before, before + length)
  }

  #bytes(from: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    let read = 0
    while (read < length) {
      const count = readSync(this.#descriptor, bytes, read, length - read, from + read)
      if (count === 0) throw new Error(`the file ends at byte ${from + read}`)
      read += count
    }
    return bytes
  }
}
