import { written } from './written.ts'

type Written = { readonly header: string } | { readonly cookie: string } | 'none'

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

/** Where a caller's key is found, as configuration and policies write it. `'none'` stands for itself. */
export const sessionAffinity = written('none, { header: NAME } or { cookie: NAME }', affinityOf, {
  anyOf: [{ const: 'none' }, named('header'), named('cookie')],
  description: 'Callers with the same header or cookie keep their version while the weight stays.',
})

function affinityOf(value: unknown): Written | undefined {
  if (value === 'none') return value
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined
  const [[key, name]] = Object.entries(value) as [[string, unknown]]
  if (typeof name !== 'string' || !TOKEN.test(name)) return undefined
  if (key === 'header') return { header: name.toLowerCase() }
  return key === 'cookie' ? { cookie: name } : undefined
}

function named(key: string) {
  return {
    type: 'object',
    properties: { [key]: { type: 'string' } },
    required: [key],
    additionalProperties: false,
  }
}
