import { expect, test } from 'vitest'
import { address, isLoopback, origin } from './address.ts'

test.each([
  ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:8080', { host: '::1', port: 8080 }],
  ['8080', undefined],
  [':8080', undefined],
  ['127.0.0.1', undefined],
  ['127.0.0.1:65536', undefined],
  ['::1:8080', undefined],
  ['http://127.0.0.1:8080', undefined],
])('the address %s', (text, parsed) => {
  expect(address(text)).toEqual(parsed)
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['127.evil.example', false],
])('only this machine reaches %s: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback)
})

test.each([
  ['http://churn-100:9000', 'http://churn-100:9000'],
  ['http://[::1]:9000/', 'http://[::1]:9000'],
  ['https://workers', 'https://workers'],
  ['http://churn-100:9000/v1', undefined],
  ['http://user:word@churn-100', undefined],
  ['file:///etc', undefined],
  ['churn-100:9000', undefined],
])('the origin %s', (text, parsed) => {
  expect(origin(text)).toBe(parsed)
})
