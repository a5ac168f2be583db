/** Four words that are not all zero; `nextU32` moves them on. */
export type RandomState = Uint32Array

/**
 * The state of 16 seed bytes (little-endian words). Throws a RangeError for another length and for sixteen
 * zeros, which the generator could never leave.
 */
export function randomState(seed: Uint8Array): RandomState {
  if (seed.length !== 16) throw new RangeError(`a seed has 16 bytes, this one ${seed.length}`)
  if (seed.every((byte) => byte === 0))
    throw new RangeError('a seed of sixteen zeros gives nothing but zeros')
  const bytes = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
  return Uint32Array.from([0, 4, 8, 12], (offset) => bytes.getUint32(offset, true))
}

/**
 * The next u32 of xoshiro128** 1.1 (Blackman and Vigna, public domain): period 2^128 - 1, all 32 bits good,
 * a few nanoseconds. It draws arms; it makes no secrets.
 */
export function nextU32(state: RandomState): number {
  const s1 = state[1]!
  const result = Math.imul(rotated(Math.imul(s1, 5), 7), 9) >>> 0
  const shifted = s1 << 9
  state[2]! ^= state[0]!
  state[3]! ^= state[1]!
  state[1]! ^= state[2]!
  state[0]! ^= state[3]!
  state[2]! ^= shifted
  state[3] = rotated(state[3]!, 11)
  return result
}

/** A source of independent u32 draws; equal seeds give equal sequences. */
export function seededRandom(seed: Uint8Array): () => number {
  const state = randomState(seed)
  return () => nextU32(state)
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
