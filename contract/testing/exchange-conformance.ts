import { request } from 'node:http'
import { expect, test } from 'vitest'
import type { BodyFault, Exchange } from '../http/exchange.ts'

export interface Sent {
  method?: string
  headers?: Record<string, string>
  body?: string
}
export interface Received {
  status: number
  headers: Headers
  body: Buffer
}
/** What a server does with an exchange, and what its client gets. */
export type Adapter = (serve: (exchange: Exchange) => void, sent?: Sent) => Promise<Received>

/** One request over a real connection to a server that listens on `port`. */
export function sendTo(port: number, { method = 'POST', headers = {}, body }: Sent = {}): Promise<Received> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, headers, agent: false }, async (answer) => {
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk)
      resolve({
        status: answer.statusCode!,
        headers: new Headers(answer.headers as Record<string, string>),
        body: Buffer.concat(chunks),
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** What every way of carrying an exchange has to keep to. Called where its tests are described. */
export function exchangeConformance(through: Adapter): void {
  const read = async (sent: Sent, bytesMax: number) => {
    let outcome: Buffer | BodyFault | undefined
    await through((exchange) => {
      exchange.readBody(bytesMax, (body) => {
        expect(outcome).toBeUndefined()
        outcome = body
        exchange.answer(200, [], '')
      })
    }, sent)
    return Buffer.isBuffer(outcome) ? outcome.toString() : outcome
  }

  test('reads headers by their name in lower case', async () => {
    const seen: (string | undefined)[] = []
    const sent = { headers: { 'X-Request-Id': 'mine' } }
    await through((exchange) => {
      seen.push(exchange.header('x-request-id'), exchange.header('x-other'))
      exchange.answer(200, [], '')
    }, sent)
    expect(seen).toEqual(['mine', undefined])
  })

  test('reads a body up to the limit', async () => {
    expect(await read({ body: 'Größe' }, 7)).toBe('Größe')
    expect(await read({}, 7)).toBe('')
    expect(await read({ body: 'x'.repeat(200_000) }, 200_000)).toHaveLength(200_000)
  })

  test('does not read a body over the limit', async () => {
    expect(await read({ body: 'Größe' }, 6)).toBe('too large')
  })

  test.each<[string, string | Buffer]>([
    ['ASCII', '{"a":1}'],
    ['text that is not ASCII', '{"a":"Größe 😀"}'],
    ['text that is not even Latin', '模型'],
    ['no text', ''],
    ['bytes', Buffer.from('{"a":"Größe 😀"}')],
    ['every byte there is', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ['many bytes', Buffer.alloc(100_000, 'ß')],
    ['much text', 'ß'.repeat(50_000)],
  ])('answers with %s as it is, its length in bytes, and the headers given', async (_, body) => {
    const {
      status,
      headers,
      body: got,
    } = await through((exchange) =>
      exchange.answer(201, ['content-type', 'application/json', 'x-model-name', 'churn'], body),
    )
    expect(status).toBe(201)
    expect(got.equals(Buffer.from(body as string))).toBe(true)
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/json',
      'x-model-name': 'churn',
      'content-length': `${got.length}`,
    })
  })

  test('answers HEAD without a body, but with its length', async () => {
    const sent = { method: 'HEAD' }
    const { headers, body } = await through((exchange) => exchange.answer(200, [], 'alive'), sent)
    expect([headers.get('content-length'), body.length]).toEqual(['5', 0])
  })

  test('answers once', async () => {
    const { status, body } = await through((exchange) => {
      exchange.answer(200, [], 'first')
      exchange.answer(500, [], 'second')
    })
    expect([status, `${body}`]).toEqual([200, 'first'])
  })
}
