import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { type Child, children, freePort } from './children.ts'
import { ROOT, startCoalmine } from './gateway/coalmine.ts'
import { assertGoldenAnswers } from './load/golden-answers.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load } from './load/wrk.ts'
import type { Benchmark } from './main.ts'
import { startProxy } from './peers/nginx.ts'
import { benchPython, pythonLine } from './python.ts'
import { judged, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/**
 * What a client gets of a real model through the gateway, beside what it gets of the worker without one: load generator,
 * gateway and worker together on the machine's cores, as on one small host.
 */
export const serving: Benchmark = {
  says: 'a real model through the gateway, beside its worker directly, nginx before it, and FastAPI',
  run,
}

const FASTAPI = fileURLToPath(new URL('./peers/fastapi_worker.py', import.meta.url))
const MODEL = 'churn'
const VERSION = '1.0.0'
/** V8 still compiles during the first seconds. */
const WARM_UP_S = 5
const CONCURRENCIES = [1, 64, 256] as const

interface Peer {
  name: string
  url: string
  server: Child
}

async function run(quick: boolean) {
  tool('wrk')
  const python = await benchPython()
  const [rounds, durationS] = quick ? [3, 2] : [7, 4]
  const folder = scratchFolder()
  const bodiesFile = join(folder, 'bodies.jsonl')
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_000, 1), 1))
  const peers = await startPeers(python, folder)
  const measured = new Map<number, Map<Peer, Load[]>>()
  for (const connections of CONCURRENCIES) {
    console.log(`${connections} in flight: ${rounds} rounds of ${durationS} s for each of ${peers.length}`)
    const once = ({ url, server }: Peer, seconds: number) =>
      load({ url, bodiesFile, connections, durationS: seconds, serverGroup: server.pid, anywhere: true })
    for (const peer of peers) await once(peer, WARM_UP_S)
    measured.set(connections, await alternate(peers, rounds, (peer) => once(peer, durationS)))
  }
  return report(peers, measured, python, rounds, durationS)
}

async function startPeers(python: string, folder: string): Promise<Peer[]> {
  const model = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  const peers: Peer[] = []
  const add = async (name: string, port: number, server: Child, ready: string) => {
    await server.ready(`http://127.0.0.1:${port}${ready}`)
    const url = `http://127.0.0.1:${port}/v1/models/${MODEL}:predict`
    await assertGoldenAnswers(name, url, model)
    peers.push({ name, url, server })
  }
  const direct = await freePort()
  const worker = ['worker/main.ts', '--models', 'models', '--model', MODEL, '--version', VERSION]
  const listening = ['--host', '127.0.0.1', '--port', `${direct}`]
  await add(
    'worker directly',
    direct,
    spawn('worker', [process.execPath, ...worker, ...listening]),
    '/readyz',
  )
  for (const processes of [1, 2]) {
    const port = await freePort()
    const models = { [MODEL]: { initial: VERSION, runtime: 'process' } }
    const own = join(folder, `${processes}`)
    const server = await startCoalmine({ folder: own, port, models, processes, place: 'anywhere' })
    await add(`Coalmine, ${processes} process${processes > 1 ? 'es' : ''}`, port, server, '/readyz')
  }
  const proxy = await freePort()
  await add('nginx', proxy, await startProxy(folder, proxy, direct, 'anywhere'), '/readyz')
  const fastapi = await freePort()
  await add('FastAPI', fastapi, spawn('FastAPI', [python, FASTAPI, model.path, `${fastapi}`]), '/readyz')
  return peers
}

const spawn = (name: string, command: string[]) =>
  children.spawn(name, command, undefined, { cwd: ROOT, env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' } })

function report(
  peers: readonly Peer[],
  measured: Map<number, Map<Peer, Load[]>>,
  python: string,
  rounds: number,
  durationS: number,
) {
  const of = (connections: number, peer: Peer, figure: keyof Load) =>
    measured
      .get(connections)!
      .get(peer)!
      .map((one) => one[figure])
  const named = (name: string) => peers.find((peer) => peer.name === name)!
  const gateways = peers.filter(({ name }) => name.startsWith('Coalmine'))
  /** Of the better of one process and two: how many there are is the operator's choice. */
  const best = (connections: number, other: string) => {
    const ratios = gateways.map((peer) => ({
      peer,
      figure: medianRatio(
        of(connections, peer, 'requestsPerS'),
        of(connections, named(other), 'requestsPerS'),
      ),
    }))
    return ratios.reduce((a, b) => (b.figure > a.figure ? b : a))
  }
  const row = (connections: number, other: string, sign: '>=' | '>', limit: number) => {
    const { peer, figure } = best(connections, other)
    return judged(`requests a second, ${connections} in flight: ${peer.name} / ${other}`, figure, sign, limit)
  }
  const added = (figure: 'p50Ms' | 'p99Ms') =>
    median(of(1, gateways[0]!, figure)) - median(of(1, named('worker directly'), figure))
  return {
    table: [
      ['', 'in flight', 'requests/s', 'lowest - highest', 'p50 ms', 'p99 ms'],
      ...CONCURRENCIES.flatMap((connections) =>
        peers.map((peer) => {
          const rates = of(connections, peer, 'requestsPerS')
          return [
            peer.name,
            `${connections}`,
            numeral(median(rates)),
            `${numeral(Math.min(...rates))} - ${numeral(Math.max(...rates))}`,
            numeral(median(of(connections, peer, 'p50Ms'))),
            numeral(median(of(connections, peer, 'p99Ms'))),
          ]
        }),
      ),
    ],
    notes: [
      `medians of ${rounds} rounds of ${durationS} s, peers in turn; nothing is pinned: load, gateway and worker share the cores`,
      `${MODEL} ${VERSION}, one record a request; the gateway has a worker of its own; FastAPI runs under ${pythonLine(python)}`,
    ],
    rows: [
      row(64, 'worker directly', '>=', 0.9),
      row(256, 'worker directly', '>=', 1.1),
      row(64, 'nginx', '>', 1),
      row(256, 'nginx', '>', 1),
      row(64, 'FastAPI', '>=', 5),
      row(256, 'FastAPI', '>=', 5),
      judged('added median latency with 1 in flight, ms', added('p50Ms'), '<=', 0.25),
    ],
    information: [{ name: 'added p99 with 1 in flight', figure: added('p99Ms'), unit: 'ms' }],
  }
}
