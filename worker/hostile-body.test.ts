import { afterAll, expect, test } from 'vitest'
import { inferPath, one, post, predictPath, startTabular } from './testing/tabular-worker.ts'

const { worker, close } = await startTabular('4MiB')
afterAll(close)

const LEVELS = 500_000
const deep = '['.repeat(LEVELS) + ']'.repeat(LEVELS)
const deepWithExactInteger = `${'['.repeat(LEVELS)}9007199254740993${']'.repeat(LEVELS)}`
const keys = `{${Array.from({ length: 200_000 }, (_, i) => `"k${i}":0`).join(',')}}`
const tensor = (data: string) => `{"inputs":[{"name":"amount","datatype":"FP32","shape":[1],"data":${data}}]}`

test.each([
  ['a list', predictPath, deep],
  ['a list, V2', inferPath, deep],
  ['a list that never closes', predictPath, '['.repeat(LEVELS)],
  ['a value', predictPath, `{"instances":[{"amount":${deep},"count":4,"kind":"plain"}]}`],
  ['a tensor', inferPath, tensor(deep)],
  ['a tensor with an exact integer', inferPath, tensor(deepWithExactInteger)],
])('nesting of 500,000 levels is refused before it is parsed: %s', async (_, path, body) => {
  const response = await worker.app.request(path, post(body))
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: 'the JSON is nested more than 32 levels deep' })
})

test.each([
  ['a request', predictPath, keys],
  ['a request, V2', inferPath, keys],
  ['a record', predictPath, `{"instances":[${keys}]}`],
  ['a tensor', inferPath, `{"inputs":[${keys}]}`],
])('200,000 keys are refused before they are parsed: %s', async (_, path, body) => {
  const response = await worker.app.request(path, post(body))
  expect(response.status).toBe(400)
  // Beside the keys of a hundred records with their fields.
  expect(await response.json()).toMatchObject({
    error: expect.stringMatching(/^the JSON has more than 1\d{4} keys$/),
  })
})

test('as many keys as are allowed are told in few words', async () => {
  const many = `{${Array.from({ length: 10_000 }, (_, i) => `"k${i}":0`).join(',')}}`
  const response = await worker.app.request(predictPath, post(`{"instances":[${many}]}`))
  const text = await response.text()
  expect(response.status).toBe(422)
  expect(text.length).toBeLessThan(20_000)
})

test('the names that every object inherits are ordinary unknown fields', async () => {
  const record = `{"__proto__":{"amount":1},"constructor":{},"toString":1,${JSON.stringify(one).slice(1)}`
  const response = await worker.app.request(predictPath, post(`{"instances":[${record}],"__proto__":[]}`))
  const { detail } = (await response.json()) as { detail: { loc: unknown[]; type: string }[] }
  expect(response.status).toBe(422)
  expect(detail.map(({ loc, type }) => [type, ...loc.slice(1)])).toEqual([
    ['unknown_field', '__proto__'],
    ['unknown_field', 'instances', 0, '__proto__'],
    ['unknown_field', 'instances', 0, 'constructor'],
    ['unknown_field', 'instances', 0, 'toString'],
  ])
})
