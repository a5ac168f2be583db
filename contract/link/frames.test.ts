import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ID_PLACEHOLDER } from '../internal-headers.ts'
import { FrameError, HEADER_BYTES } from './frame.ts'
import {
  LINK_KIND,
  type LinkRequest,
  readRequestFrame,
  requestFrameBytes,
  writeRequestFrame,
} from './request-frame.ts'
import {
  LINK_OUTCOMES,
  NO_CLASS,
  readResponseFrame,
  type WrittenAnswer,
  writeResponseFrame,
} from './response-frame.ts'

const LIMITS = { maxRows: 256, maxBytes: 1024 * 1024 }
const u32 = fc.nat(0xffff_ffff)
const word = fc.stringMatching(/^[!-~]{1,40}$/)
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

const meta = fc.oneof(
  word,
  fc.tuple(word, word).map((parts) => parts.join('\n')),
  fc.tuple(word, word, word).map((parts) => parts.join('\n')),
)
const request: fc.Arbitrary<LinkRequest> = fc
  .record({
    kind: fc.constantFrom(1, 2, 3),
    body: bytes,
    budgetMs: u32,
    pick: u32,
    wantsIds: fc.boolean(),
    meta,
  })
  .map((row) => ({ ...row, jsonLength: row.body.length }))

/** An answer with as many placeholders as it says, between texts that may not be ASCII. */
const good: fc.Arbitrary<WrittenAnswer> = fc
  .record({
    parts: fc.array(
      fc.string({ maxLength: 10 }).map((text) => text.replaceAll('~', '-')),
      { minLength: 1, maxLength: 5 },
    ),
    rows: fc.integer({ min: 1, max: 0xffff }),
    score: fc.oneof(fc.constant(Number.NaN), fc.float({ noNaN: true, noDefaultInfinity: true })),
    class: fc.oneof(fc.constant(NO_CLASS), fc.nat(0xfffe)),
    computeUs: u32,
  })
  .map(({ parts, ...rest }) => {
    const text = parts.join(ID_PLACEHOLDER)
    const ids: number[] = []
    let at = 0
    for (const part of parts.slice(0, -1)) {
      at += Buffer.byteLength(part)
      ids.push(at)
      at += ID_PLACEHOLDER.length
    }
    return { ...rest, status: 200, outcome: 'ok', row: rest.rows - 1, text, ids }
  })
const bad: fc.Arbitrary<WrittenAnswer> = fc
  .record({
    text: fc.string({ maxLength: 50 }),
    computeUs: u32,
    how: fc.constantFrom(1, 2, 3, 4),
    status: fc.integer({ min: 400, max: 499 }),
  })
  .map(({ how, status, ...rest }) => ({
    ...rest,
    ...{ rows: 0, row: 0, score: Number.NaN, class: NO_CLASS, ids: [] },
    outcome: LINK_OUTCOMES[how]!,
    status: how === 1 ? status : { 2: 500, 3: 504, 4: 503 }[how]!,
  }))
const answers = fc.array(fc.oneof(good, bad), { minLength: 1, maxLength: 20 })
const requests = fc.array(request, { minLength: 1, maxLength: 20 })

describe('a call', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(requests, u32, (rows, sequence) => {
        const frame = writeRequestFrame(sequence, rows)
        expect(frame.length).toBe(HEADER_BYTES + rows.reduce((sum, row) => sum + requestFrameBytes(row), 0))
        const read = readRequestFrame(frame, LIMITS)
        expect(read.sequence).toBe(sequence)
        for (const [i, { requestId, traceparent, tracestate, body, ...row }] of read.rows.entries()) {
          const { meta, body: sent, ...rest } = rows[i]!
          expect(row).toEqual(rest)
          expect(body.equals(sent)).toBe(true)
          expect([requestId, traceparent, tracestate].filter((part) => part !== undefined).join('\n')).toBe(
            meta,
          )
        }
      }),
    )
  })

  const row = {
    kind: LINK_KIND.v1,
    body: Buffer.from('{"a":1}'),
    jsonLength: 7,
    budgetMs: 5,
    pick: 1,
    wantsIds: true,
    meta: 'id',
  }
  const written = () => writeRequestFrame(7, [row, { ...row, meta: 'id\ntrace' }])
  const RECORD = HEADER_BYTES
  test.each<[string, (frame: Buffer) => unknown]>([
    ['magic', (frame) => frame.writeUInt8(0, 0)],
    ['version', (frame) => frame.writeUInt8(2, 4)],
    ['flags', (frame) => frame.writeUInt8(1, 5)],
    ['rows', (frame) => frame.writeUInt16LE(0, 6)],
    ['rows', (frame) => frame.writeUInt16LE(40, 6)],
    ['length', (frame) => frame.writeUInt32LE(1, 8)],
    ['row 0 body offset', (frame) => frame.writeUInt32LE(3, RECORD)],
    ['row 1 body offset', (frame) => frame.writeUInt32LE(0xffff_ffff, RECORD + 32)],
    ['row 0 body', (frame) => frame.writeUInt32LE(4_000, RECORD + 4)],
    ['row 0 kind', (frame) => frame.writeUInt8(0, RECORD + 12)],
    ['row 0 kind', (frame) => frame.writeUInt8(4, RECORD + 12)],
    ['row 0 flags', (frame) => frame.writeUInt8(4, RECORD + 13)],
    ['row 0 meta', (frame) => frame.writeUInt8(3, RECORD + 13)],
    ['row 0 JSON length', (frame) => frame.writeUInt32LE(8, RECORD + 16)],
    ['row 0 reserved', (frame) => frame.writeUInt8(1, RECORD + 31)],
  ])('with a wrong %s is refused by name', (field, harm) => {
    const frame = written()
    harm(frame)
    expect(() => readRequestFrame(frame, LIMITS)).toThrow(new RegExp(`^${field}:? .*expected`))
  })

  test('has as many rows and bytes as are taken; one row may be as long as it is', () => {
    expect(() => readRequestFrame(written(), { maxRows: 1, maxBytes: 1_000 })).toThrow(
      /^rows: expected at most 1/,
    )
    expect(() => readRequestFrame(written(), { maxRows: 2, maxBytes: 50 })).toThrow(
      /^length: expected at most 50/,
    )
    expect(readRequestFrame(writeRequestFrame(1, [row]), { maxRows: 1, maxBytes: 10 }).rows).toHaveLength(1)
  })
})

describe('an answer', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(answers, u32, (written, sequence) => {
        const read = readResponseFrame(writeResponseFrame(sequence, written), {
          sequence,
          rows: written.length,
        })
        for (const [i, { body, score, ...answer }] of read.entries()) {
          const { text, score: sent, ...rest } = written[i]!
          expect(body.toString('utf8')).toBe(Buffer.from(text).toString('utf8'))
          expect(score).toBe(Math.fround(sent))
          expect(answer).toEqual(rest)
        }
      }),
    )
  })

  const row: WrittenAnswer = {
    status: 200,
    outcome: 'ok',
    text: `"${ID_PLACEHOLDER}"`,
    rows: 2,
    row: 1,
    score: 0.5,
    class: 1,
    ids: [1],
    computeUs: 9,
  }
  const RECORD = HEADER_BYTES
  test.each<[string, (frame: Buffer) => unknown]>([
    ['sequence', (frame) => frame.writeUInt32LE(6, 12)],
    ['rows', (frame) => frame.writeUInt16LE(1, 6)],
    ['row 0 body offset', (frame) => frame.writeUInt32LE(0, RECORD)],
    ['bodies', (frame) => frame.writeUInt32LE(0xffff_ffff, RECORD + 4)],
    ['row 0 JSON length', (frame) => frame.writeUInt32LE(1, RECORD + 8)],
    ['row 0 outcome', (frame) => frame.writeUInt16LE(201, RECORD + 12)],
    ['row 0 outcome', (frame) => frame.writeUInt8(1, RECORD + 14)],
    ['row 0 outcome', (frame) => frame.writeUInt8(9, RECORD + 14)],
    ['row 0 reserved', (frame) => frame.writeUInt8(1, RECORD + 15)],
    ['row 0 counted row', (frame) => frame.writeUInt16LE(2, RECORD + 26)],
    ['row 0 score', (frame) => frame.writeFloatLE(Number.POSITIVE_INFINITY, RECORD + 20)],
    ['row 0 id offsets', (frame) => frame.writeUInt32LE(0, RECORD + 28)],
    ['row 0 ids', (frame) => frame.writeUInt16LE(65, RECORD + 32)],
    ['row 0 id 0', (frame) => frame.writeUInt32LE(2, frame.length - 8)],
  ])('with a wrong %s is no answer to any of its rows', (field, harm) => {
    const frame = writeResponseFrame(7, [row, row])
    harm(frame)
    expect(() => readResponseFrame(frame, { sequence: 7, rows: 2 })).toThrow(
      new RegExp(`^${field}: expected`),
    )
  })
})

/** Changes bytes, cuts, or lengthens. */
const mutation = fc.record({
  at: fc.nat(0xffff),
  values: fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)), { maxLength: 8 }),
  cut: fc.option(fc.nat(0xffff)),
  more: fc.uint8Array({ maxLength: 5 }),
})
function mutated(
  frame: Buffer,
  { at, values, cut, more }: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
): Buffer {
  const copy = Buffer.concat([frame, more])
  for (const [i, value] of values.entries()) copy[(at + i) % copy.length] = value
  return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1))
}

test('whatever the bytes, a call is one or a FrameError', () => {
  fc.assert(
    fc.property(requests, mutation, (rows, change) => {
      const frame = mutated(writeRequestFrame(1, rows), change)
      const read = readOrFault(() => readRequestFrame(frame, LIMITS))
      const total = read?.rows.reduce((sum, { body }) => sum + body.length, 0) ?? 0
      expect(total).toBeLessThanOrEqual(frame.length)
    }),
    { numRuns: 2_000 },
  )
})

test('whatever the bytes, an answer is one whose placeholders can be written over, or a FrameError', () => {
  fc.assert(
    fc.property(answers, mutation, (written, change) => {
      const frame = mutated(writeResponseFrame(1, written), change)
      const read = readOrFault(() => readResponseFrame(frame, { sequence: 1, rows: written.length })) ?? []
      for (const { ids, body, row, rows, outcome } of read) {
        expect(outcome === 'ok' ? row < rows : row === 0).toBe(true)
        for (const id of ids) expect(body.toString('latin1', id, id + 64)).toBe(ID_PLACEHOLDER)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('random bytes are no frame', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (array) => {
      const frame = Buffer.from(array)
      expect(readOrFault(() => readRequestFrame(frame, LIMITS))).toBeUndefined()
      expect(readOrFault(() => readResponseFrame(frame, { sequence: 0, rows: 1 }))).toBeUndefined()
    }),
  )
})

/** Any other error than a FrameError goes through. */
function readOrFault<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof FrameError) return undefined
    throw error
  }
}
