import { expect, test } from 'vitest'
import { closest, meaning, suggestion } from './spelling.ts'

test.each([
  ['contrat', 'contract'],
  ['goldn', 'golden'],
  ['FP32', 'fp32'],
  ['temperature', undefined],
  ['x'.repeat(100_000), undefined],
])('%.20s', (word, near) => {
  expect(closest(word, ['contract', 'golden', 'fp32'])).toBe(near)
})

test('a suggestion ends a sentence', () => {
  expect(suggestion('goldn', ['golden'])).toBe(', did you mean "golden"?')
  expect(suggestion('wholly', ['golden'])).toBe('')
})

test('what was meant, for the end of what was expected', () => {
  expect(meaning('error-rate', ['latency', 'error_rate'])).toBe(' (did you mean "error_rate"?)')
  expect(meaning('promote', ['hold', 'rollback'])).toBe('')
})
