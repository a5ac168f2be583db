import { ANSWER_HEADER, parseAnswer } from '@coalmine/contract/internal-headers.ts'
import type { LinkAnswer } from '@coalmine/contract/link/response-frame.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { headerField } from '../http1/header-fields.ts'
import { askedRows } from './asked-rows.ts'
import type { Answer } from './attempt.ts'
import { foreignAnswer, property } from './foreign-answer.ts'
import { isPlaceholder, type Said } from './identify.ts'

/** The two protocols a prediction may be asked in. */
export type Protocol = 'v1' | 'v2'

/** What was asked, as far as an answer must fit it. */
export interface Question {
  protocol: Protocol
  body: Buffer
  /** u32, drawn before dispatch: it chooses the row that is counted, and which large answers are read. */
  pick: number
  manifest: Manifest
  /** The endpoint that answered is a worker of ours. */
  own: boolean
}

/** Parsing 200 bytes costs about a microsecond, a large answer far more than one answer is worth. */
const PARSED_BYTES_MAX = 64 * 1024
/** Of larger ones a tenth is parsed, but all of our workers' whose words do not fit: there something is wrong. */
const LARGE_PICKS = 2 ** 32 / 10
/** What a prediction id has room for. */
const ROWS_MAX = 0xffff
/** What a row of a call says for none. */
const NO_CLASS = 0xffff
/** Scores are float32: the end of a range may be rounded beyond itself. */
const ROUNDING = 2 ** -20

/**
 * What a 200 says. What our worker says beside its answer is believed where it fits; anything else is read: it must be
 * JSON, have as many rows as were asked for, and the score that the manifest declares.
 *
 * @returns `unread` for a large answer that was not looked into; `invalid` for what is no answer
 */
export function checkAnswer(question: Question, answer: Answer): Said | 'unread' | 'invalid' {
  const { body } = answer
  if (!isBraced(body)) return 'invalid'
  if (question.own) {
    const said = ownWords(question.manifest, answer)
    if (said !== undefined) return said
  }
  const bytes = Math.max(body.length, question.body.length)
  if (!question.own && bytes > PARSED_BYTES_MAX && question.pick >= LARGE_PICKS) return 'unread'
  const said = foreignAnswer(question.manifest, parse(body), question.pick)
  if (said === undefined) return 'invalid'
  const isV1 = question.protocol === 'v1'
  const asked = isV1 ? undefined : parse(question.body)
  const rows = isV1 ? askedRows(question.body) : inputRows(asked)
  if (rows !== undefined && rows !== said.rows) return 'invalid'
  if (!fits(question.manifest, said.score) && wantsScore(asked, question.manifest)) return 'invalid'
  return said.rows > ROWS_MAX ? 'unread' : said
}

/** What our worker says of its answer; undefined where that is missing or does not fit. */
function ownWords(manifest: Manifest, answer: Answer): Said | undefined {
  if (!('headers' in answer)) return ofRow(manifest, answer)
  const { headers, body } = answer
  const header = headerField(headers, ANSWER_HEADER)
  const said = header === undefined ? undefined : parseAnswer(header)
  if (said === undefined || !fits(manifest, said.score)) return undefined
  return said.ids.every((at) => isPlaceholder(body, at)) ? said : undefined
}

/** A row of a call says it in numbers; its placeholders were looked at when the call was read. */
function ofRow(manifest: Manifest, { rows, row, score, class: label, ids }: LinkAnswer): Said | undefined {
  const said: Said = { rows, row, ids }
  if (!Number.isNaN(score)) said.score = score
  if (label !== NO_CLASS) said.class = label
  return fits(manifest, said.score) ? said : undefined
}

function fits({ score }: Manifest, said: number | undefined): boolean {
  if (score === undefined) return true
  const [low, high] = score.range
  const rounding = Math.max(Math.abs(low), Math.abs(high)) * ROUNDING
  return said !== undefined && said >= low - rounding && said <= high + rounding
}

/** How many rows an Open Inference request has; undefined where it does not say it in a way that we know. */
function inputRows(asked: unknown): number | undefined {
  const inputs = property(asked, 'inputs')
  const shape = Array.isArray(inputs) ? property(inputs[0], 'shape') : undefined
  return Array.isArray(shape) && Number.isInteger(shape[0]) ? shape[0] : undefined
}

/** An Open Inference request may ask for some outputs alone. */
function wantsScore(asked: unknown, { score }: Manifest): boolean {
  const outputs = property(asked, 'outputs')
  if (!Array.isArray(outputs) || outputs.length === 0) return true
  return outputs.some((output) => property(output, 'name') === score?.output)
}

/** An object in JSON begins and ends with a brace; some servers end their text with a new line. */
function isBraced(body: Buffer): boolean {
  let first = 0
  let last = body.length - 1
  while (isSpace(body[first])) first++
  while (isSpace(body[last])) last--
  return body[first] === OPEN && body[last] === CLOSE
}

const OPEN = '{'.charCodeAt(0)
const CLOSE = '}'.charCodeAt(0)

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
