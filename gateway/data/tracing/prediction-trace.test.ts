import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  freshDataPlane,
  plane,
  route,
  stable,
} from '../../testing/data-port.ts'
import { answering } from '../../testing/upstream.ts'
import { Tracer } from './prediction-trace.ts'
import type { Span } from './span.ts'
import { SpanQueue } from './span-queue.ts'

freshDataPlane()

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
let spans: Span[]
const trace = (ratio = 1) => {
  const queue = new SpanQueue(async (some) => {
    spans.push(...some)
    return true
  })
  plane.tracer = new Tracer(queue, ratio)
}
const flushed = async () => {
  await plane.tracer!.queue.close()
  return spans
}

describe.each(Object.keys(adapters))('traces over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    spans = []
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (traceparent?: string, tracestate?: string) =>
    call('POST', '/v1/models/churn:predict', {
      body: BODY,
      headers: { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) },
    })

  test('one trace from the client through the gateway to the worker', async () => {
    trace()
    route({ own: false })
    await predict(`00-${TRACE}-${PARENT}-01`, 'vendor=1')
    const [attempt, server] = await flushed()
    expect(server).toMatchObject({
      ...{ name: 'POST /v1/models/churn:predict', kind: 'server', parentId: PARENT, traceState: 'vendor=1' },
      context: { traceId: TRACE },
      attributes: {
        ...{ 'http.response.status_code': 200, 'coalmine.model': 'churn', 'coalmine.version': '1.0.0' },
        ...{ 'coalmine.arm': 'stable', 'coalmine.attempts': 1, 'coalmine.answered_by': '1.0.0' },
      },
    })
    expect(attempt).toMatchObject({
      kind: 'client',
      parentId: server!.context.spanId,
      context: { traceId: TRACE },
    })
    expect(stable.requests[0]!.headers).toMatchObject({
      traceparent: `00-${TRACE}-${attempt!.context.spanId}-01`,
      tracestate: 'vendor=1',
    })
  })

  test('a canary’s failure that stable answered has two attempts, the first one an error', async () => {
    trace()
    canary.behave(answering({ error: 'model error' }, 500))
    route({ weightBp: 10_000, own: false })
    await predict()
    const [first, second, server] = await flushed()
    expect([first, second].map((one) => [one!.error, one!.attributes['coalmine.version']])).toEqual([
      ['500', '1.1.0'],
      [undefined, '1.0.0'],
    ])
    expect(server).toMatchObject({
      error: undefined,
      attributes: { 'coalmine.arm': 'canary', 'coalmine.attempts': 2 },
    })
    expect(second!.attributes['http.request.resend_count']).toBe(1)
  })

  test('what the client does not sample is passed on as it came', async () => {
    trace()
    route({ own: false })
    await predict(`00-${TRACE}-${PARENT}-00`)
    expect(await flushed()).toEqual([])
    expect(stable.requests[0]!.headers.traceparent).toBe(`00-${TRACE}-${PARENT}-00`)
  })

  test('what begins here is sampled by the ratio', async () => {
    trace(0.2)
    route({ own: false })
    for (let i = 0; i < 200; i++) await predict()
    const begun = (await flushed()).filter(({ kind }) => kind === 'server')
    expect(begun.length).toBeGreaterThan(20)
    expect(begun.length).toBeLessThan(64)
    expect(new Set(begun.map(({ context }) => context.traceId)).size).toBe(begun.length)
  })

  test('off, nothing is added', async () => {
    route({ own: false })
    await predict()
    expect(stable.requests[0]!.headers).not.toHaveProperty('traceparent')
  })
})
