import { DIGITS, FOREIGN, type HeaderFields, headerFields, lists, TOKEN } from './header-fields.ts'

/**
 * The head of one HTTP/1.1 request, as RFC 9112 has it and no more loosely: whatever two servers in a row might read
 * differently is refused. Pure: text in, a head or a refusal out.
 */
export interface RequestHead extends HeaderFields {
  method: string
  /** In origin form, with the query. */
  target: string
  /** Of the body; -1 where it comes in chunks. */
  contentLength: number
  /** The connection may go on after the answer. */
  keepsAlive: boolean
  /** HTTP/1.0: its client has to be told that the connection goes on. */
  isOld: boolean
  /** Waits for a word before it sends its body. */
  expectsContinue: boolean
}

/**
 * Why a request is refused; the connection is closed after it. Never a 5xx, also where RFC 9110 has one (501, 505): those
 * alarm whoever runs the gateway, and the fault is the client's.
 */
export interface Refusal {
  status: 400 | 405 | 414 | 417 | 431
  error: string
}

/** A name or an address with perhaps a port. */
const HOST = /^(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/
const TARGET = /^[\x21-\x22\x24-\x7e]+$/
const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i
const TARGET_MAX = 8_192

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
const REFUSED_METHODS = new Set(['TRACE', 'CONNECT'])

/**
 * @param text the head without the empty line at its end, Latin-1
 * @param headersMax how many headers it may have
 */
export function parseHead(text: string, headersMax: number): RequestHead | Refusal {
  if (FOREIGN.test(text)) return bad('a control character, or a line that does not end with CR LF')
  let end = text.indexOf('\r\n')
  if (end < 0) end = text.length
  const first = text.indexOf(' ')
  const second = text.indexOf(' ', first + 1)
  if (first < 1 || second < 0 || second > end) return bad('the first line is not METHOD TARGET HTTP/1.1')
  const method = text.slice(0, first)
  const version = text.slice(second + 1, end)
  if (!TOKEN.test(method)) return bad('the method is not a word')
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    return /^HTTP\/\d\.\d$/.test(version)
      ? bad('only HTTP/1.1 and HTTP/1.0 are spoken here')
      : bad('the first line is not METHOD TARGET HTTP/1.1')
  }
  if (!METHODS.has(method)) {
    return REFUSED_METHODS.has(method)
      ? { status: 405, error: `${method} is not allowed here` }
      : bad('the method is not known here')
  }
  const target = text.slice(first + 1, second)
  if (target.length > TARGET_MAX)
    return { status: 414, error: `the target is longer than ${TARGET_MAX} characters` }
  const fields = headerFields(text, end + 2, headersMax)
  if (fields === 'too many') return { status: 431, error: `more than ${headersMax} headers` }
  if (typeof fields === 'string') return bad(fields)
  return headOf(method, target, version === 'HTTP/1.0', fields)
}

function headOf(
  method: string,
  target: string,
  isOld: boolean,
  { names, values }: HeaderFields,
): RequestHead | Refusal {
  let host: string | undefined
  let contentLength: string | undefined
  let transferEncoding: string | undefined
  let connection = ''
  let expect: string | undefined
  for (let i = 0; i < names.length; i++) {
    const value = values[i]!
    switch (names[i]) {
      case 'host':
        if (host !== undefined) return bad('more than one Host')
        host = value
        break
      case 'content-length':
        if (contentLength !== undefined) return bad('more than one Content-Length')
        contentLength = value
        break
      case 'transfer-encoding':
        if (transferEncoding !== undefined) return bad('more than one Transfer-Encoding')
        transferEncoding = value
        break
      case 'connection':
        connection = connection === '' ? value : `${connection},${value}`
        break
      case 'expect':
        expect = value
    }
  }
  if (host === undefined ? !isOld : host !== '' && !HOST.test(host))
    return bad('no Host, or one that is none')
  if (contentLength !== undefined && !DIGITS.test(contentLength))
    return bad('a Content-Length that is no number')
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return bad('Content-Length and Transfer-Encoding together')
    if (isOld || transferEncoding.toLowerCase() !== 'chunked')
      return bad('a Transfer-Encoding other than chunked, or in HTTP/1.0')
  }
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    return { status: 417, error: 'no expectation but 100-continue can be met' }
  const origin = originForm(method, target, host)
  if (origin === undefined) return bad('a target that is no path, or of another Host')
  const says = connection === '' ? '' : connection.toLowerCase()
  return {
    method,
    target: origin,
    names,
    values,
    contentLength:
      transferEncoding !== undefined ? -1 : contentLength === undefined ? 0 : Number(contentLength),
    keepsAlive: isOld ? lists(says, 'keep-alive') && !lists(says, 'close') : !lists(says, 'close'),
    isOld,
    expectsContinue: expect !== undefined && !isOld,
  }
}

/** undefined for what names no resource of this server. */
function originForm(method: string, target: string, host: string | undefined): string | undefined {
  if (!TARGET.test(target)) return undefined
  if (target.charCodeAt(0) === SLASH) return target
  if (target === '*') return method === 'OPTIONS' ? target : undefined
  const [, authority, rest] = ABSOLUTE.exec(target) ?? []
  if (authority === undefined || !HOST.test(authority)) return undefined
  // Whoever stands in front may have gone by either.
  if (host !== undefined && authority.toLowerCase() !== host.toLowerCase()) return undefined
  return rest!.startsWith('/') ? rest! : `/${rest}`
}

const SLASH = 0x2f

function bad(what: string): Refusal {
  return { status: 400, error: `not a proper HTTP request: ${what}` }
}
