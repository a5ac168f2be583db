import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { type Adapter, exchangeConformance, sendTo } from '../testing/exchange-conformance.ts'
import { FetchExchange } from './fetch-exchange.ts'
import { NodeExchange } from './node-exchange.ts'

const server = createServer()
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
afterAll(() => new Promise((resolve) => server.close(resolve)))

const adapters: [string, Adapter][] = [
  [
    'fetch',
    async (serve, { method = 'POST', headers = {}, body } = {}) => {
      const init = { method, headers, ...(body === undefined ? {} : { body }) }
      const exchange = new FetchExchange(new Request('http://server/', init))
      serve(exchange)
      const response = await exchange.response
      return {
        status: response.status,
        headers: response.headers,
        body: Buffer.from(await response.arrayBuffer()),
      }
    },
  ],
  [
    'node',
    (serve, sent) => {
      server.once('request', (incoming, outgoing) =>
        serve(new NodeExchange(incoming, outgoing, { draining: false })),
      )
      return sendTo((server.address() as AddressInfo).port, sent)
    },
  ],
]

describe.each(adapters)('an exchange over %s', (_, through) => exchangeConformance(through))

test('over fetch, an abort is a client that leaves', () => {
  const leaving = new AbortController()
  const exchange = new FetchExchange(new Request('http://server/', { signal: leaving.signal }))
  let left = 0
  exchange.onGone(() => left++)
  expect(exchange.gone()).toBe(false)
  leaving.abort()
  expect([exchange.gone(), left]).toEqual([true, 1])
})
