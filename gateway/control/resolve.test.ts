import { expect, test } from 'vitest'
import { type AddressesOf, resolveOrigins } from './resolve.ts'

const named =
  (...addresses: string[]): AddressesOf =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
const unasked: AddressesOf = () => Promise.reject(new Error('nobody should ask'))

test('a name with several addresses is as many endpoints, each once, in an order that stays', async () => {
  const addressesOf = named('10.0.0.2', '10.0.0.1', 'fd00::1', '10.0.0.2')
  expect(await resolveOrigins('http://churn-100:9000', addressesOf)).toEqual([
    'http://10.0.0.1:9000',
    'http://10.0.0.2:9000',
    'http://[fd00::1]:9000',
  ])
})

test('the standard port needs no mention', async () => {
  expect(await resolveOrigins('http://churn-100', named('10.0.0.1'))).toEqual(['http://10.0.0.1'])
})

test.each(['http://127.0.0.1:9000', 'http://[::1]:9000', 'https://churn.example:9000'])(
  '%s is itself: an address, or a name that a certificate is for',
  async (url) => {
    expect(await resolveOrigins(url, unasked)).toEqual([url])
  },
)

test('a name that does not resolve says so', async () => {
  const nobody: AddressesOf = () =>
    Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
  await expect(resolveOrigins('http://nobody:9000', nobody)).rejects.toMatchObject({ code: 'ENOTFOUND' })
})
