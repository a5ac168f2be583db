import { type Child, freePort } from '../children.ts'
import { startUpstream } from '../peers/nginx.ts'

export const MODEL = 'churn'
export const STABLE = '1.0.0'
export const CANARY = '1.1.0'
export const CANARY_PERCENT = 5
export const PATH = `/v1/models/${MODEL}:predict`

const PREDICTION = { label: 1, probabilities: [0.33388781547546387, 0.6661121845245361] }

/** Two versions of a model that cost nothing: each POST gets a fixed answer, which says whose it is. */
export interface EchoUpstream {
  server: Child
  /** Of the stable version and of the canary. */
  ports: readonly [number, number]
}

/**
 * @param folder of its own
 * @param rows that every answer has, and so every request
 */
export async function startEchoUpstream(folder: string, rows = 1): Promise<EchoUpstream> {
  const ports = [await freePort(), await freePort()] as const
  const row = JSON.stringify(PREDICTION)
  const body = (version: string) => answer(version, rows).replaceAll(row, '$row')
  const server = await startUpstream(folder, [
    { port: ports[0], body: body(STABLE), row },
    { port: ports[1], body: body(CANARY), row },
  ])
  await server.ready(`http://127.0.0.1:${ports[0]}/v2/health/ready`)
  return { server, ports }
}

/** An answer of our worker, word for word; 235 bytes with one row. */
export function answer(version: string, rows = 1): string {
  return JSON.stringify({
    predictions: Array.from({ length: rows }, () => PREDICTION),
    model_name: MODEL,
    model_version: version,
    parameters: { model_digest: `sha256:${'0'.repeat(64)}` },
  })
}

/** A split by hand of one model between the two upstreams, as under `models` of the configuration. */
export function splitByHand([stable, canary]: readonly [number, number]) {
  return {
    initial: STABLE,
    version: CANARY,
    policy: 'none',
    weight: CANARY_PERCENT,
    runtime: {
      static: { [STABLE]: [`http://127.0.0.1:${stable}`], [CANARY]: [`http://127.0.0.1:${canary}`] },
    },
  }
}
