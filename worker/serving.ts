import { MAX_IDS } from '@coalmine/contract/internal-headers.ts'
import type { JsonLimits } from '@coalmine/contract/json-limits.ts'
import type { Log } from '@coalmine/contract/log.ts'
import { elementsPerRow, type Manifest } from '@coalmine/contract/manifest.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Batcher } from './batcher.ts'
import { Distribution } from './distribution/distribution.ts'
import { compileRowWriter, type RowWriter } from './json-rows.ts'
import type { Metrics } from './metrics.ts'
import type { WorkerTracer } from './tracing/worker-tracer.ts'

/** What one counted row says: the score that is compared, and the class. NaN and -1 where there is none. */
export type RowFacts = {
  score(outputs: readonly TensorData[], row: number): number
  classOf(outputs: readonly TensorData[], row: number): number
}

/** Everything a request needs, settled when the model became ready. */
export type Serving = {
  manifest: Manifest
  digest: string
  /** What the version saw in training, where it says so. */
  reference?: Reference
  batcher: Batcher
  metrics: Pick<Metrics, 'observe' | 'linkRows'>
  log: Log
  /** Where predictions are traced. */
  tracer?: WorkerTracer
  bodyBytesMax: number
  instancesMax: number
  jsonLimits: JsonLimits
  /** Rows that one call of the link may have. */
  linkRowsMax: number
  writeRow: RowWriter
  facts: RowFacts
  /** What is seen of features and scores. */
  distribution: Distribution
  /** The end of every V1 answer: `],"model_name":...}`. */
  predictTail: string
  /** Members of `parameters` in every V2 answer, without braces. */
  inferParameters: string
  /** What was asked, whichever way and with which version in its path. */
  paths: { v1_predict: string; v2_infer: string }
  /** Response headers of every answer, flat. */
  headers: readonly string[]
}

export type ServingParts = Pick<
  Serving,
  | 'manifest'
  | 'digest'
  | 'reference'
  | 'batcher'
  | 'metrics'
  | 'log'
  | 'tracer'
  | 'bodyBytesMax'
  | 'instancesMax'
  | 'jsonLimits'
  | 'linkRowsMax'
>

export function compileServing(parts: ServingParts): Serving {
  const { manifest, digest } = parts
  const runId = manifest.provenance?.mlflowRunId
  const origin =
    `"model_digest":${JSON.stringify(digest)}` +
    (runId === undefined ? '' : `,"mlflow_run_id":${JSON.stringify(runId)}`)
  const identity = `"model_name":${JSON.stringify(manifest.name)},"model_version":${JSON.stringify(manifest.version)}`
  const facts = compileFacts(manifest)
  return {
    ...parts,
    writeRow: compileRowWriter(manifest.outputs),
    facts,
    distribution: new Distribution(manifest, digest, facts, () => performance.now()),
    predictTail: `],${identity},"parameters":{${origin}}}`,
    // KServe's client drops the version of a V2 answer but keeps its parameters.
    inferParameters: `"model_version":${JSON.stringify(manifest.version)},${origin}`,
    paths: {
      v1_predict: `/v1/models/${manifest.name}:predict`,
      v2_infer: `/v2/models/${manifest.name}/infer`,
    },
    headers: [
      'content-type',
      'application/json',
      'x-model-name',
      manifest.name,
      'x-model-version',
      manifest.version,
      'x-model-digest',
      digest,
    ],
  }
}

function compileFacts({ outputs, score }: Manifest): RowFacts {
  const scored = outputs.findIndex(({ name }) => name === score?.output)
  const scoreStride = scored < 0 ? 0 : elementsPerRow(outputs[scored]!)
  const scoreIndex = score?.index ?? 0
  const labelled = outputs.findIndex(({ labels }) => labels !== undefined)
  const { type = 'int64', labels = [] } = outputs[labelled] ?? {}
  const classStride = labelled < 0 ? 0 : elementsPerRow(outputs[labelled]!)
  return {
    score: (all, row) =>
      scored < 0 ? Number.NaN : Math.fround(Number(all[scored]![row * scoreStride + scoreIndex])),
    classOf: (all, row) => {
      if (labelled < 0) return -1
      const data = all[labelled]!
      if (classStride > 1) return argmax(data, row * classStride, classStride)
      const value = type === 'string' ? labels.indexOf(data[row] as string) : Number(data[row])
      return Number.isInteger(value) && value >= 0 && value < labels.length ? value : -1
    },
  }
}

function argmax(data: TensorData, first: number, elements: number): number {
  let best = 0
  for (let i = 1; i < elements; i++) if (data[first + i]! > data[first + best]!) best = i
  return best
}

/** Ids are asked for and few enough to be written one a row. */
export const idsPerRow = (pick: number, rows: number): boolean => pick >= 0 && rows <= MAX_IDS
