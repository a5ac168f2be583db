import type { Span } from '@coalmine/contract/tracing/span.ts'
import { SpanQueue } from '@coalmine/contract/tracing/span-queue.ts'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  freshDataPlane,
  plane,
  type Reply,
  route,
  stable,
} from '../../testing/data-port.ts'
import { answering } from '../../testing/upstream.ts'
import { Tracer } from './request-trace.ts'

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
  const ask = (verb: string) => (traceparent?: string, tracestate?: string) =>
    call('POST', `/v1/models/churn:${verb}`, {
      body: BODY,
      headers: { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) },
    })
  const [predict, explain] = [ask('predict'), ask('explain')]

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
    await explain(`00-${TRACE}-${PARENT}-00`)
    expect(await flushed()).toEqual([])
    for (const { headers } of stable.requests) expect(headers.traceparent).toBe(`00-${TRACE}-${PARENT}-00`)
    expect(stable.requests).toHaveLength(2)
  })

  test('an explanation is in the trace as a prediction is', async () => {
    trace()
    route({ own: false })
    stable.behave(answering({ explanations: [] }))
    const { headers } = await explain(`00-${TRACE}-${PARENT}-01`, 'vendor=1')
    const [attempt, server] = await flushed()
    expect(server).toMatchObject({
      ...{ name: 'POST /v1/models/churn:explain', kind: 'server', parentId: PARENT, traceState: 'vendor=1' },
      attributes: {
        ...{ 'http.response.status_code': 200, 'coalmine.model': 'churn', 'coalmine.version': '1.0.0' },
        ...{ 'coalmine.attempts': 1, 'coalmine.request_id': headers['x-request-id'] },
      },
    })
    expect(server!.attributes).not.toHaveProperty('coalmine.arm')
    expect(attempt).toMatchObject({ kind: 'client', parentId: server!.context.spanId, error: undefined })
    expect(stable.requests[0]!.headers).toMatchObject({
      traceparent: `00-${TRACE}-${attempt!.context.spanId}-01`,
      tracestate: 'vendor=1',
    })
    expect(headers.traceresponse).toBe(`00-${TRACE}-${server!.context.spanId}-01`)
  })

  test('an explanation that fails is an error of both spans', async () => {
    trace()
    route({ own: false })
    stable.behave(answering({ error: 'the explanation failed' }, 500))
    await explain(`00-${TRACE}-${PARENT}-01`)
    expect((await flushed()).map(({ error }) => error)).toEqual(['500', '500'])
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
    const { headers } = await predict()
    expect(stable.requests[0]!.headers).not.toHaveProperty('traceparent')
    expect(headers).not.toHaveProperty('traceresponse')
    expect((await predict(`00-${TRACE}-${PARENT}-01`)).headers).not.toHaveProperty('traceresponse')
  })

  test('every answer to what is traced here says where its span is', async () => {
    trace()
    route({ own: false })
    const good = await predict(`00-${TRACE}-${PARENT}-01`)
    const begunHere = await predict()
    const servers = (await flushed()).filter(({ kind }) => kind === 'server')
    expect([good, begunHere].map(({ headers }) => headers.traceresponse)).toEqual(
      servers.map(({ context: { traceId, spanId } }) => `00-${traceId}-${spanId}-01`),
    )
  })

  describe('an error says which trace it belongs to, whoever traces', () => {
    const CAME = `00-${TRACE}-${PARENT}-00`
    const failing: Record<string, () => Promise<Reply>> = {
      'of the worker': () => {
        stable.behave(answering({ error: 'model error' }, 500))
        canary.behave(answering({ error: 'model error' }, 500))
        return predict(CAME)
      },
      'of the contract': () => {
        stable.behave(answering({ error: 'the request breaks the contract' }, 422))
        return predict(CAME)
      },
      'of a model that is not there': () =>
        call('POST', '/v1/models/nothing:predict', { body: BODY, headers: { traceparent: CAME } }),
      'of an explanation': () => {
        stable.behave(answering({ error: 'the explanation failed' }, 500))
        return call('POST', '/v1/models/churn:explain', { body: BODY, headers: { traceparent: CAME } })
      },
      'of an endpoint that is not there': () => {
        route({ own: false, stableHealthy: false })
        return predict(CAME)
      },
    }
    test.each(Object.keys(failing))('%s', async (which) => {
      route({ own: false })
      const { status, headers } = await failing[which]!()
      expect(status).toBeGreaterThanOrEqual(400)
      expect(headers.traceresponse).toBe(CAME)
    })

    test('what is no trace is no header', async () => {
      route({ own: false })
      stable.behave(answering({ error: 'the request breaks the contract' }, 422))
      for (const traceparent of [undefined, 'nonsense', `00-${'0'.repeat(32)}-${PARENT}-01`])
        expect((await predict(traceparent)).headers).not.toHaveProperty('traceresponse')
    })
  })

  test('a line of the log names the trace of its request', async () => {
    const lines = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => lines.mockRestore())
    route({ own: false })
    plane.idKey = undefined as never
    const { status, headers } = await predict(`00-${TRACE}-${PARENT}-00`)
    expect(status).toBe(502)
    const said = lines.mock.calls.map(([line]) => JSON.parse(`${line}`))
    expect(said).toContainEqual(
      expect.objectContaining({ requestId: headers['x-request-id'], traceId: TRACE, model: 'churn' }),
    )
  })
})
