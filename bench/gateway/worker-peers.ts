import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { children, freePort } from '../children.ts'
import { assertGoldenAnswers } from '../load/golden-answers.ts'
import { MODELS, ROOT, startCoalmine } from './coalmine.ts'
import { MODEL, PATH, STABLE } from './echo-upstream.ts'
import type { Peer } from './peer.ts'

export const DIRECT = 'worker directly'
export const SERVED = 'Coalmine and its worker'

/** The same model in a worker that clients ask themselves, and in the gateway's own; nothing is pinned. */
export async function startWorkerPeers(folder: string): Promise<[direct: Peer, served: Peer]> {
  const [workerPort, gatewayPort] = [await freePort(), await freePort()]
  const worker = ['worker/main.ts', '--models', MODELS, '--model', MODEL, '--version', STABLE]
  const server = children.spawn(
    DIRECT,
    [process.execPath, ...worker, '--host', '127.0.0.1', '--port', `${workerPort}`],
    undefined,
    { cwd: ROOT, env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' } },
  )
  const gateway = await startCoalmine({
    folder: join(folder, 'served'),
    port: gatewayPort,
    models: { [MODEL]: { initial: STABLE, runtime: 'process' } },
    place: 'anywhere',
  })
  const peers: [Peer, Peer] = [
    { name: DIRECT, url: `http://127.0.0.1:${workerPort}${PATH}`, server, anywhere: true },
    { name: SERVED, url: `http://127.0.0.1:${gatewayPort}${PATH}`, server: gateway, anywhere: true },
  ]
  const model = await loadModelFolder(MODELS, MODEL, STABLE)
  for (const { name, url, server: started } of peers) {
    await started.ready(new URL('/readyz', url).href)
    await assertGoldenAnswers(name, url, model)
  }
  return peers
}
