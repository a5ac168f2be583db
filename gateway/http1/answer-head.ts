import { DIGITS, FOREIGN, type HeaderFields, headerFields, lists } from './header-fields.ts'

/**
 * The head of one HTTP/1.1 answer. As strict as what is taken from clients: of two ways to read an answer one is a lie.
 * Pure: text in, a head or what is wrong with it out.
 */
export interface AnswerHead extends HeaderFields {
  status: number
  /** Of the body; 0 where there is none, `CHUNKED` or `UNTIL_END` where the head does not say it. */
  contentLength: number
  /** The connection may go on after the body. */
  keepsAlive: boolean
  /** How long the server says it keeps the connection; undefined where it does not. */
  keepAliveMs: number | undefined
}

export const CHUNKED = -1
/** The body is whatever comes until the server ends the connection. */
export const UNTIL_END = -2

/** Of an answer, where 100 are unusual. */
const HEADERS_MAX = 256
const FIRST_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/
const TIMEOUT = /(?:^|[\s,])timeout=(\d{1,6})(?:[\s,]|$)/i

/** @param text the head without the empty line at its end, Latin-1 */
export function parseAnswerHead(text: string): AnswerHead | string {
  if (FOREIGN.test(text)) return 'a control character, or a line that does not end with CR LF'
  let end = text.indexOf('\r\n')
  if (end < 0) end = text.length
  const [, minor, digits] = FIRST_LINE.exec(text.slice(0, end)) ?? []
  if (digits === undefined) return 'the first line is not HTTP/1.1 STATUS'
  const fields = headerFields(text, end + 2, HEADERS_MAX)
  if (fields === 'too many') return `more than ${HEADERS_MAX} headers`
  if (typeof fields === 'string') return fields
  return headOf(Number(digits), minor === '0', fields)
}

function headOf(status: number, isOld: boolean, { names, values }: HeaderFields): AnswerHead | string {
  let length: string | undefined
  let coding: string | undefined
  let connection = ''
  let keepAliveMs: number | undefined
  for (let i = 0; i < names.length; i++) {
    const value = values[i]!
    switch (names[i]) {
      case 'content-length':
        if (length !== undefined) return 'more than one Content-Length'
        length = value
        break
      case 'transfer-encoding':
        if (coding !== undefined) return 'more than one Transfer-Encoding'
        coding = value
        break
      case 'connection':
        connection = connection === '' ? value : `${connection},${value}`
        break
      case 'keep-alive': {
        const seconds = TIMEOUT.exec(value)?.[1]
        if (seconds !== undefined) keepAliveMs = Number(seconds) * 1000
        break
      }
      case 'content-encoding':
        // None was asked for, what cannot be read cannot be checked, and unpacking it would be a way to fill the memory.
        if (value.toLowerCase() !== 'identity') return 'an encoding that was not asked for'
    }
  }
  if (length !== undefined && !DIGITS.test(length)) return 'a Content-Length that is no number'
  if (coding !== undefined) {
    if (length !== undefined) return 'Content-Length and Transfer-Encoding together'
    if (isOld || coding.toLowerCase() !== 'chunked')
      return 'a Transfer-Encoding other than chunked, or in HTTP/1.0'
  }
  if (status === 101) return 'a change of protocol that was not asked for'
  const contentLength = hasNoBody(status)
    ? 0
    : coding !== undefined
      ? CHUNKED
      : length === undefined
        ? UNTIL_END
        : Number(length)
  const says = connection === '' ? '' : connection.toLowerCase()
  const keepsAlive = isOld ? lists(says, 'keep-alive') && !lists(says, 'close') : !lists(says, 'close')
  return { status, names, values, contentLength, keepsAlive, keepAliveMs }
}

function hasNoBody(status: number): boolean {
  return status < 200 || status === 204 || status === 304
}
