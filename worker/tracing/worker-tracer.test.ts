import { LINK_KIND, writeRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import type { Span } from '@coalmine/contract/tracing/span.ts'
import { SpanQueue } from '@coalmine/contract/tracing/span-queue.ts'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { handle } from '../call.ts'
import { handleLink } from '../link-call.ts'
import { V1 } from '../protocol.ts'
import { BODY, exchange, serving } from '../testing/serving-in-memory.ts'
import { WorkerTracer } from './worker-tracer.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const ATTEMPT = '00f067aa0ba902b7'
const SAMPLED = `00-${TRACE}-${ATTEMPT}-01`
const UNSAMPLED = `00-${TRACE}-${ATTEMPT}-00`

let spans: Span[]
beforeEach(() => {
  spans = []
})

function tracer(ratio = 1): WorkerTracer {
  const queue = new SpanQueue(async (some) => {
    spans.push(...some)
    return true
  })
  const it = new WorkerTracer({ queue, ratio })
  onTestFinished(() => it.close())
  return it
}

/** Asks once by a request of its own, and resolves with the spans that were made. */
async function asked(
  headers: Record<string, string>,
  { ratio = 1, body = BODY, ...more }: { ratio?: number; body?: string } & Parameters<typeof serving>[0] = {},
) {
  const it = tracer(ratio)
  const call = exchange(body, headers)
  handle(call.it, V1, serving({ tracer: it, ...more }).it)
  await call.answered
  await it.close()
  return spans
}

const names = (some: readonly Span[]) => some.map(({ name }) => name)

test('a prediction is a span under that of who asked; the wait, the encoding and the run are its parts', async () => {
  const [queue, encode, infer, whole] = await asked({
    ...{ traceparent: SAMPLED, tracestate: 'vendor=1', 'x-request-id': 'r1', 'x-coalmine-pick': '7' },
  })
  expect(spans).toHaveLength(4)
  expect(whole).toMatchObject({
    ...{ name: 'POST /v1/models/m:predict', kind: 'server', parentId: ATTEMPT, traceState: 'vendor=1' },
    ...{ context: { traceId: TRACE, isSampled: true }, error: undefined },
    attributes: {
      ...{ 'http.response.status_code': 200, 'coalmine.request_id': 'r1' },
      ...{ 'coalmine.rows': 1, 'coalmine.link': false },
    },
  })
  expect(names([queue!, encode!, infer!])).toEqual(['queue', 'encode', 'infer'])
  for (const part of [queue, encode, infer])
    expect(part).toMatchObject({
      ...{ kind: 'internal', parentId: whole!.context.spanId, context: { traceId: TRACE } },
      traceState: 'vendor=1',
    })
  expect(infer!.attributes).toEqual({ 'coalmine.batch.rows': 1, 'coalmine.batch.requests': 1 })
  const times = [whole!.startMs, queue!.startMs, queue!.endMs, encode!.endMs, infer!.endMs, whole!.endMs]
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect([encode!.startMs, infer!.startMs]).toEqual([queue!.endMs, encode!.endMs])
  expect(new Set(spans.map(({ context }) => context.spanId)).size).toBe(4)
})

test('a row of the link has the same spans, each row under its own attempt, of one run that says what it had', async () => {
  const it = tracer()
  const row = (meta: string) => ({
    ...{ kind: LINK_KIND.v1, body: Buffer.from(BODY), jsonLength: BODY.length, budgetMs: 0, pick: 0 },
    ...{ wantsIds: true, meta },
  })
  const other = SAMPLED.replace(ATTEMPT, 'b7ad6b7169203331')
  const frame = writeRequestFrame(1, [row(`r1\n${SAMPLED}`), row('r2'), row(`r3\n${other}\nvendor=1`)])
  const call = exchange(frame)
  handleLink(call.it, serving({ tracer: it }).it)
  await call.answered
  await it.close()
  const wholes = spans.filter(({ kind }) => kind === 'server')
  expect(wholes.map(({ parentId, attributes }) => [parentId, attributes['coalmine.request_id']])).toEqual([
    [ATTEMPT, 'r1'],
    ['b7ad6b7169203331', 'r3'],
  ])
  expect(wholes[1]).toMatchObject({ traceState: 'vendor=1', attributes: { 'coalmine.link': true } })
  for (const { context } of wholes)
    expect(
      spans.filter(({ parentId, name }) => parentId === context.spanId && name === 'infer'),
    ).toMatchObject([{ attributes: { 'coalmine.batch.rows': 3, 'coalmine.batch.requests': 3 } }])
})

test('a question with more rows than a run has waits once for each', async () => {
  const body = JSON.stringify({ instances: Array(6).fill({ x: 1 }) })
  expect(names(await asked({ traceparent: SAMPLED }, { body }))).toEqual([
    ...['queue', 'encode', 'infer', 'queue', 'encode', 'infer'],
    'POST /v1/models/m:predict',
  ])
})

describe('what goes wrong', () => {
  test('an answer that JSON cannot hold is an error of the whole', async () => {
    const whole = (await asked({ traceparent: SAMPLED }, { output: Number.NaN })).at(-1)
    expect(whole).toMatchObject({ kind: 'server', error: '500' })
  })

  test('a run that fails is an error, and is seen again when it is repeated for each alone', async () => {
    let runs = 0
    const it = tracer()
    const { it: served } = serving({ tracer: it, fails: () => runs++ === 0 })
    const calls = [exchange(BODY, { traceparent: SAMPLED }), exchange(BODY)]
    for (const call of calls) handle(call.it, V1, served)
    await Promise.all(calls.map(({ answered }) => answered))
    await it.close()
    const infer = spans.filter(({ name, context }) => name === 'infer' && context.traceId === TRACE)
    expect(infer.map(({ error, attributes }) => [error, attributes['coalmine.batch.requests']])).toEqual([
      ['model error', 2],
      [undefined, 1],
    ])
  })

  test('a request that breaks the contract waits for nothing, and is no error of the server', async () => {
    const [whole, ...more] = await asked({ traceparent: SAMPLED }, { body: '{"instances": [{"x": "a"}]}' })
    expect(more).toEqual([])
    expect(whole).toMatchObject({ error: undefined, attributes: { 'http.response.status_code': 422 } })
  })

  test('a time that runs out in the queue shows as a wait', async () => {
    const headers = { traceparent: SAMPLED, 'x-coalmine-budget-ms': '50000' }
    const made = await asked(headers, { nowMs: () => performance.now() + 60_000 })
    expect(names(made)).toEqual(['queue', 'POST /v1/models/m:predict'])
    expect(made.at(-1)!.attributes['http.response.status_code']).toBe(504)
  })
})

test.each([
  ['whoever asks does not sample it', { traceparent: UNSAMPLED }, 1],
  ['the gateway asks and names no trace', { 'x-coalmine-pick': '7' }, 1],
  ['a client names none, and none begin here', {}, 0],
])('nothing is traced where %s', async (_, headers, ratio) => {
  expect(await asked(headers as Record<string, string>, { ratio })).toEqual([])
})

test('a client that names no trace begins one', async () => {
  const whole = (await asked({})).at(-1)!
  expect(whole).toMatchObject({ kind: 'server', parentId: undefined })
  expect(whole.context.traceId).toMatch(/^[0-9a-f]{32}$/)
})

test('a collector that takes nothing keeps nobody from closing', async () => {
  const queue = new SpanQueue(() => new Promise(() => {}))
  const it = new WorkerTracer({ queue, ratio: 1 }, 1)
  queue.add({} as Span)
  await it.close()
  expect(queue.counts).toEqual({ exported: 0, failed: 0, dropped: 0 })
})
