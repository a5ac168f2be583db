import { GROUPS, type Stratum } from './counts.ts'
import type { Evidence, PerGroup } from './evidence.ts'
import type { LatencyLearning, LatencyReference } from './latency-reference.ts'
import type { References, ScoreReference } from './references.ts'
import type { ArmTally, Tally } from './tally.ts'

/**
 * Evidence as bytes, exact to the bit, little-endian:
 *
 *     u32 magic, u32 version, u32 length of it all, u32 checksum of what follows
 *     varint length, JSON in ASCII: single numbers of the references, flags
 *     arrays of references, wealth, anchors, what there is for each group, tally, learning
 *
 * Doubles are binary64, -Infinity included; whole numbers are varints of 7 bits a byte, the lowest first.
 */
const MAGIC = 0x44_49_56_45
const VERSION = 1
const PREFIX_BYTES = 16

interface Header {
  readonly references: Omit<References, 'score' | 'latency'>
  /** Without its arrays. */
  readonly score?: Omit<ScoreReference, 'edges' | 'shares' | 'classes'>
  readonly latency: boolean
  readonly learning: boolean
  readonly watching: boolean
  readonly broken: Evidence['broken']
  readonly firstSecond?: number
}

const TALLY_COUNTS = Object.keys({
  requests: true,
  errors: true,
  rejected: true,
  slow: true,
  scored: true,
  finished: true,
  failed: true,
  aborted: true,
  labelled: true,
  wrong: true,
} satisfies Record<keyof ArmTally, true>) as readonly (keyof ArmTally)[]

/** Throws a RangeError for counts that are not whole. */
export function encodeEvidence(evidence: Evidence): Uint8Array {
  const { references, learning, wealth, anchors, cash, ticks, stepBegins, plannedSteps, ...others } = evidence
  const { cursor, tally, watching, firstSecond, stepSecond, fromSecond, broken, ...left } = others
  // What evidence is given more, must be written too.
  left satisfies Record<string, never>
  const { score, latency, ...numbers } = references
  const header: Header = {
    references: numbers,
    ...(score && { score: { mean: score.mean, unscored: score.unscored } }),
    latency: latency !== undefined,
    learning: learning !== undefined,
    watching: watching === true,
    broken,
    ...(firstSecond !== undefined && { firstSecond }),
  }
  out.begin(PREFIX_BYTES)
  out.text(JSON.stringify(header))
  if (score) for (const array of [score.edges, score.shares, score.classes]) out.doubles(array)
  if (latency) writeLatency(out, latency)
  out.doubles(wealth)
  out.doubles(anchors)
  out.whole(plannedSteps)
  out.double(stepSecond)
  out.double(fromSecond)
  for (const group of GROUPS) {
    out.double(cash[group])
    out.whole(ticks[group])
    out.whole(stepBegins[group] ? 1 : 0)
    out.double(cursor[group])
  }
  writeTally(out, tally)
  if (learning) writeLearning(out, learning)
  const bytes = out.bytes()
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES)
  for (const [i, word] of [MAGIC, VERSION, bytes.length, checksum(bytes)].entries())
    prefix.setUint32(4 * i, word, true)
  return bytes
}

/** Throws an Error that says what is wrong with bytes that this version did not write. */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  check(bytes)
  const input = new ByteReader(bytes, PREFIX_BYTES)
  const header: Header = JSON.parse(input.text())
  const references: References = {
    ...header.references,
    ...(header.score && {
      score: {
        edges: Array.from(input.doubles()),
        shares: Array.from(input.doubles()),
        classes: Array.from(input.doubles()),
        ...header.score,
      },
    }),
    ...(header.latency && { latency: readLatency(input) }),
  }
  const wealth = input.doubles()
  const anchors = input.doubles()
  const plannedSteps = input.whole()
  const stepSecond = input.double()
  const fromSecond = input.double()
  const groups = GROUPS.map(() => ({
    cash: input.double(),
    ticks: input.whole(),
    stepBegins: input.whole() === 1,
    cursor: input.double(),
  }))
  const perGroup = <K extends keyof (typeof groups)[number]>(key: K) =>
    Object.fromEntries(GROUPS.map((group, i) => [group, groups[i]![key]])) as PerGroup<
      (typeof groups)[number][K]
    >
  return {
    references,
    wealth,
    anchors,
    cash: perGroup('cash'),
    ticks: perGroup('ticks'),
    stepBegins: perGroup('stepBegins'),
    plannedSteps,
    stepSecond,
    fromSecond,
    broken: header.broken,
    ...(header.firstSecond !== undefined && { firstSecond: header.firstSecond }),
    cursor: perGroup('cursor'),
    tally: readTally(input),
    ...(header.learning && { learning: readLearning(input) }),
    ...(header.watching && { watching: true }),
  }
}

function check(bytes: Uint8Array): void {
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < PREFIX_BYTES || prefix.getUint32(0, true) !== MAGIC)
    throw new Error('these bytes are no evidence')
  const version = prefix.getUint32(4, true)
  if (version !== VERSION)
    throw new Error(
      `the evidence is written in version ${version}, and only version ${VERSION} is understood`,
    )
  const length = prefix.getUint32(8, true)
  if (length !== bytes.length)
    throw new Error(`the evidence should have ${length} bytes and has ${bytes.length}`)
  if (prefix.getUint32(12, true) !== checksum(bytes))
    throw new Error('the evidence is damaged: its checksum does not match')
}

/**
 * FNV-1a of 32 bits over everything after the prefix, four bytes at a time and the last ones one by one: every single
 * byte that changes, changes it.
 */
function checksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.length
  let hash = 0x811c9dc5
  let at = PREFIX_BYTES
  for (; at + 4 <= end; at += 4) hash = Math.imul(hash ^ view.getUint32(at, true), 0x01000193)
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash >>> 0
}

/** Levels never fall, so that their differences are small. */
function writeLatency(out: ByteWriter, { levels, quantiles }: LatencyReference): void {
  out.whole(levels.length)
  for (const [i, level] of levels.entries()) out.whole(level - (levels[i - 1] ?? 0))
  out.whole(quantiles.length)
  // -1 stands for an unknown quantile.
  for (const quantile of quantiles) out.whole(quantile + 1)
}

function readLatency(input: ByteReader): LatencyReference {
  let level = 0
  const levels = Array.from({ length: input.whole() }, () => (level += input.whole()))
  const quantiles = Array.from({ length: input.whole() }, () => input.whole() - 1)
  return { levels, quantiles }
}

function writeTally(out: ByteWriter, tally: Tally): void {
  out.whole(tally.length)
  for (const { stratum, canary, control, baseline } of tally) {
    for (const chance of [stratum.stable, stratum.baseline, stratum.canary]) out.double(chance)
    for (const arm of [canary, control, baseline]) for (const key of TALLY_COUNTS) out.whole(arm[key])
  }
}

function readTally(input: ByteReader): Tally {
  const readArm = () =>
    Object.fromEntries(TALLY_COUNTS.map((key) => [key, input.whole()])) as unknown as ArmTally
  return Array.from({ length: input.whole() }, () => {
    const stratum: Stratum = { stable: input.double(), baseline: input.double(), canary: input.double() }
    return { stratum, canary: readArm(), control: readArm(), baseline: readArm() }
  })
}

/** Most groups of bins are empty: a 0 is followed by how many more there are. */
function writeLearning(out: ByteWriter, { sinceSecond, observations, counts }: LatencyLearning): void {
  out.double(sinceSecond)
  out.whole(observations)
  out.whole(counts.length)
  for (let i = 0; i < counts.length; i++) {
    out.whole(counts[i]!)
    if (counts[i] !== 0) continue
    const first = i
    while (counts[i + 1] === 0) i++
    out.whole(i - first)
  }
}

function readLearning(input: ByteReader): LatencyLearning {
  const sinceSecond = input.double()
  const observations = input.whole()
  const counts = new Float64Array(input.whole())
  for (let i = 0; i < counts.length; i++) {
    counts[i] = input.whole()
    if (counts[i] === 0) i += input.whole()
  }
  return { sinceSecond, observations, counts }
}

/** As almost every processor is: doubles are then written as they lie in memory. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

class ByteWriter {
  #bytes = new Uint8Array(1 << 14)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  begin(at: number): void {
    this.#at = at
  }

  /** A copy. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  double(value: number): void {
    this.#room(8)
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  doubles(values: ArrayLike<number>): void {
    this.whole(values.length)
    this.#room(8 * values.length)
    if (LITTLE_ENDIAN && values instanceof Float64Array) {
      this.#bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.#at)
      this.#at += values.byteLength
    } else for (let i = 0; i < values.length; i++) this.double(values[i]!)
  }

  whole(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`${value} is no whole number`)
    this.#room(8)
    let rest = value
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
  }

  text(ascii: string): void {
    this.whole(ascii.length)
    this.#room(ascii.length)
    for (let i = 0; i < ascii.length; i++) this.#bytes[this.#at++] = ascii.charCodeAt(i)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(2 * (this.#at + bytes))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

/** One for all: evidence is encoded a hundred times a second, one after the other, and nothing of it is kept here. */
const out = new ByteWriter()

class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  double(): number {
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }

  doubles(): Float64Array {
    const values = new Float64Array(this.whole())
    for (let i = 0; i < values.length; i++) values[i] = this.double()
    return values
  }

  whole(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }

  text(): string {
    const length = this.whole()
    const from = this.#at
    this.#at += length
    return String.fromCharCode(...this.#bytes.subarray(from, this.#at))
  }
}
