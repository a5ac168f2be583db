import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseExactJson, parseJson } from './json.ts'
import { ContractError } from './problem.ts'

const messageOf = (body: Uint8Array | string, parse: typeof parseJson = parseJson): string => {
  try {
    parse(Buffer.from(body as string))
  } catch (error) {
    expect(error).toBeInstanceOf(ContractError)
    expect((error as ContractError).status).toBe(400)
    return (error as Error).message
  }
  throw new Error('the body was accepted')
}

describe('malformed JSON is refused with its place', () => {
  test.each([
    ['', 'malformed JSON: the body is empty'],
    ['  \n', 'malformed JSON: the body is empty'],
    ['{"a": tru}', 'malformed JSON at line 1 column 7: expected value, got "t"'],
    ['{"a": 1,}', 'malformed JSON at line 1 column 9: expected key, got "}"'],
    ['{"a" 1}', 'malformed JSON at line 1 column 6: expected :, got "1"'],
    ['{\n  "a": [1 2]\n}', 'malformed JSON at line 2 column 11: expected , or ], got "2"'],
    ['[1, 2', 'malformed JSON at line 1 column 6: expected , or ], but the text ends'],
    ['{"a": NaN}', 'malformed JSON at line 1 column 7: expected value, got "N"'],
    ["{'a': 1}", 'malformed JSON at line 1 column 2: expected key or }, got "\'"'],
    ['[01]', 'malformed JSON at line 1 column 3: expected , or ], got "1"'],
    ['{} x', 'malformed JSON at line 1 column 4: expected the end, got "x"'],
    [
      '["a\nb"]',
      'malformed JSON at line 1 column 2: a string that does not end, or has a bad escape or a control character',
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message)
    expect(messageOf(Buffer.from(text), parseExactJson)).toBe(message)
  })

  test('bytes that are not UTF-8', () => {
    expect(messageOf(Buffer.from([0x22, 0xff, 0x22]))).toBe('malformed JSON: the body is not UTF-8')
  })

  test('whatever the text, the fault has a place in it', () => {
    const almostJson = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([json, at, noise]) => {
      const cut = at % (json.length + 1)
      return json.slice(0, cut) + noise + json.slice(cut + 1)
    })
    fc.assert(
      fc.property(fc.oneof(almostJson, fc.string()), (text) => {
        try {
          JSON.parse(text)
        } catch {
          expect(messageOf(text)).toMatch(/^malformed JSON( at line \d+ column \d+)?: /)
          if (text.trim() !== '') {
            const [, line, column] = /line (\d+) column (\d+)/.exec(messageOf(text))!
            expect(text.split('\n')[Number(line) - 1]!.length + 1).toBeGreaterThanOrEqual(Number(column))
          }
        }
      }),
      { seed: 31, numRuns: 1000 },
    )
  })

  test('nesting however deep is refused before it is parsed', () => {
    const sentence = 'the JSON is nested more than 32 levels deep'
    expect(messageOf('['.repeat(100_000))).toBe(sentence)
    const deep = `${'['.repeat(100_000)}9007199254740993${']'.repeat(100_000)}`
    expect(messageOf(deep, parseExactJson)).toBe(sentence)
  })

  test('more keys than anybody needs are refused before they are parsed', () => {
    const text = `{${Array.from({ length: 200_000 }, (_, i) => `"${i}":0`).join()}}`
    for (const parse of [parseJson, parseExactJson])
      expect(messageOf(text, parse)).toBe('the JSON has more than 10000 keys')
    expect(messageOf('{"a":0,"b":0}', (body) => parseJson(body, { depth: 1, keys: 1 }))).toBe(
      'the JSON has more than 1 keys',
    )
  })
})

test('good JSON is parsed as JSON.parse does, with or without a byte order mark', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text))
    }),
    { seed: 32 },
  )
  expect(parseJson(Buffer.from('\ufeff{"a": 1}'))).toEqual({ a: 1 })
})

test('integers beyond 2^53 come exactly from parseExactJson', () => {
  const text =
    '[9007199254740991, 9007199254740992, -9223372036854775808, 18446744073709551615, 0.1234567890123456789, 1e17]'
  expect(parseExactJson(Buffer.from(text))).toEqual([
    9007199254740991,
    9007199254740992n,
    -9223372036854775808n,
    18446744073709551615n,
    0.12345678901234568,
    1e17,
  ])
})

test('a number longer than any 64-bit integer stays a number', () => {
  expect(parseExactJson(Buffer.from(`[${'1'.repeat(21)}, ${'1'.repeat(400)}]`))).toEqual([
    1.1111111111111111e20,
    Number.POSITIVE_INFINITY,
  ])
})
