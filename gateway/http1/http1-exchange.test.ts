import { exchangeConformance, sendTo } from '@coalmine/contract/testing/exchange-conformance.ts'
import { afterAll, beforeAll, describe } from 'vitest'
import type { Http1Exchange } from './http1-exchange.ts'
import { listenHttp1 } from './listen.ts'
import { Http1Server } from './server.ts'

let serve: (exchange: Http1Exchange) => void
let port: number
let close: () => Promise<void>
beforeAll(async () => {
  const server = new Http1Server({ serve: (exchange) => serve(exchange), isClosing: () => false })
  ;({ port, close } = await listenHttp1(server, { host: '127.0.0.1', port: 0 }))
})
afterAll(() => close())

describe('an exchange over our own server', () =>
  exchangeConformance((serving, sent) => {
    serve = serving
    return sendTo(port, sent)
  }))
