import { expect, test } from 'vitest'
import { compareOutputs, parseGolden } from './golden.ts'
import type { Output } from './manifest.ts'

const OUTPUTS: Output[] = [
  { name: 'label', type: 'int64' },
  { name: 'probabilities', type: 'float32', shape: [2] },
  { name: 'word', type: 'string' },
]

test('a golden file is one record with its outputs a line', () => {
  const text = '{"record":{"a":1},"outputs":{"label":1}}\n\n{"record":{"a":2},"outputs":{"label":0}}\n'
  expect(parseGolden(text, 'golden.jsonl')).toEqual([
    { record: { a: 1 }, outputs: { label: 1 } },
    { record: { a: 2 }, outputs: { label: 0 } },
  ])
})

test.each([
  ['', /^golden.jsonl: expected at least one golden record, found none$/],
  ['{"record":{},"outputs":{"a":1}}\n{', /^golden.jsonl:2: expected one JSON object a line, found /],
  ['{"record":{}}', /^golden.jsonl:1: outputs: /],
  ['{"record":{},"outputs":{}}', /^golden.jsonl:1: outputs: outputs is empty$/],
  ['{"record":{},"outputs":{"a":1},"phi":1}', /^golden.jsonl:1: line: .*phi/],
])('%j names the line at fault', (text, message) => {
  expect(() => parseGolden(text, 'golden.jsonl')).toThrow(message)
})

test('floats may differ by the tolerance, relative where they are large', () => {
  const outputs: Output[] = [{ name: 'y', type: 'float32' }]
  const compare = (expected: number, actual: number) =>
    compareOutputs(outputs, { y: expected }, { y: actual })
  expect(compare(0.5, 0.500009)).toBeUndefined()
  expect(compare(0.5, 0.50002)?.difference).toBeCloseTo(2e-5)
  expect(compare(20_000_000, 20_000_002)).toBeUndefined()
  expect(compare(20_000_000, 20_001_000)?.difference).toBe(1000)
  expect(compare(0.5, Number.NaN)?.difference).toBe(Number.POSITIVE_INFINITY)
})

test('integers and strings may not differ', () => {
  expect(compareOutputs(OUTPUTS, { label: 1 }, { label: 1n })).toBeUndefined()
  expect(compareOutputs(OUTPUTS, { label: 1_000_000 }, { label: 1_000_001 })).toMatchObject({ difference: 1 })
  expect(compareOutputs(OUTPUTS, { word: 'a' }, { word: 'b' })).toEqual({
    output: 'word',
    index: 0,
    expected: 'a',
    actual: 'b',
    difference: Number.POSITIVE_INFINITY,
  })
})

test('the worst difference is told; outputs the file leaves out are not compared', () => {
  const expected = { probabilities: [0.4, 0.6] }
  expect(compareOutputs(OUTPUTS, expected, { probabilities: [0.4, 0.6], label: 7 })).toBeUndefined()
  expect(compareOutputs(OUTPUTS, expected, { probabilities: [0.41, 0.5] })).toMatchObject({
    output: 'probabilities',
    index: 1,
    expected: 0.6,
    actual: 0.5,
  })
})

test.each([
  [{ probabilities: [0.4] }, { probabilities: [0.4, 0.6] }],
  [{ probabilities: [0.4, 0.6] }, { probabilities: [0.4] }],
  [{ probabilities: [0.4, 0.6] }, {}],
  [{ unheard: 1 }, { unheard: 1 }],
])('a golden %j against %j is a difference, not a pass', (expected, actual) => {
  expect(compareOutputs(OUTPUTS, expected, actual)?.difference).toBe(Number.POSITIVE_INFINITY)
})
