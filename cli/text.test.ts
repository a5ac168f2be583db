import { expect, test } from 'vitest'
import { columns, durationText, percentText } from './text.ts'

test.each([
  [0, '0 s'],
  [119, '119 s'],
  [120, '2 min'],
  [7_199, '120 min'],
  [7_200, '2 h'],
  [172_800, '2 d'],
])('%i s is %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text)
})

test('a share is as short as it can be', () => {
  expect([5, 12.5, 33.333].map(percentText)).toEqual(['5 %', '12.5 %', '33.33 %'])
})

test('columns are as wide as what is seen of them', () => {
  expect(
    columns([
      ['a', 'b'],
      ['\x1b[31mlong\x1b[39m', 'c'],
      ['', ''],
    ]),
  ).toEqual(['a     b', '\x1b[31mlong\x1b[39m  c', ''])
})
