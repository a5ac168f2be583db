import { expect, test } from 'vitest'
import { modelNameProblem, versionProblem } from './names.ts'

test.each(['1.1.0', '7', 'v2-rc.1', '2026-11-20', 'A_b', 'x'.repeat(63)])('%s is a version', (text) => {
  expect(versionProblem(text)).toBeUndefined()
})

test.each(['latest', 'stable', 'canary', 'baseline', 'previous', 'Latest', 'STABLE'])(
  '%s is a role',
  (text) => {
    expect(versionProblem(text)).toBe(
      `"${text}" is a role, not a version; name the exact version, for example 1.1.0`,
    )
  },
)

const UNSAFE = [
  '',
  '.',
  '..',
  '../1',
  '1..0',
  'a/b',
  'a\\b',
  '.1.tmp',
  '-1',
  'a b',
  'a\n',
  'a\0',
  'ü',
  'x'.repeat(64),
]

test.each(UNSAFE)('%j names neither a version nor a model', (text) => {
  expect(versionProblem(text)).toBeDefined()
  expect(modelNameProblem(text)).toBeDefined()
})

test('model names are lower-case', () => {
  expect(modelNameProblem('churn-eu_2.1')).toBeUndefined()
  expect(modelNameProblem('Churn')).toBeDefined()
})
