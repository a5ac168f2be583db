import { expect, test } from 'vitest'
import { linkOf } from './link-terms.ts'

const TERMS = {
  versions: [1],
  model: 'churn',
  version: '1.0.0',
  digest: 'sha256:1',
  maxRows: 256,
  maxBytes: 1000,
}
const of = (terms: unknown, status = 200) =>
  linkOf(
    { kind: 'answered', status, body: typeof terms === 'string' ? terms : JSON.stringify(terms) },
    { model: 'churn', version: '1.0.0' },
    'sha256:1',
  )

test('a worker that knows our version of the frame gets calls', () => {
  expect(of(TERMS)).toEqual({ maxRows: 256, maxBytes: 1000 })
  expect(of({ ...TERMS, versions: [1, 2], more: true })).toEqual({ maxRows: 256, maxBytes: 1000 })
})

test.each([
  ['has no link', { error: 'not found' }, 404],
  ['knows other versions alone', { ...TERMS, versions: [2] }],
  ['has another model', { ...TERMS, model: 'digits' }],
  ['has another version', { ...TERMS, version: '1.1.0' }],
  ['has other bytes', { ...TERMS, digest: 'sha256:2' }],
  ['takes no rows', { ...TERMS, maxRows: 0 }],
  ['says no number', { ...TERMS, maxBytes: '1000' }],
  ['says nothing', 'null'],
  ['says no JSON', '<html>'],
])('one that %s gets plain requests', (_, terms, status = 200) => {
  expect(of(terms, status)).toBeUndefined()
})

test('one that does not answer gets plain requests', () => {
  expect(
    linkOf({ kind: 'unreachable', code: 'TIMEOUT' }, { model: 'churn', version: '1.0.0' }, 'sha256:1'),
  ).toBeUndefined()
})
