/** Request, gateway to worker: u32 decimal; present when prediction ids and an answer header are wanted. */
export const PICK_HEADER = 'x-coalmine-pick'
/** Request, gateway to worker: milliseconds the caller still waits. */
export const BUDGET_HEADER = 'x-coalmine-budget-ms'
/** Response, worker to gateway: what the gateway records, in the form of formatAnswer. */
export const ANSWER_HEADER = 'x-coalmine-answer'

/** What an `x-request-id` may be, so that it can stand in a header and in a log line. */
export const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** Where a prediction id goes: 64 bytes that the gateway overwrites in place. */
export const ID_PLACEHOLDER = '~'.repeat(64)
/** Ids are written for this many rows; a longer request has one id, that of the request. */
export const MAX_IDS = 64

/** What the gateway needs to know of an answer without parsing its body. */
export interface Answer {
  rows: number
  /** The counted row: pick mod rows. */
  row: number
  /** That row's score, a float32; absent where the model has none. */
  score?: number
  /** That row's class index; absent where the model has none. */
  class?: number
  /** Byte offsets of the placeholders in the body, ascending. */
  ids: number[]
}

export function formatAnswer(answer: Answer): string {
  const score = answer.score === undefined ? '' : `;score=${answer.score}`
  const classIndex = answer.class === undefined ? '' : `;class=${answer.class}`
  return `rows=${answer.rows};row=${answer.row}${score}${classIndex};ids=${answer.ids.join(',')}`
}

const ANSWER =
  /^rows=(\d{1,9});row=(\d{1,9})(?:;score=(-?\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?))?(?:;class=(\d{1,5}))?;ids=([\d,]{0,1024})$/

/** Reads an answer header; undefined when it is absent or anything about it is wrong. */
export function parseAnswer(text: string | undefined): Answer | undefined {
  if (text === undefined) return undefined
  const match = ANSWER.exec(text)
  if (match === null) return undefined
  const [, rowsText, rowText, scoreText, classText, idsText] = match
  const answer: Answer = { rows: Number(rowsText), row: Number(rowText), ids: [] }
  if (answer.row >= answer.rows) return undefined
  if (scoreText !== undefined) {
    answer.score = Number(scoreText)
    if (!Number.isFinite(answer.score)) return undefined
  }
  if (classText !== undefined) {
    answer.class = Number(classText)
    // 0xffff is the prediction id's word for no class.
    if (answer.class >= 0xffff) return undefined
  }
  if (idsText === '') return answer
  let end = 0
  for (const offsetText of idsText!.split(',')) {
    const offset = Number(offsetText)
    if (offsetText === '' || !Number.isSafeInteger(offset) || offset < end) return undefined
    end = offset + ID_PLACEHOLDER.length
    answer.ids.push(offset)
  }
  return answer.ids.length <= MAX_IDS ? answer : undefined
}

/** Reads a pick; undefined when it is no u32. */
export function parsePick(text: string): number | undefined {
  const pick = Number(text)
  return /^\d{1,10}$/.test(text) && pick <= 0xffff_ffff ? pick : undefined
}
