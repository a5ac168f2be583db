import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Answer, formatAnswer, parseAnswer, parsePick } from './internal-headers.ts'

test('the form of an answer', () => {
  expect(formatAnswer({ rows: 3, row: 2, score: 0.8213, class: 1, ids: [24, 310] })).toBe(
    'rows=3;row=2;score=0.8213;class=1;ids=24,310',
  )
  expect(formatAnswer({ rows: 1, row: 0, ids: [] })).toBe('rows=1;row=0;ids=')
})

test('an answer is read as it was written', () => {
  const answers = fc
    .record({
      rows: fc.integer({ min: 1, max: 1024 }),
      pick: fc.nat(),
      score: fc.option(
        fc.float({ noNaN: true, noDefaultInfinity: true }).filter((score) => !Object.is(score, -0)),
        { nil: undefined },
      ),
      class: fc.option(fc.nat({ max: 0xfffe }), { nil: undefined }),
      gaps: fc.array(fc.nat({ max: 10_000 }), { maxLength: 64 }),
    })
    .map(({ rows, pick, score, class: index, gaps }): Answer => {
      let end = 0
      const ids = gaps.map((gap) => {
        const offset = end + gap
        end = offset + 64
        return offset
      })
      return {
        rows,
        row: pick % rows,
        ...(score === undefined ? {} : { score }),
        ...(index === undefined ? {} : { class: index }),
        ids,
      }
    })
  fc.assert(
    fc.property(answers, (answer) => {
      expect(parseAnswer(formatAnswer(answer))).toEqual(answer)
    }),
    { seed: 81 },
  )
})

test.each([
  [undefined],
  [''],
  ['rows=3;row=3;ids='],
  ['rows=0;row=0;ids='],
  ['rows=1;row=0'],
  ['rows=1;row=-1;ids='],
  ['rows=1;row=0;score=NaN;ids='],
  ['rows=1;row=0;score=Infinity;ids='],
  ['rows=1;row=0;score=1e999;ids='],
  ['rows=1;row=0;class=65535;ids='],
  ['rows=1;row=0;class=1;score=0.5;ids='],
  ['rows=2;row=0;ids=10,10'],
  ['rows=2;row=0;ids=100,10'],
  ['rows=2;row=0;ids=10,73'],
  ['rows=2;row=0;ids=10,'],
  ['rows=2;row=0;ids=1.5'],
  ['rows=1;row=0;ids=0;more=1'],
  [`rows=65;row=0;ids=${Array.from({ length: 65 }, (_, i) => i * 64)}`],
])('%j is no answer', (text) => {
  expect(parseAnswer(text)).toBeUndefined()
})

test('a pick is a u32', () => {
  expect(['0', '4294967295', '4294967296', '-1', '1e3', '', ' 1'].map(parsePick)).toEqual([
    0,
    4294967295,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
