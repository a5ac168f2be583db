import { fault, HEADER_BYTES, readHeader, writeHeader } from './frame.ts'

/**
 * A request's record:
 *
 *   0   u32  body offset     4   u32  body length     8   u32  ms the caller still waits, 0 for no limit
 *   12  u8   kind            13  u8   flags: 1 ids wanted, 2 traced
 *   14  u16  length of the meta text, which stands right before the body
 *   16  u32  length of the JSON at the body's beginning (kind 3)
 *   20  u32  pick            24  u64  reserved, 0
 */
const ROW_BYTES = 32

export const LINK_KIND = { v1: 1, v2: 2, v2binary: 3 } as const
const WANTS_IDS = 1
const IS_TRACED = 2

/** One row of a call as the gateway sends it. */
export interface LinkRequest {
  readonly kind: number
  readonly body: Buffer
  /** Of the body, where binary tensors follow; otherwise its length. */
  readonly jsonLength: number
  readonly budgetMs: number
  /** u32: the counted row is pick mod rows. */
  readonly pick: number
  readonly wantsIds: boolean
  /** The request's id; with a trace, `id NEWLINE traceparent` and perhaps `NEWLINE tracestate`. Latin-1. */
  readonly meta: string
}

/** As the worker reads it. */
export interface ReadRequest extends Omit<LinkRequest, 'meta'> {
  readonly requestId: string
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
}

/** What a row adds to a frame. */
export function requestFrameBytes({ meta, body }: LinkRequest): number {
  return ROW_BYTES + meta.length + body.length
}

export function writeRequestFrame(sequence: number, rows: readonly LinkRequest[]): Buffer {
  const metas = rows.map(({ meta }) => meta)
  let bytes = HEADER_BYTES + rows.length * ROW_BYTES
  for (let i = 0; i < rows.length; i++) bytes += metas[i]!.length + rows[i]!.body.length
  const frame = Buffer.allocUnsafe(bytes)
  writeHeader(frame, rows.length, sequence)
  let record = HEADER_BYTES
  let end = HEADER_BYTES + rows.length * ROW_BYTES
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    const { body } = row
    const meta = metas[i]!
    frame.write(meta, end, meta.length, 'latin1')
    const at = end + meta.length
    frame.set(body, at)
    end = at + body.length
    frame.writeUInt32LE(at, record)
    frame.writeUInt32LE(body.length, record + 4)
    frame.writeUInt32LE(row.budgetMs, record + 8)
    frame[record + 12] = row.kind
    frame[record + 13] = (row.wantsIds ? WANTS_IDS : 0) | (meta.includes('\n') ? IS_TRACED : 0)
    frame.writeUInt16LE(meta.length, record + 14)
    frame.writeUInt32LE(row.jsonLength, record + 16)
    frame.writeUInt32LE(row.pick, record + 20)
    frame.fill(0, record + 24, record + ROW_BYTES)
    record += ROW_BYTES
  }
  return frame
}

/**
 * Reads a call; bodies are views of the frame.
 * @throws FrameError
 */
export function readRequestFrame(
  frame: Buffer,
  { maxRows, maxBytes }: { maxRows: number; maxBytes: number },
): { sequence: number; rows: ReadRequest[] } {
  const { rows: count, sequence } = readHeader(frame, ROW_BYTES)
  if (count > maxRows) fault('rows', `at most ${maxRows}`, `${count}`)
  if (count > 1 && frame.length > maxBytes) fault('length', `at most ${maxBytes}`, `${frame.length}`)
  const rows: ReadRequest[] = []
  let end = HEADER_BYTES + count * ROW_BYTES
  for (let i = 0; i < count; i++) {
    const row = readRow(frame, i, end)
    end = row.body.byteOffset - frame.byteOffset + row.body.length
    rows.push(row)
  }
  if (end !== frame.length) fault('length', `${end}, where the last body ends`, `${frame.length}`)
  return { sequence, rows }
}

function readRow(frame: Buffer, i: number, from: number): ReadRequest {
  const record = HEADER_BYTES + i * ROW_BYTES
  const at = frame.readUInt32LE(record)
  const length = frame.readUInt32LE(record + 4)
  const metaLength = frame.readUInt16LE(record + 14)
  if (at !== from + metaLength) fault(`row ${i} body offset`, `${from + metaLength}`, `${at}`)
  if (at + length > frame.length) fault(`row ${i} body`, `to end by ${frame.length}`, `${at + length}`)
  const kind = frame[record + 12]!
  if (kind < LINK_KIND.v1 || kind > LINK_KIND.v2binary) fault(`row ${i} kind`, '1 to 3', `${kind}`)
  const flags = frame[record + 13]!
  if (flags > (WANTS_IDS | IS_TRACED)) fault(`row ${i} flags`, '0 to 3', `${flags}`)
  const jsonLength = frame.readUInt32LE(record + 16)
  if (jsonLength > length) fault(`row ${i} JSON length`, `at most ${length}`, `${jsonLength}`)
  if (frame.readUInt32LE(record + 24) !== 0 || frame.readUInt32LE(record + 28) !== 0)
    fault(`row ${i} reserved`, '0', 'something else')
  const meta = frame.toString('latin1', from, at)
  const isTraced = (flags & IS_TRACED) !== 0
  if (isTraced !== meta.includes('\n')) fault(`row ${i} meta`, isTraced ? 'a trace' : 'no trace', 'the other')
  const [requestId, traceparent, tracestate, ...more] = isTraced ? meta.split('\n') : [meta]
  if (more.length > 0) fault(`row ${i} meta`, 'at most 3 lines', `${more.length + 3}`)
  return {
    kind,
    body: frame.subarray(at, at + length),
    jsonLength,
    budgetMs: frame.readUInt32LE(record + 8),
    pick: frame.readUInt32LE(record + 20),
    wantsIds: (flags & WANTS_IDS) !== 0,
    requestId: requestId!,
    traceparent,
    tracestate,
  }
}
