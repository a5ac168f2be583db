const FIRST_BYTES = 4_096

/**
 * The bytes of a body as they come. Kept as one growing piece: a client that sends them one by one must not make the
 * gateway keep an object for each.
 */
export class CollectedBytes {
  length = 0
  #bytes: Buffer = Buffer.alloc(0)

  add(packet: Buffer): void {
    const length = this.length + packet.length
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, FIRST_BYTES))
      this.#bytes.copy(grown, 0, 0, this.length)
      this.#bytes = grown
    }
    packet.copy(this.#bytes, this.length)
    this.length = length
  }

  /** All of them; nothing is added afterwards. */
  whole(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }
}
