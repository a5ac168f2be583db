import { Histogram } from '@coalmine/contract/histogram.ts'
import type { BodyFault, Exchange } from '@coalmine/contract/http/exchange.ts'
import { DEFAULT_JSON_LIMITS } from '@coalmine/contract/json-limits.ts'
import { silent } from '@coalmine/contract/testing/silent-log.ts'
import { Batcher } from '../batcher.ts'
import type { Outcome } from '../metrics.ts'
import { compileServing } from '../serving.ts'
import type { WorkerTracer } from '../tracing/worker-tracer.ts'

/** A good request of one row. */
export const BODY = JSON.stringify({ instances: [{ x: 1 }] })

/** An exchange in memory; `answers` has every answer that was given, texts as the JSON that they are. */
export function exchange(body: string | Buffer | BodyFault = BODY, headers: Record<string, string> = {}) {
  const answers: { status: number; headers: string[]; body: unknown }[] = []
  let here = true
  const { promise, resolve } = Promise.withResolvers<void>()
  const it: Exchange = {
    header: (name) => headers[name],
    readBody: (_, done) => done(body === 'gone' || body === 'too large' ? body : Buffer.from(body)),
    gone: () => !here,
    onGone: () => {},
    answer(status, headers, body) {
      answers.push({ status, headers, body: typeof body === 'string' ? JSON.parse(body) : body })
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

/** What serves `{ x }` with `{ y: output }`; `runs` has the rows of every run. */
export function serving({
  waitingMax = 10,
  nowMs = () => performance.now(),
  output = 1,
  linkRowsMax = 256,
  tracer = undefined as WorkerTracer | undefined,
  fails = (): boolean => false,
} = {}) {
  const outcomes: Outcome[] = []
  const runs: number[] = []
  const batcher = new Batcher({
    run: async ([input]) => {
      runs.push(input!.shape[0]!)
      if (fails()) throw new Error('the model fails')
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
    isWatched: tracer !== undefined,
    nowMs,
    onRun: () => {},
    onAnswered: (run) => it.distribution.add(run),
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
    ...(tracer && { tracer }),
    bodyBytesMax: 1000,
    instancesMax: 10,
    jsonLimits: DEFAULT_JSON_LIMITS,
    linkRowsMax,
  })
  return { it, batcher, outcomes, runs }
}
