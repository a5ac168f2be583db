import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { askedRows } from './asked-rows.ts'

const rows = (text: string) => askedRows(Buffer.from(text))

describe('the records that a V1 request asks for', () => {
  test.each<[string, number | undefined]>([
    ['{"instances":[{"a":1}]}', 1],
    ['{"instances":[{"a":[1,2]},{"a":"],{"},[[],[]]]}', 3],
    [' {\n "signature_name" : "x,y" , "instances" : [ 1 , 2 ] }\r\n', 2],
    ['{"instances":[]}', 0],
    ['{"instances":[ \n ]}', 0],
    ['{"instances":[""]}', 1],
    ['{"instances":{"a":[1,2]}}', undefined],
    ['{"instances":"[1,2]"}', undefined],
    ['{"of":{"instances":[1]}}', undefined],
    ['{"of":"instances","a":[1]}', undefined],
    ['[{"instances":[1]}]', undefined],
    ['{"instances":[1],"instances":[1,2,3]}', 3],
    ['{"instances":[1],"instances":7}', undefined],
    ['{"inst\\u0061nces":[1]}', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(rows(text)).toBe(expected)
  })

  test('are those that a parser finds, in any JSON', () => {
    const key = fc.oneof(fc.constant('instances'), fc.string({ maxLength: 12 }))
    const value = fc.oneof(
      fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 5 }),
      fc.jsonValue({ maxDepth: 2 }),
    )
    const asked = fc.array(fc.tuple(key, value), { maxLength: 4 })
    fc.assert(
      fc.property(asked, fc.constantFrom(undefined, 1, '\t'), (entries, indent) => {
        const text = JSON.stringify(Object.fromEntries(entries), null, indent)
        const { instances } = JSON.parse(text) as { instances?: unknown }
        const isEscaped = entries.some(([name]) => JSON.stringify(name).includes('\\'))
        const expected = Array.isArray(instances) ? instances.length : undefined
        expect(rows(text)).toBe(isEscaped ? undefined : expected)
      }),
      { numRuns: 1_000 },
    )
  })

  test('whatever the bytes, there is an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = askedRows(Buffer.from(bytes))
        expect(found === undefined || found >= 0).toBe(true)
      }),
    )
  })
})
