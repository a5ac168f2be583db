import { expect, test } from 'vitest'
import { redactor } from './redactor.ts'

const KEY = Buffer.alloc(32, 1).toString('base64')
const of = (body: unknown, settings = {}) =>
  redactor({ omit: ['name'], hash: ['phone'], key: KEY, ...settings })(
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  )

test('records without what is left out, and with hashes in place of what is hashed', () => {
  const [one, two, three] = of({
    instances: [{ name: 'Ann', phone: '1', age: 3 }, { phone: '1' }, { phone: '2' }],
  }) as Record<string, unknown>[]
  expect(one).toEqual({ phone: expect.stringMatching(/^[\w-]{16}$/), age: 3 })
  expect(two!.phone).toBe(one!.phone)
  expect(three!.phone).not.toBe(one!.phone)
})

test('another key gives other hashes', () => {
  const hash = (key: string) =>
    (of({ instances: [{ phone: '1' }] }, { key }) as { phone: string }[])[0]!.phone
  expect(hash(KEY)).not.toBe(hash(Buffer.alloc(32, 2).toString('base64')))
})

test('tensors by their names', () => {
  const inputs = [
    { name: 'name', datatype: 'BYTES', shape: [1], data: ['Ann'] },
    { name: 'phone', datatype: 'BYTES', shape: [1], data: ['1'] },
    { name: 'age', datatype: 'INT64', shape: [1], data: [3] },
  ]
  expect(of({ inputs })).toEqual([{ name: 'phone', data: expect.any(String) }, inputs[2]])
})

test.each(['{', '[1]', '{"instances": 3}', '"name"', '{"instances": ["Ann"]}'])(
  '%s: what is not understood is not written',
  (body) => {
    expect(JSON.stringify(of(body)) ?? '').not.toContain('Ann')
  },
)
