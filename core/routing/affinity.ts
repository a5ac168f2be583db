/**
 * The u32 point of a caller: the same in every process, on every host and after every restart, because it
 * depends on the two texts alone. Pass it to `drawArm`.
 *
 * It is MurmurHash3_x86_32 over the key's UTF-16 code units, each as two bytes, low byte first; its seed is
 * the same hash of the salt. Murmur3 ends in a full mixer (fmix32), which thresholds need: they look at the
 * high bits, and user ids differ in their last characters. It is no secret; see decision 0003.
 */
export function affinityPoint(salt: string, key: string): number {
  return murmur3(key, murmur3(salt, 0))
}

/** MurmurHash3_x86_32 (Austin Appleby, public domain) of a text's UTF-16LE bytes; a u32. */
export function murmur3(text: string, seed: number): number {
  const { length } = text
  let hash = seed
  let i = 0
  for (; i + 1 < length; i += 2) {
    hash ^= scrambled(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (i < length) hash ^= scrambled(text.charCodeAt(i))
  return fmix32(hash ^ (length * 2))
}

function scrambled(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** Murmur3's finaliser: each bit of the input flips each bit of the output with probability near a half. */
function fmix32(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
