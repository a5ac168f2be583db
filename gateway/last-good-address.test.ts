import type { LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { lastGoodLookup } from './last-good-address.ts'

type Finding = string | Error

/** A resolver that finds what it is told. */
function resolver(findings: Finding[]): LookupFunction {
  return (_name, _options, done) => {
    const finding = findings.shift()!
    if (finding instanceof Error) done(finding, '')
    else done(null, finding, 4)
  }
}

const ask = (look: LookupFunction, name = 'worker', options = {}) =>
  new Promise((resolve) => look(name, options, (error, address) => resolve(error?.message ?? address)))
const away = new Error('ENOTFOUND')

test('a name that no longer resolves is where it was last', async () => {
  const look = lastGoodLookup(resolver(['10.0.0.1', '10.0.0.2', away, away, '10.0.0.3']))
  const asked = [await ask(look), await ask(look), await ask(look), await ask(look), await ask(look)]
  expect(asked).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.2', '10.0.0.3'])
})

test('a name that never resolved does not resolve; another name or kind of address is no answer', async () => {
  const look = lastGoodLookup(resolver([away, '10.0.0.1', away, away]))
  expect(await ask(look)).toBe('ENOTFOUND')
  expect(await ask(look)).toBe('10.0.0.1')
  expect(await ask(look, 'another')).toBe('ENOTFOUND')
  expect(await ask(look, 'worker', { family: 6 })).toBe('ENOTFOUND')
})
