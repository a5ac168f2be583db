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
  ['a list', predictPath, deep, 422],
  ['a list, V2', inferPath, deep, 422],
  ['a list that never closes', predictPath, '['.repeat(LEVELS), 400],
  ['a value', predictPath, `{"instances":[{"amount":${deep},"count":4,"kind":"plain"}]}`, 422],
  ['a tensor', inferPath, tensor(deep), 422],
  ['a tensor with an exact integer', inferPath, tensor(deepWithExactInteger), 400],
])('nesting of 500,000 levels is a fault of the request: %s', async (_, path, body, status) => {
  const response = await worker.app.request(path, post(body))
  const text = await response.text()
  expect(response.status).toBe(status)
  expect(JSON.parse(text)).toMatchObject({ error: expect.any(String) })
  expect(text.length).toBeLessThan(20_000)
})

test.each([
  ['a request', predictPath, keys],
  ['a request, V2', inferPath, keys],
  ['a record', predictPath, `{"instances":[${keys}]}`],
  ['a tensor', inferPath, `{"inputs":[${keys}]}`],
])('200,000 keys are a fault of the request, told in few words: %s', async (_, path, body) => {
  const response = await worker.app.request(path, post(body))
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
