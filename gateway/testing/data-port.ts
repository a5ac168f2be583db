import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { afterEach, beforeEach } from 'vitest'
import { dataApp } from '../data/app.ts'
import { DataPlane } from '../data/data-plane.ts'
import { httpServer } from '../http-server.ts'
import type { EndpointEvent } from '../messages.ts'
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

interface Reply {
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

interface Routing {
  weightBp?: number
  affinity?: { header: string } | { cookie: string }
  stableHealthy?: boolean
  canaryHealthy?: boolean
  limits?: Partial<{ timeoutMs: number; bodyBytes: number }>
}

/** Says to the data plane what control would say. */
export function route({
  weightBp,
  affinity,
  stableHealthy = true,
  canaryHealthy = true,
  limits = {},
}: Routing = {}): void {
  const endpoint = (version: string, { origin }: Upstream, healthy: boolean) => ({
    id: `churn/${version}`,
    version,
    origin,
    healthy,
    own: true,
  })
  const split = {
    canary: { version: '1.1.0', digest: digest('1.1.0') },
    weightBp: weightBp ?? 0,
    serial: 7,
    salt: 'churn/7',
    startedAtMs: 0,
    actor: 'test',
  }
  plane.apply({
    kind: 'table',
    model: 'churn',
    table: routingTable({
      model: 'churn',
      revision: 1,
      serial: 7,
      applied: {},
      stable: { version: '1.0.0', digest: digest('1.0.0') },
      ...(affinity && { affinity }),
      ...(weightBp === undefined ? {} : { split }),
    } as never)!,
    versions: ['1.0.0', '1.1.0', '2.0.0'].map((version) => ({
      version,
      digest: digest(version),
      manifest: manifest(version),
    })),
    endpoints: [endpoint('1.0.0', stable, stableHealthy), endpoint('1.1.0', canary, canaryHealthy)],
    limits: { timeoutMs: 10_000, bodyBytes: 1000, instances: 1024, ...limits },
  })
  plane.apply({
    kind: 'models',
    models: ['churn'],
    idKey: { id: 3, secret: Buffer.alloc(32, 7).toString('base64') },
  })
}

/** Gives each test a data plane and servers of its own. */
export function freshDataPlane(): void {
  beforeEach(async () => {
    events = []
    plane = new DataPlane({ report: (event) => events.push(event), seed: Buffer.from('0123456789abcdef') })
    stable = await upstream(answering(prediction))
    canary = await upstream(answering({ ...prediction, model_version: '1.1.0' }))
  })

  afterEach(async () => {
    await stable.close()
    await canary.close()
    plane.apply({
      kind: 'models',
      models: [],
      idKey: { id: 3, secret: Buffer.alloc(32, 7).toString('base64') },
    })
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
  node: async () => {
    const server = httpServer(dataApp(plane))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
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
      close: () => {
        server.closeAllConnections()
        server.close()
      },
    }
  },
}
