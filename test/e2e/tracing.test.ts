import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CUSTOMER, Gateway, until } from './gateway-process.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

let collector: Server
let gateway: Gateway
const received: { url: string; type: string | undefined; key: unknown; body: Buffer }[] = []

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      received.push({
        url,
        type: headers['content-type'],
        key: headers['x-key'],
        body: Buffer.concat(chunks),
      })
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  gateway = await Gateway.start({
    models: '  churn: { initial: 1.0.0, runtime: process }',
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=k1',
      OTEL_SERVICE_NAME: 'churn-gateway',
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
    },
  })
})
afterAll(async () => {
  await gateway?.dispose()
  collector?.closeAllConnections()
  await new Promise((resolve) => collector?.close(resolve))
})

const predict = (headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${gateway.ports.data}/v1/models/churn:predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ instances: [CUSTOMER] }),
  })

test('a trace that a client samples reaches the collector, over the link as well', async () => {
  expect((await predict()).status).toBe(200)
  expect((await predict({ traceparent: `00-${TRACE}-${PARENT}-01` })).status).toBe(200)
  await until(async () => received.length > 0)
  const [{ url, type, key, body }] = received as [(typeof received)[number]]
  expect([url, type, key]).toEqual(['/v1/traces', 'application/x-protobuf', 'k1'])
  const holds = (bytes: Buffer | string) => body.includes(bytes)
  expect(holds(Buffer.from(TRACE, 'hex'))).toBe(true)
  expect(holds(Buffer.from(PARENT, 'hex'))).toBe(true)
  for (const text of ['churn-gateway', 'POST /v1/models/churn:predict', 'coalmine.arm', 'coalmine.endpoint'])
    expect([text, holds(text)]).toEqual([text, true])
  await until(async () => /coalmine_trace_spans_total\{result="exported"\} 2\n/.test(await gateway.metrics()))
  expect(received).toHaveLength(1)
})

test('a setting that is not supported ends the start, by name', async () => {
  const other = new Gateway({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  })
  other.configure('  churn: { initial: 1.0.0, runtime: process }')
  other.spawn()
  await until(
    async () => other.child.exitCode !== null,
    () => other.output,
  )
  expect(other.output).toContain('OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, found grpc')
  await other.dispose()
})
