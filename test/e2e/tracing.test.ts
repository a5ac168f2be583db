import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { get, post, spawnWorker, type WorkerProcess } from '../../worker/testing/worker-process.ts'
import { CUSTOMER, Gateway, ROOT, until } from './gateway-process.ts'
import { type CollectedSpan, Collector } from './otlp-collector.ts'

const PARENT = '00f067aa0ba902b7'
const [INTERNAL, SERVER] = [1, 2]
/** A body so long has a request of its own to the worker. */
const ALONE = 100

let collector: Collector
beforeAll(async () => {
  collector = await Collector.start()
})
afterAll(() => collector?.close())

const newTrace = () => randomBytes(16).toString('hex')
const only = (spans: CollectedSpan[], name: string): CollectedSpan => {
  const found = spans.filter((span) => span.name === name)
  expect([name, found.length]).toEqual([name, 1])
  return found[0]!
}

describe('a gateway that traces, with its workers', () => {
  let gateway: Gateway
  const sampled = new Set<string>()
  beforeAll(async () => {
    gateway = await Gateway.start({
      models: '  churn: { initial: 1.0.0, runtime: process }',
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-key=k1',
        OTEL_SERVICE_NAME: 'churn-gateway',
        OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      },
    })
  })
  afterAll(() => gateway?.dispose())

  test.each([
    ['over the link', 1, true],
    ['by a request of its own', ALONE, false],
  ])('one trace from the client to the run of the model, %s', async (_, rows, isLink) => {
    const records = Array(rows).fill(CUSTOMER)
    const traceId = newTrace()
    sampled.add(traceId)
    // Whatever these left behind would come before the spans that are waited for.
    expect((await gateway.predict(records)).status).toBe(200)
    const unsampled = { traceparent: `00-${newTrace()}-${PARENT}-00` }
    expect((await gateway.predict(records, unsampled)).status).toBe(200)
    const traced = await gateway.predict(records, { traceparent: `00-${traceId}-${PARENT}-01` })
    expect(traced.status).toBe(200)
    // Each process sends the spans of a prediction together, that of the whole last.
    await until(
      () => collector.of(traceId).filter(({ kind }) => kind === SERVER).length === 2,
      () => JSON.stringify(collector.spans, undefined, 1),
    )
    expect(new Set(collector.spans.map((span) => span.traceId))).toEqual(sampled)
    const spans = collector.of(traceId)
    const ofGateway = spans.filter(({ resource }) => resource['service.name'] === 'churn-gateway')
    const ofWorker = spans.filter(({ resource }) => resource['service.name'] === 'churn-gateway-worker')
    expect(ofGateway.length + ofWorker.length).toBe(spans.length)

    const request = only(ofGateway, 'POST /v1/models/churn:predict')
    const attempt = only(ofGateway, 'POST')
    expect([request.parentId, attempt.parentId]).toEqual([PARENT, request.spanId])
    expect(request.attributes).toMatchObject({ 'coalmine.arm': 'stable', 'coalmine.answered_by': '1.0.0' })

    const question = only(ofWorker, 'POST /v1/models/churn:predict')
    expect(question).toMatchObject({ parentId: attempt.spanId, kind: SERVER })
    expect(question.attributes).toMatchObject({
      ...{ 'coalmine.request_id': traced.headers.get('x-request-id'), 'coalmine.rows': rows },
      ...{ 'coalmine.link': isLink, 'http.response.status_code': 200 },
    })
    const parts = ofWorker.filter((span) => span !== question)
    expect(new Set(parts.map(({ name }) => name))).toEqual(new Set(['queue', 'encode', 'infer']))
    for (const part of parts) expect(part).toMatchObject({ parentId: question.spanId, kind: INTERNAL })
    expect(question.resource).toMatchObject({ 'coalmine.model': 'churn', 'coalmine.version': '1.0.0' })
    expect(question.resource['process.pid']).toBe(gateway.children('worker/main.ts')[0])

    expect(traced.headers.get('traceresponse')).toBe(`00-${traceId}-${request.spanId}-01`)
    for (const { url, headers } of collector.requests)
      expect([url, headers['content-type'], headers['x-key']]).toEqual([
        ...['/v1/traces', 'application/x-protobuf', 'k1'],
      ])
  })

  test('an explanation is in the trace, down to its worker', async () => {
    const traceId = newTrace()
    const url = `http://127.0.0.1:${gateway.ports.data}/v1/models/churn:explain`
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${PARENT}-01` },
      body: JSON.stringify({ instances: [CUSTOMER] }),
    })
    expect(answer.status).toBe(200)
    await until(
      () => collector.of(traceId).length === 3,
      () => JSON.stringify(collector.spans, undefined, 1),
    )
    const spans = collector.of(traceId)
    const [request, question] = ['churn-gateway', 'churn-gateway-worker'].map((service) =>
      only(
        spans.filter(({ resource }) => resource['service.name'] === service),
        'POST /v1/models/churn:explain',
      ),
    )
    const attempt = only(spans, 'POST')
    expect([request!.parentId, attempt.parentId, question!.parentId]).toEqual([
      ...[PARENT, request!.spanId, attempt.spanId],
    ])
    expect(question!.attributes).toMatchObject({
      ...{ 'coalmine.request_id': answer.headers.get('x-request-id'), 'coalmine.rows': 1 },
      'http.response.status_code': 200,
    })
  })

  test('what was exported is counted', async () => {
    // Two predictions and an explanation were sampled, each with one attempt.
    await until(async () =>
      /coalmine_trace_spans_total\{result="exported"\} 6\n/.test(await gateway.metrics()),
    )
  })
})

describe('a worker that somebody else started', () => {
  let worker: WorkerProcess | undefined
  afterEach(async () => {
    worker?.child.kill('SIGKILL')
    await worker?.exited
  })

  test('has its spans under those of whoever asks, and sends what it has before it ends', async () => {
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }
    const flags = ['--models', `${ROOT}/models`, '--model', 'churn', '--version', '1.1.0', '--port', '0']
    worker = spawnWorker(flags, env)
    const { address } = await worker.ready
    const path = '/v1/models/churn:predict'
    const predict = async (traceId: string) => {
      const headers = { traceparent: `00-${traceId}-${PARENT}-01` }
      expect((await post(address!, path, { instances: [CUSTOMER] }, headers)).status).toBe(200)
    }
    const [before, last] = [newTrace(), newTrace()]
    await predict(before)
    await until(async () =>
      /coalmine_worker_trace_spans_total\{[^}]*result="exported"\} 4\n/.test(
        (await get(address!, '/metrics')).body,
      ),
    )
    await predict(last)
    worker.child.kill('SIGTERM')
    expect(await worker.exited).toBe(0)
    const spans = collector.of(last)
    expect(spans.map(({ name }) => name)).toEqual(['queue', 'encode', 'infer', `POST ${path}`])
    expect(spans.at(-1)).toMatchObject({
      parentId: PARENT,
      resource: {
        ...{ 'service.name': 'coalmine-worker', 'coalmine.model': 'churn', 'coalmine.version': '1.1.0' },
      },
    })
    // The records that it checks itself by are nobody's request.
    const all = collector.spans.filter(({ resource }) => resource['service.name'] === 'coalmine-worker')
    expect(all).toEqual([...collector.of(before), ...spans])
  })
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
