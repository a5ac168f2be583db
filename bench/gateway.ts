import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { stringify } from 'yaml'
import { type Child, children, freePort } from './children.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { isPinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { startProxy, startUpstream } from './peers/nginx.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** What the way through a gateway costs, beside plain proxies: one process each, on one core. */
export const gateway: Benchmark = {
  says: 'the gateway, routing and measuring, beside plain proxies: nginx and Fastify',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODEL = 'churn'
const STABLE = '1.0.0'
const CANARY = '1.1.0'
const CANARY_PERCENT = 5
const PATH = `/v1/models/${MODEL}:predict`
/** V8 still compiles during the first seconds, on the core that is measured. */
const WARM_UP_S = 4
/** Above these shares of what load generator and upstream reach alone, they are part, or all, of what is measured. */
const NEAR_CEILING = 0.85
const AT_CEILING = 0.95

interface Peer {
  name: string
  url: string
  server: Child
}

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS] = quick ? [3, 2] : [5, 4]
  const folder = scratchFolder()
  const bodiesFile = join(folder, 'bodies.jsonl')
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, STABLE)
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_000, 1), 1))
  const peers = await startPeers(folder)
  const measureAt = async (connections: number): Promise<Map<Peer, Load[]>> => {
    console.log(`${connections} in flight: ${rounds} rounds of ${durationS} s for each of ${peers.length}`)
    const once = ({ url, server }: Peer, seconds = durationS) =>
      load({ url, bodiesFile, connections, durationS: seconds, serverGroup: server.pid })
    // A first, uncounted run lets compilers and caches warm up.
    for (const peer of peers) await once(peer, WARM_UP_S)
    return alternate(peers, rounds, (peer) => once(peer))
  }
  const busy = await measureAt(32)
  const single = await measureAt(1)
  for (const peer of peers) await assertAnswers(peer)
  return report(peers, busy, single, rounds, durationS)
}

/** The upstream asked directly comes first; it is the ceiling. */
async function startPeers(folder: string): Promise<Peer[]> {
  const [stable, canary] = [await freePort(), await freePort()]
  const upstream = await startUpstream(folder, [
    { port: stable, body: answer(STABLE) },
    { port: canary, body: answer(CANARY) },
  ])
  await upstream.ready(`http://127.0.0.1:${stable}/v2/health/ready`)
  const peers: Peer[] = [
    { name: 'upstream alone', url: `http://127.0.0.1:${stable}${PATH}`, server: upstream },
  ]
  const add = async (name: string, start: (port: number) => Child | Promise<Child>) => {
    const port = await freePort()
    const server = await start(port)
    await server.ready(`http://127.0.0.1:${port}/v2/health/ready`)
    peers.push({ name, server, url: `http://127.0.0.1:${port}${PATH}` })
  }
  const proxy =
    (file: string, ...more: string[]) =>
    (port: number) => {
      const script = fileURLToPath(new URL(`./peers/${file}`, import.meta.url))
      const command = [process.execPath, script, `${port}`, `http://127.0.0.1:${stable}`, ...more]
      return children.spawn(file, command, 'server')
    }
  await add('nginx', (port) => startProxy(folder, port, stable))
  await add('Fastify', proxy('fastify-proxy.ts', 'stream'))
  await add('Fastify, buffered', proxy('fastify-proxy.ts', 'buffer'))
  await add('bare Hono + undici', proxy('bare-proxy.ts'))
  await add('Coalmine', (port) => startGateway(folder, port, { [STABLE]: stable, [CANARY]: canary }))
  for (const peer of peers) await assertAnswers(peer)
  await assertSplits(peers.at(-1)!)
  return peers
}

/** The product as it is shipped: supervisor, control process and one data process, a canary at 5 %. */
async function startGateway(folder: string, port: number, versions: Record<string, number>): Promise<Child> {
  const [admin, metrics] = [await freePort(), await freePort()]
  const endpoints = Object.entries(versions).map(([version, at]) => [version, [`http://127.0.0.1:${at}`]])
  const config = {
    listen: { data: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, metrics: `127.0.0.1:${metrics}` },
    processes: 1,
    store: `sqlite:${join(folder, 'coalmine.db')}`,
    modelsFolder: join(ROOT, 'models'),
    models: {
      [MODEL]: {
        initial: STABLE,
        version: CANARY,
        policy: 'none',
        weight: CANARY_PERCENT,
        runtime: { static: Object.fromEntries(endpoints) },
      },
    },
  }
  await mkdir(join(folder, 'config'))
  const file = join(folder, 'config', 'gateway.yaml')
  await writeFile(file, stringify(config))
  return children.spawn('Coalmine', [process.execPath, 'gateway/main.ts', '--config', file], 'server', {
    cwd: ROOT,
  })
}

/** An answer of our worker, word for word; 235 bytes. */
function answer(version: string): string {
  return JSON.stringify({
    predictions: [{ label: 1, probabilities: [0.33388781547546387, 0.6661121845245361] }],
    model_name: MODEL,
    model_version: version,
    parameters: { model_digest: `sha256:${'0'.repeat(64)}` },
  })
}

async function ask({ name, url }: Peer): Promise<string> {
  const body = '{"instances":[{}]}'
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const text = await response.text()
  if (response.status !== 200) throw new NoVerdict(`${name} answers ${response.status}: ${text}`)
  return text
}

async function assertAnswers(peer: Peer): Promise<void> {
  const text = await ask(peer)
  if (text !== answer(STABLE) && text !== answer(CANARY))
    throw new NoVerdict(`${peer.name} does not pass on the upstream's answer, but says: ${text}`)
}

/** Of 400 requests at 5 % none to the canary is a chance of 1 in 800 million. */
async function assertSplits(peer: Peer): Promise<void> {
  const texts = await Promise.all(Array.from({ length: 400 }, () => ask(peer)))
  if (new Set(texts).size !== 2)
    throw new NoVerdict(`${peer.name} gives its canary nothing: this is not the product at work`)
}

function report(
  peers: readonly Peer[],
  busy: Map<Peer, Load[]>,
  single: Map<Peer, Load[]>,
  rounds: number,
  durationS: number,
) {
  const of = (loads: Map<Peer, Load[]>, peer: Peer, figure: keyof Load) =>
    loads.get(peer)!.map((one) => one[figure])
  const middle = (loads: Map<Peer, Load[]>, peer: Peer, figure: keyof Load) => median(of(loads, peer, figure))
  const added = (peer: Peer, figure: 'p50Ms' | 'p99Ms') =>
    middle(single, peer, figure) - middle(single, peers[0]!, figure)
  const named = (name: string) => peers.find((peer) => peer.name === name)!
  const ratio = (name: string) =>
    medianRatio(of(busy, named('Coalmine'), 'requestsPerS'), of(busy, named(name), 'requestsPerS'))

  const ceiling = middle(busy, peers[0]!, 'requestsPerS')
  const near = peers.slice(1).flatMap((peer) => {
    const share = middle(busy, peer, 'requestsPerS') / ceiling
    if (share <= NEAR_CEILING) return []
    const percent = (share * 100).toFixed(0)
    const finding = `${peer.name} reaches ${percent} % of what wrk and the upstream reach alone`
    if (share > AT_CEILING)
      throw new NoVerdict(`${finding}: they are the limit, not it. Use a machine with more cores.`)
    return [`${finding}: with more cores it might be faster, and the ratio to it lower`]
  })
  return {
    table: [
      [
        '',
        'requests/s',
        'lowest - highest',
        'p99 ms',
        'CPU us a request',
        'others %',
        'added p50 ms',
        'added p99 ms',
      ],
      ...peers.map((peer, i) => [
        peer.name,
        numeral(middle(busy, peer, 'requestsPerS')),
        `${numeral(Math.min(...of(busy, peer, 'requestsPerS')))} - ${numeral(Math.max(...of(busy, peer, 'requestsPerS')))}`,
        numeral(middle(busy, peer, 'p99Ms')),
        numeral(middle(busy, peer, 'cpuUsPerRequest')),
        i === 0 ? '' : middle(busy, peer, 'othersPercent').toFixed(0),
        i === 0 ? '' : numeral(added(peer, 'p50Ms')),
        i === 0 ? '' : numeral(added(peer, 'p99Ms')),
      ]),
    ],
    notes: [
      ...near,
      `medians of ${rounds} rounds of ${durationS} s, peers in turn, 32 in flight; added latency with 1 in flight, against the upstream alone`,
      isPinned()
        ? 'each proxy on core 0; wrk and the upstream elsewhere'
        : 'not pinned: one core or no taskset',
      neighbourNote(peers.slice(1).flatMap((peer) => [busy.get(peer)!, single.get(peer)!])),
      `Coalmine routes ${CANARY_PERCENT} % to a canary, signs prediction ids, reads scores and keeps metrics; the others only pass on`,
    ],
    rows: [
      judged('requests a second: Coalmine / Fastify', ratio('Fastify'), '>=', 1.6),
      judged('requests a second: Coalmine / nginx', ratio('nginx'), '>=', 0.35),
    ],
    information: ['Fastify, buffered', 'bare Hono + undici'].map((name) => ({
      name: `requests a second: Coalmine / ${name}`,
      figure: ratio(name),
      unit: 'times',
    })),
  }
}
