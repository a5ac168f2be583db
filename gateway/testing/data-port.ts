import { request } from 'node:http'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { verify } from '@coalmine/contract/prediction-id.ts'
import { addCounts, type FinalCounts } from '@coalmine/core/evidence/counts.ts'
import { probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import { type RoutingTable, routingTable } from '@coalmine/core/routing/table.ts'
import { afterEach, beforeEach } from 'vitest'
import { dataApp } from '../data/app.ts'
import { DataPlane } from '../data/data-plane.ts'
import { dataServer } from '../data/data-server.ts'
import { DEFAULT_OVERLOAD } from '../data/overload.ts'
import { listenHttp1 } from '../http1/listen.ts'
import { DEFAULT_LISTENER } from '../http1/settings.ts'
import type {
  DeltaMessage,
  Endpoint,
  EndpointEvent,
  LabelsMessage,
  ModelLimits,
  PairsMessage,
  Trial,
  TrippedMessage,
} from '../messages.ts'
import { unpackFlush } from '../packed-flush.ts'
import { DEFAULT_RESILIENCE, type Resilience } from '../resilience.ts'
import { answering, upstream } from './upstream.ts'

const manifest = (version: string): Manifest =>
  ({
    name: 'churn',
    version,
    platform: 'onnxruntime_onnx',
    file: 'model.onnx',
    sha256: '0'.repeat(64),
    inputs: [{ name: 'tenure_months', type: 'int64', min: 0, max: 120 }],
    outputs: [
      { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
      { name: 'probabilities', type: 'float32', shape: [2] },
    ],
    score: { output: 'probabilities', index: 1, range: [0, 1] },
    batching: { maxBatchSize: 64 },
  }) as Manifest
export const digest = (version: string) => `sha256:${version}`
export const prediction = {
  predictions: [{ label: 1, probabilities: [0.2, 0.8] }],
  model_name: 'churn',
  model_version: '1.0.0',
}
export const BODY = JSON.stringify({ instances: [{ tenure_months: 3 }] })

export interface Reply {
  status: number
  headers: Record<string, string>
  body: string
}
export type Call = (
  method: string,
  path: string,
  options?: { body?: string; headers?: Record<string, string> },
) => Promise<Reply>

type Upstream = Awaited<ReturnType<typeof upstream>>
/** Of the test that runs: two versions' servers, and the data plane before them. */
export let stable: Upstream
export let canary: Upstream
export let plane: DataPlane
export let events: EndpointEvent[]
export let deltas: DeltaMessage[]
export let labels: LabelsMessage[]
export let pairs: PairsMessage[]
export let trips: TrippedMessage[]
/** The monotonic clock, which a test moves. */
export let clock: { ms: number }

const ID_KEY = { id: 3, secret: Buffer.alloc(32, 7).toString('base64') }
/** Added to `clock` it is the time of the evidence. */
export const EPOCH_OFFSET_MS = 1_000_000

const TRIAL: Trial = {
  recording: 'churn/7/0',
  shape: { horizonMs: 1000, deadlineMs: 5000, scores: 4, knots: 64, classes: 2 },
  scoreEdges: [0.25, 0.5, 0.75],
  scoreRange: [0, 1],
  firstAttemptMs: 5000,
  reserveMs: 50,
  shield: true,
  mirrorBp: 0,
}

interface Routing {
  weightBp?: number
  affinity?: { header: string } | { cookie: string }
  stableHealthy?: boolean
  canaryHealthy?: boolean
  limits?: Partial<ModelLimits>
  /** A rollout runs; what is left out is as in TRIAL. */
  trial?: Partial<Trial>
  baselineBp?: number
  serial?: number
  /** The canary is the stable version, on workers of its own. */
  measures?: boolean
  /** Beside one endpoint of each version. */
  more?: readonly Partial<Endpoint>[]
  own?: boolean
  resilience?: Partial<Resilience>
}

/** Says to the data plane what control would say. */
export function route({
  weightBp,
  affinity,
  stableHealthy = true,
  canaryHealthy = true,
  limits = {},
  trial,
  baselineBp = 0,
  serial = 7,
  measures = false,
  more = [],
  own = true,
  resilience = {},
}: Routing = {}): void {
  const canaryVersion = measures ? '1.0.0' : '1.1.0'
  const endpoint = (version: string, { origin }: Upstream, healthy: boolean) => ({
    id: `churn/${version}`,
    version,
    origin,
    healthy,
    own,
  })
  const split = {
    canary: { version: canaryVersion, digest: digest(canaryVersion) },
    weightBp: weightBp ?? 0,
    serial,
    salt: 'churn/7',
    startedAtMs: 0,
    actor: 'test',
  }
  const deployment = {
    model: 'churn',
    revision: 1,
    serial,
    applied: {},
    stable: { version: '1.0.0', digest: digest('1.0.0') },
    ...(affinity && { affinity }),
    ...(weightBp === undefined ? {} : { split }),
  }
  const table = routingTable(deployment as never)!
  plane.apply({
    kind: 'table',
    model: 'churn',
    table: trial ? rolloutTable(table, baselineBp) : table,
    ...(trial && { trial: { ...TRIAL, ...trial } }),
    versions: ['1.0.0', '1.1.0', '2.0.0'].map((version) => ({
      version,
      digest: digest(version),
      manifest: manifest(version),
    })),
    endpoints: [
      endpoint('1.0.0', stable, stableHealthy),
      { ...endpoint('1.1.0', canary, canaryHealthy), ...(measures && { version: '1.0.0', arm: 'canary' }) },
      ...more.map((one, i) => ({ ...endpoint('1.0.0', stable, true), id: `churn/more/${i}`, ...one })),
    ],
    limits: {
      ...{ timeoutMs: 10_000, bodyBytes: 1000, instances: 1024, jsonDepth: 32, jsonKeys: 10_000 },
      ...limits,
    },
    resilience: { ...DEFAULT_RESILIENCE, ...resilience },
  })
  models(['churn'])
}

/** It counts whatever its shares are. */
function rolloutTable(table: RoutingTable, baselineBp: number): RoutingTable {
  const edges = thresholds(table.weightBp, baselineBp)
  return { ...table, baselineBp, ...edges, stratum: probabilities(edges), counting: true }
}

/** Says which models there are. */
export function models(names: string[], epochOffsetMs: number = EPOCH_OFFSET_MS): void {
  plane.apply({
    ...{ kind: 'models', models: names, idKeys: [ID_KEY], epochOffsetMs },
    ...{ listener: DEFAULT_LISTENER, overload: DEFAULT_OVERLOAD },
  })
}

/** What a prediction id says. Throws where it is not signed by the gateway. */
export function idOf(reply: Reply) {
  const id = verify(reply.headers['x-prediction-id'] ?? '', new Map([[3, plane.idKey]]))
  if (!id.ok) throw new Error(`a prediction id that is ${id.error}`)
  return id.fields
}

/** First attempts by arm and outcome, as they are counted for metrics; without zeros. */
export function outcomes(): Record<string, Record<string, number>> {
  const counted = plane.recorder
    .snapshot()
    .arms.map(({ arm, outcomes }) => [
      arm,
      Object.fromEntries(Object.entries(outcomes).filter(([, count]) => count > 0)),
    ])
  return Object.fromEntries(counted.filter(([, some]) => Object.keys(some!).length > 0))
}

/** What the deltas have brought until every window is closed: requests, errors and aborted by arm; without zeros. */
export function evidence(): Record<string, FinalCounts> {
  clock.ms += 10_000
  plane.flush()
  const sums: Record<string, FinalCounts> = {}
  for (const { flush } of JSON.parse(JSON.stringify(deltas)) as DeltaMessage[])
    for (const { strata } of unpackFlush(flush).final!.windows)
      for (const { arms } of strata)
        for (const [arm, counts] of Object.entries(arms))
          if (counts.requests > 0)
            sums[arm] = sums[arm] === undefined ? counts : addCounts('final', sums[arm], counts)
  return sums
}

/** Gives each test a data plane and servers of its own. */
export function freshDataPlane(): void {
  beforeEach(async () => {
    events = []
    deltas = []
    labels = []
    pairs = []
    trips = []
    clock = { ms: 10_000 }
    plane = new DataPlane({
      report: (message) => {
        if (message.kind === 'endpoint') events.push(message)
        else if (message.kind === 'delta') deltas.push(message)
        else if (message.kind === 'labels') labels.push(message)
        else if (message.kind === 'pairs') pairs.push(message)
        else trips.push(message)
      },
      seed: Buffer.from('0123456789abcdef'),
      clock: () => clock.ms,
    })
    stable = await upstream(answering(prediction))
    canary = await upstream(answering({ ...prediction, model_version: '1.1.0' }))
  })

  afterEach(async () => {
    await stable.close()
    await canary.close()
    models([])
  })
}

/** The application over both ways that carry an exchange. */
export const adapters: Record<string, () => Promise<{ call: Call; close(): void }>> = {
  fetch: async () => {
    const app = dataApp(plane)
    return {
      call: async (method, path, { body, headers } = {}) => {
        const response = await app.request(path, {
          method,
          ...(body === undefined ? {} : { body }),
          ...(headers ? { headers } : {}),
        })
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          body: await response.text(),
        }
      },
      close: () => {},
    }
  },
  sockets: async () => {
    const { port, close } = await listenHttp1(dataServer(plane), { host: '127.0.0.1', port: 0 })
    return {
      call: (method, path, { body, headers } = {}) =>
        new Promise((resolve, reject) => {
          const sent = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
            const chunks: Buffer[] = []
            answer.on('data', (chunk) => chunks.push(chunk))
            answer.on('end', () =>
              resolve({
                status: answer.statusCode!,
                headers: answer.headers as Record<string, string>,
                body: Buffer.concat(chunks).toString(),
              }),
            )
          })
          sent.on('error', reject)
          sent.end(body)
        }),
      close: () => void close(),
    }
  },
}
