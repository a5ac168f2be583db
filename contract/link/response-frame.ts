import { ID_PLACEHOLDER, MAX_IDS } from '../internal-headers.ts'
import { fault, HEADER_BYTES, readHeader, writeHeader } from './frame.ts'

/**
 * An answer's record:
 *
 *   0   u32  body offset     4   u32  body length     8   u32  length of the JSON at the body's beginning
 *   12  u16  HTTP status     14  u8   outcome         15  u8   flags, 0
 *   16  u32  rows            20  f32  score, NaN for none
 *   24  u16  class, 0xffff for none                   26  u16  the counted row
 *   28  u32  offset of the id offsets                 32  u16  their number       34  u16  reserved, 0
 *   36  u32  time of computing in us
 *
 * Bodies follow in order, then for each row its id offsets, u32 each: where in its body 64 bytes stand that the gateway
 * writes a prediction id over.
 */
const ROW_BYTES = 40

export const LINK_OUTCOMES = ['ok', 'rejected', 'model error', 'expired', 'overloaded'] as const
/** What became of a row. */
export type LinkOutcome = (typeof LINK_OUTCOMES)[number]

export const NO_CLASS = 0xffff

interface RowFacts {
  status: number
  outcome: LinkOutcome
  /** Of the prediction; 0 where there is none. */
  rows: number
  /** The counted one, pick mod rows. */
  row: number
  /** Of the counted row, a float32; NaN for none. */
  score: number
  class: number
  /** Byte offsets of the placeholders in the body, ascending. */
  ids: readonly number[]
  computeUs: number
}

/** One row's answer as the worker writes it. */
export interface WrittenAnswer extends RowFacts {
  text: string
}

/** As the gateway reads it; `body` is a view of the frame. */
export interface LinkAnswer extends RowFacts {
  body: Buffer
}

export function writeResponseFrame(sequence: number, answers: readonly WrittenAnswer[]): Buffer {
  const count = answers.length
  // All as one text: to measure and write each by itself costs more than its bytes do. They are JSON, so none ends
  // within a character.
  let texts = ''
  let ids = 0
  for (let i = 0; i < count; i++) {
    texts += answers[i]!.text
    ids += answers[i]!.ids.length
  }
  const textBytes = Buffer.byteLength(texts)
  const isAscii = textBytes === texts.length
  const bodiesFrom = HEADER_BYTES + count * ROW_BYTES
  const frame = Buffer.allocUnsafe(bodiesFrom + textBytes + 4 * ids)
  writeHeader(frame, count, sequence)
  frame.write(texts, bodiesFrom, textBytes, isAscii ? 'latin1' : 'utf8')
  let bodyAt = bodiesFrom
  let at = bodiesFrom + textBytes
  for (let i = 0; i < count; i++) {
    const answer = answers[i]!
    const record = HEADER_BYTES + i * ROW_BYTES
    const length = isAscii ? answer.text.length : Buffer.byteLength(answer.text)
    frame.writeUInt32LE(bodyAt, record)
    frame.writeUInt32LE(length, record + 4)
    bodyAt += length
    frame.writeUInt32LE(length, record + 8)
    frame.writeUInt16LE(answer.status, record + 12)
    frame[record + 14] = LINK_OUTCOMES.indexOf(answer.outcome)
    frame[record + 15] = 0
    frame.writeUInt32LE(answer.rows, record + 16)
    frame.writeFloatLE(answer.score, record + 20)
    frame.writeUInt16LE(answer.class, record + 24)
    frame.writeUInt16LE(answer.row, record + 26)
    frame.writeUInt32LE(at, record + 28)
    frame.writeUInt16LE(answer.ids.length, record + 32)
    frame.writeUInt16LE(0, record + 34)
    frame.writeUInt32LE(answer.computeUs, record + 36)
    for (const id of answer.ids) at = frame.writeUInt32LE(id, at)
  }
  return frame
}

/**
 * Reads what a worker answers to a call.
 * @throws FrameError for whatever does not fit the call or itself: then no row of it can be believed
 */
export function readResponseFrame(frame: Buffer, asked: { sequence: number; rows: number }): LinkAnswer[] {
  const { rows, sequence } = readHeader(frame, ROW_BYTES)
  if (sequence !== asked.sequence) fault('sequence', `${asked.sequence}`, `${sequence}`)
  if (rows !== asked.rows) fault('rows', `${asked.rows}, as were asked`, `${rows}`)
  const bodiesFrom = HEADER_BYTES + rows * ROW_BYTES
  const idsFrom = bodiesEnd(frame, rows, bodiesFrom)
  const answers: LinkAnswer[] = []
  let bodyAt = bodiesFrom
  let idsAt = idsFrom
  for (let i = 0; i < rows; i++) {
    const answer = readRow(frame, i, bodyAt, idsAt)
    bodyAt += answer.body.length
    idsAt += 4 * answer.ids.length
    answers.push(answer)
  }
  if (idsAt !== frame.length) fault('length', `${idsAt}, where the last id offset ends`, `${frame.length}`)
  return answers
}

function bodiesEnd(frame: Buffer, rows: number, from: number): number {
  let end = from
  for (let i = 0; i < rows; i++) end += frame.readUInt32LE(HEADER_BYTES + i * ROW_BYTES + 4)
  if (end > frame.length) fault('bodies', `to end by ${frame.length}`, `${end}`)
  return end
}

function readRow(frame: Buffer, i: number, bodyAt: number, idsAt: number): LinkAnswer {
  const record = HEADER_BYTES + i * ROW_BYTES
  const at = frame.readUInt32LE(record)
  const length = frame.readUInt32LE(record + 4)
  if (at !== bodyAt) fault(`row ${i} body offset`, `${bodyAt}`, `${at}`)
  if (frame.readUInt32LE(record + 8) !== length)
    fault(`row ${i} JSON length`, `${length}`, `${frame.readUInt32LE(record + 8)}`)
  const status = frame.readUInt16LE(record + 12)
  const outcome = LINK_OUTCOMES[frame[record + 14]!]
  if (outcome === undefined || !agrees(status, outcome))
    fault(
      `row ${i} outcome`,
      'one that goes with its status',
      `${outcome ?? frame[record + 14]} with ${status}`,
    )
  if (frame[record + 15] !== 0 || frame.readUInt16LE(record + 34) !== 0)
    fault(`row ${i} reserved`, '0', 'something else')
  const rows = frame.readUInt32LE(record + 16)
  const row = frame.readUInt16LE(record + 26)
  if (outcome === 'ok' ? row >= rows : rows !== 0 || row !== 0)
    fault(`row ${i} counted row`, outcome === 'ok' ? `below ${rows}` : 'none', `${row} of ${rows}`)
  const score = frame.readFloatLE(record + 20)
  if (!Number.isFinite(score) && !Number.isNaN(score)) fault(`row ${i} score`, 'a number', `${score}`)
  const count = frame.readUInt16LE(record + 32)
  if (frame.readUInt32LE(record + 28) !== idsAt) fault(`row ${i} id offsets`, `at ${idsAt}`, 'elsewhere')
  if (count > MAX_IDS || idsAt + 4 * count > frame.length)
    fault(`row ${i} ids`, `at most ${MAX_IDS} inside the frame`, `${count}`)
  const body = frame.subarray(at, at + length)
  return {
    status,
    outcome,
    rows,
    row,
    score,
    class: frame.readUInt16LE(record + 24),
    ids: count === 0 ? NO_IDS : readIds(frame, i, idsAt, count, body),
    computeUs: frame.readUInt32LE(record + 36),
    body,
  }
}

/** Nothing is written over an answer but what the worker put there to be written over. */
function readIds(frame: Buffer, i: number, from: number, count: number, body: Buffer): number[] {
  const ids: number[] = []
  let end = 0
  for (let k = 0; k < count; k++) {
    const at = frame.readUInt32LE(from + 4 * k)
    if (
      at < end ||
      at + PLACEHOLDER.length > body.length ||
      body.compare(PLACEHOLDER, 0, PLACEHOLDER.length, at, at + PLACEHOLDER.length) !== 0
    )
      fault(`row ${i} id ${k}`, `the offset of a placeholder from ${end} on`, `${at}`)
    end = at + PLACEHOLDER.length
    ids.push(at)
  }
  return ids
}

const PLACEHOLDER = Buffer.from(ID_PLACEHOLDER, 'latin1')
const NO_IDS: readonly number[] = []

function agrees(status: number, outcome: LinkOutcome): boolean {
  switch (outcome) {
    case 'ok':
      return status === 200
    case 'rejected':
      return status >= 400 && status < 500
    case 'model error':
      return status === 500
    case 'expired':
      return status === 504
    case 'overloaded':
      return status === 503
  }
}
