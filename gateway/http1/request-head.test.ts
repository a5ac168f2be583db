import { describe, expect, test } from 'vitest'
import { parseHead } from './request-head.ts'

const head = (lines: string[], first = 'POST /v1/models/churn:predict HTTP/1.1') =>
  parseHead([first, ...lines].join('\r\n'), 100)
const status = (lines: string[], first?: string) => {
  const read = head(lines, first)
  return 'error' in read ? read.status : 200
}
const HOST = 'Host: a'

test('a head is its method, its target, and its headers in the order they came', () => {
  expect(head(['Host: a:80', 'X-One:  1 \t', 'x-two:', 'Content-Length: 5'])).toEqual({
    method: 'POST',
    target: '/v1/models/churn:predict',
    names: ['host', 'x-one', 'x-two', 'content-length'],
    values: ['a:80', '1', '', '5'],
    contentLength: 5,
    keepsAlive: true,
    isOld: false,
    expectsContinue: false,
  })
})

describe('what two servers in a row might read differently is refused', () => {
  test.each([
    ['length and chunks', [HOST, 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['two lengths', [HOST, 'Content-Length: 5', 'Content-Length: 6']],
    ['the same length twice', [HOST, 'Content-Length: 5', 'Content-Length: 5']],
    ['a list of lengths', [HOST, 'Content-Length: 5, 5']],
    ['a signed length', [HOST, 'Content-Length: +5']],
    ['a negative length', [HOST, 'Content-Length: -1']],
    ['a length in hexadecimal', [HOST, 'Content-Length: 0x5']],
    ['a length without digits', [HOST, 'Content-Length: ']],
    ['a length beyond counting', [HOST, `Content-Length: ${'9'.repeat(20)}`]],
    ['another coding', [HOST, 'Transfer-Encoding: xchunked']],
    ['a coding before the chunks', [HOST, 'Transfer-Encoding: gzip, chunked']],
    ['a coding after the chunks', [HOST, 'Transfer-Encoding: chunked, identity']],
    ['two codings', [HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['a control character before the coding', [HOST, 'Transfer-Encoding: \x0bchunked']],
    ['a tab after the coding', [HOST, 'Transfer-Encoding: chunked\t']],
    ['a space before the colon', [HOST, 'Content-Length : 5']],
    ['a folded line', [HOST, 'X-A: 1', ' 2']],
    ['a bare LF', [HOST, 'X-A: 1\nX-B: 2']],
    ['a bare CR', [HOST, 'X-A: 1\rX-B: 2']],
    ['a NUL', [HOST, 'X-A: \0']],
    ['a header without a colon', [HOST, 'X-A']],
    ['a header without a name', [HOST, ': 1']],
    ['a name that is no word', [HOST, 'X(A): 1']],
    ['no host', []],
    ['two hosts', [HOST, 'Host: b']],
    ['a host with a path', ['Host: a/b']],
    ['a host with a user', ['Host: u@a']],
    ['a host with a space', ['Host: a b']],
  ])('%s', (_, lines) => {
    expect(status(lines)).toBe(400)
  })

  test.each([
    ['a target of another host', 'GET http://b/ HTTP/1.1'],
    ['a target that is no path', 'GET livez HTTP/1.1'],
    ['a fragment', 'GET /a#b HTTP/1.1'],
    ['a character beyond ASCII in the target', 'GET /\xff HTTP/1.1'],
    ['a star for GET', 'GET * HTTP/1.1'],
    ['no target', 'GET HTTP/1.1'],
    ['a space too many', 'GET  / HTTP/1.1'],
    ['a space in the target', 'GET /a b HTTP/1.1'],
    ['a method that is no word', 'GE(T / HTTP/1.1'],
    ['no version', 'GET /'],
    ['another protocol', 'GET / HTTQ/1.1'],
    ['a version in lower case', 'GET / http/1.1'],
    ['a version with more digits', 'GET / HTTP/1.10'],
  ])('%s', (_, first) => {
    expect(status([HOST], first)).toBe(400)
  })
})

test.each<[number, string, string[], string?]>([
  [400, 'a version to come', [HOST], 'GET / HTTP/2.0'],
  [405, 'TRACE, which would show what others put in', [HOST], 'TRACE / HTTP/1.1'],
  [405, 'CONNECT', [HOST], 'CONNECT a:80 HTTP/1.1'],
  [400, 'a method of somebody else', [HOST], 'PROPFIND / HTTP/1.1'],
  [417, 'an expectation that nobody has', [HOST, 'Expect: 200-ok']],
  [414, 'a target without end', [HOST], `GET /${'a'.repeat(9_000)} HTTP/1.1`],
  [431, 'more headers than are read', [HOST, ...Array(100).fill('X-A: 1')]],
  [400, 'chunks of HTTP/1.0', ['Transfer-Encoding: chunked'], 'POST / HTTP/1.0'],
  [200, 'HTTP/1.0 without a host', [], 'GET /livez HTTP/1.0'],
  [200, 'a hundred headers', [HOST, ...Array(99).fill('X-A: 1')]],
  [200, 'chunks', [HOST, 'Transfer-Encoding: Chunked']],
  [200, 'an upgrade that is not taken', [HOST, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c']],
  [200, 'an address for a host', ['Host: [::1]:8080']],
])('%i for %s', (expected, _, lines, first) => {
  expect(status(lines, first)).toBe(expected)
})

test('a target with this host in it is the path', () => {
  expect(head([HOST], 'GET http://A/v2?x=1 HTTP/1.1')).toMatchObject({ target: '/v2?x=1' })
  expect(head([HOST], 'GET http://a HTTP/1.1')).toMatchObject({ target: '/' })
})

test.each([
  ['HTTP/1.1', [], true],
  ['HTTP/1.1', ['Connection: close'], false],
  ['HTTP/1.1', ['Connection: x, Close'], false],
  ['HTTP/1.1', ['Connection: closed'], true],
  ['HTTP/1.0', [], false],
  ['HTTP/1.0', ['Connection: Keep-Alive'], true],
  ['HTTP/1.0', ['Connection: keep-alive', 'Connection: close'], false],
])('a connection of %s with %j goes on: %s', (version, lines, goesOn) => {
  expect(head([HOST, ...lines], `GET / ${version}`)).toMatchObject({ keepsAlive: goesOn })
})
