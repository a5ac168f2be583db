import { expect, test } from 'vitest'
import { judged, numeral, tableText, verdictLine } from './report.ts'

test.each([
  ['>=', 4, 4, true],
  ['>=', 3.99, 4, false],
  ['<', 1, 1, false],
  ['<', 0.99, 1, true],
  ['<=', 5, 5, true],
  ['>=', Number.NaN, 4, false],
  ['>=', Number.POSITIVE_INFINITY, 4, false],
] as const)('%s: %d against %d passes: %s', (condition, figure, bound, pass) => {
  expect(judged('ratio', figure, condition, bound)).toEqual({
    name: 'ratio',
    figure,
    target: `${condition} ${bound}`,
    pass,
  })
})

test('a verdict is one line with name, figure and target', () => {
  expect(verdictLine(judged('ours / FastAPI', 4.518, '>=', 4))).toBe(
    'pass         ours / FastAPI: 4.52 (target >= 4)',
  )
  expect(verdictLine(judged('ours / FastAPI', 3.2, '>=', 4))).toContain('FALLS SHORT  ours / FastAPI: 3.20')
})

test('columns line up, the first to the left and the others to the right', () => {
  const table = tableText([
    ['', 'requests/s'],
    ['nginx', '9'],
    ['Fastify', '10,000'],
  ])
  expect(table.split('\n')).toEqual(['         requests/s', 'nginx             9', 'Fastify      10,000'])
})

test.each([
  [0, '0'],
  [20, '20'],
  [0.01234, '0.0123'],
  [4.518, '4.52'],
  [42.26, '42.3'],
  [999.4, '999'],
  [21_990.49, '21,990'],
])('%d is written %s', (value, text) => {
  expect(numeral(value)).toBe(text)
})
