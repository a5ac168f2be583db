import { Histogram } from '@coalmine/contract/histogram.ts'
import type { BodyFault, Exchange } from '@coalmine/contract/http/exchange.ts'
import { DEFAULT_JSON_LIMITS } from '@coalmine/contract/json-limits.ts'
import { silent } from '@coalmine/contract/testing/silent-log.ts'
import { describe, expect, test } from 'vitest'
import { Batcher } from './batcher.ts'
import { handle } from './call.ts'
import type { Outcome } from './metrics.ts'
import { V1 } from './protocol.ts'
import { compileServing } from './serving.ts'

const BODY = JSON.stringify({ instances: [{ x: 1 }] })

/** An exchange in memory; `answers` has every answer that was given. */
function exchange(body: string | BodyFault = BODY, headers: Record<string, string> = {}) {
  const answers: { status: number; headers: string[]; body: unknown }[] = []
  let here = true
  const { promise, resolve } = Promise.withResolvers<void>()
  const it: Exchange = {
    header: (name) => headers[name],
    readBody: (_, done) => done(body === 'gone' || body === 'too large' ? body : Buffer.from(body)),
    gone: () => !here,
    onGone: () => {},
    answer(status, headers, body) {
      answers.push({ status, headers, body: JSON.parse(`${body}`) })
      resolve()
    },
  }
  return {
    it,
    answers,
    answered: promise,
    leave: () => {
      here = false
    },
  }
}

function serving({ waitingMax = 10, nowMs = () => performance.now(), output = 1 } = {}) {
  const outcomes: Outcome[] = []
  let runs = 0
  const batcher = new Batcher({
    run: async ([input]) => {
      runs++
      return [Float32Array.from({ length: input!.shape[0]! }, () => output)]
    },
    encode: (records) => [
      {
        name: 'x',
        type: 'float32',
        datatype: 'FP32',
        shape: [records.length, 1],
        data: new Float32Array(records.length),
      },
    ],
    outputElements: [1],
    rowsPerRun: 4,
    waitingMax,
    nowMs,
    onRun: () => {},
    onModelError: () => {},
  })
  const it = compileServing({
    manifest: {
      name: 'm',
      version: '1',
      platform: 'onnxruntime_onnx',
      file: 'model.onnx',
      sha256: '0'.repeat(64),
      inputs: [{ name: 'x', type: 'float32' }],
      outputs: [{ name: 'y', type: 'float32' }],
      batching: { maxBatchSize: 4 },
    },
    digest: 'sha256:0',
    batcher,
    metrics: { observe: (_, outcome) => outcomes.push(outcome), linkRows: new Histogram([1]) },
    log: silent,
    bodyBytesMax: 1000,
    instancesMax: 10,
    jsonLimits: DEFAULT_JSON_LIMITS,
    linkRowsMax: 256,
  })
  return { it, batcher, outcomes, runs: () => runs }
}

describe('a call', () => {
  test('is counted once, with how it ended', async () => {
    const { it, outcomes } = serving()
    const call = exchange()
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 200, body: { predictions: [{ y: 1 }] } }])
    expect(outcomes).toEqual(['ok'])
  })

  test('that finds the queue full is told to come back', () => {
    const { it, outcomes } = serving({ waitingMax: 0 })
    const call = exchange()
    handle(call.it, V1, it)
    expect(call.answers).toMatchObject([{ status: 503, body: { error: 'too many requests are waiting' } }])
    expect(call.answers[0]!.headers.join(' ')).toContain('retry-after 1')
    expect(outcomes).toEqual(['overloaded'])
  })

  test('whose client left before the run is not run', async () => {
    const { it, batcher, outcomes, runs } = serving()
    const call = exchange()
    handle(call.it, V1, it)
    call.leave()
    await batcher.idle()
    expect([call.answers, runs(), outcomes]).toEqual([[], 0, ['abandoned']])
  })

  test('whose client left while sending is not run', () => {
    const { it, outcomes } = serving()
    const call = exchange('gone')
    handle(call.it, V1, it)
    expect([call.answers, outcomes]).toEqual([[], ['abandoned']])
  })

  test('whose time runs out in the queue is not run', async () => {
    const { it, outcomes, runs } = serving({ nowMs: () => performance.now() + 60_000 })
    const call = exchange(BODY, { 'x-coalmine-budget-ms': '50000' })
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 504 }])
    expect([runs(), outcomes]).toEqual([0, ['expired']])
  })

  test('is a model error when the model answers what JSON cannot hold', async () => {
    const { it, outcomes } = serving({ output: Number.NaN })
    const call = exchange()
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 500, body: { error: 'model error' } }])
    expect(outcomes).toEqual(['model_error'])
  })

  test.each([
    ['mine', /^mine$/],
    ['not one header value', /^[0-9a-f-]{36}$/],
    ['', /^[0-9a-f-]{36}$/],
    ['x'.repeat(129), /^[0-9a-f-]{36}$/],
  ])('with the request id "%s" is answered with one that a log can hold', async (id, expected) => {
    const { it } = serving()
    const call = exchange(BODY, { 'x-request-id': id })
    handle(call.it, V1, it)
    await call.answered
    const { headers } = call.answers[0]!
    expect(headers[headers.indexOf('x-request-id') + 1]).toMatch(expected)
  })
})
