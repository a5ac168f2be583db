/**
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) of short messages under one key. `node:crypto` makes objects for each
 * call, 3 to 4 us; here both key blocks are hashed once and a message of at most 55 bytes costs two compressions,
 * about 1 us. Verification, which is rare, stays with `node:crypto`; a test holds the two together.
 */
export class HmacSha256 {
  readonly #inner: Int32Array
  readonly #outer: Int32Array

  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES)
      throw new RangeError(`a key has at most ${BLOCK_BYTES} bytes, not ${key.length}`)
    this.#inner = keyState(key, 0x36)
    this.#outer = keyState(key, 0x5c)
  }

  /**
   * Writes the first `macBytes` of the code of `bytes[0, length)` into `target` at `offset`.
   * @param length at most 55, what fits one block with its padding
   * @param macBytes a multiple of 4, at most 32
   */
  write(bytes: Uint8Array, length: number, target: Uint8Array, offset: number, macBytes: number): void {
    if (length > MAX_MESSAGE_BYTES)
      throw new RangeError(`a message has at most ${MAX_MESSAGE_BYTES} bytes, not ${length}`)
    words.fill(0, 0, 16)
    for (let i = 0; i < length; i++) words[i >> 2]! |= bytes[i]! << (24 - (i & 3) * 8)
    words[length >> 2]! |= 0x80 << (24 - (length & 3) * 8)
    words[15] = (BLOCK_BYTES + length) * 8
    digest.set(this.#inner)
    compress(digest)
    words.set(digest, 0)
    words[8] = 0x80000000 | 0
    words.fill(0, 9, 15)
    words[15] = (BLOCK_BYTES + 32) * 8
    digest.set(this.#outer)
    compress(digest)
    for (let i = 0; i < macBytes; i++) target[offset + i] = digest[i >> 2]! >>> (24 - (i & 3) * 8)
  }
}

const BLOCK_BYTES = 64
const MAX_MESSAGE_BYTES = BLOCK_BYTES - 9

// One code is made at a time, in one thread.
const words = new Int32Array(64)
const digest = new Int32Array(8)

/** The first 32 bits of the fractional parts of the square and cube roots of the first primes. */
const INITIAL = rootFractions(8, 1 / 2)
const ROUND = rootFractions(64, 1 / 3)

function rootFractions(count: number, exponent: number): Int32Array {
  const fractions = new Int32Array(count)
  let found = 0
  for (let n = 2; found < count; n++) {
    if (!isPrime(n)) continue
    const root = n ** exponent
    fractions[found++] = (root - Math.floor(root)) * 2 ** 32
  }
  return fractions
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

function keyState(key: Uint8Array, pad: number): Int32Array {
  words.fill(0, 0, 16)
  for (let i = 0; i < BLOCK_BYTES; i++) words[i >> 2]! |= ((key[i] ?? 0) ^ pad) << (24 - (i & 3) * 8)
  const state = INITIAL.slice()
  compress(state)
  return state
}

/** Adds the block in `words[0, 16)` to a state. */
function compress(state: Int32Array): void {
  for (let t = 16; t < 64; t++) {
    const w15 = words[t - 15]!
    const w2 = words[t - 2]!
    const s0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3)
    const s1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10)
    words[t] = (words[t - 16]! + s0 + words[t - 7]! + s1) | 0
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[t]! + words[t]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
  state[5] = (state[5]! + f) | 0
  state[6] = (state[6]! + g) | 0
  state[7] = (state[7]! + h) | 0
}
