import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getHeapStatistics } from 'node:v8'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'
import { drawArm, probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'
import { Recording } from '@coalmine/gateway/data/recording.ts'
import { Tripwire } from '@coalmine/gateway/data/tripwire.ts'
import { type Child, children, freePort } from './children.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { isPinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { startUpstream } from './peers/nginx.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** What a rollout costs the requests it judges: the same data process with a split by hand, and with a rollout. */
export const recording: Benchmark = {
  says: 'a data process that records a rollout, beside one that splits by hand',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODEL = 'churn'
const PATH = `/v1/models/${MODEL}:predict`
/** V8 still compiles during the first seconds, on the core that is measured. */
const WARM_UP_S = 4
const MODES = ['split', 'rollout'] as const

interface Peer {
  mode: (typeof MODES)[number]
  url: string
  server: Child
}

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS] = quick ? [6, 2] : [30, 2]
  const folder = scratchFolder()
  const bodiesFile = join(folder, 'bodies.jsonl')
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, '1.0.0')
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_000, 1), 1))
  const peers = await startPeers(folder)
  const once = ({ url, server }: Peer, seconds = durationS) =>
    load({ url, bodiesFile, connections: 32, durationS: seconds, serverGroup: server.pid })
  // A first, uncounted run lets compilers and caches warm up.
  for (const peer of peers) await once(peer, WARM_UP_S)
  const measured = await alternate(peers, rounds, (peer) => once(peer))
  for (const peer of peers) await assertAnswers(peer)
  return report(peers, measured, rounds, durationS, recordingCost(quick ? 20 : 100))
}

async function startPeers(folder: string): Promise<Peer[]> {
  const ports = [await freePort(), await freePort()]
  const versions = ['1.0.0', '1.1.0'].map((version, i) => ({ port: ports[i]!, body: answer(version) }))
  const upstream = await startUpstream(folder, versions)
  const origins = ports.map((port) => `http://127.0.0.1:${port}`)
  await upstream.ready(`${origins[0]}/v2/health/ready`)
  const script = fileURLToPath(new URL('./peers/data-plane.ts', import.meta.url))
  const peers: Peer[] = []
  for (const mode of MODES) {
    const port = await freePort()
    const server = children.spawn(mode, [process.execPath, script, `${port}`, ...origins, mode], 'server')
    await server.ready(`http://127.0.0.1:${port}/v2/health/ready`)
    const peer = { mode, server, url: `http://127.0.0.1:${port}${PATH}` }
    await assertAnswers(peer)
    peers.push(peer)
  }
  return peers
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

async function assertAnswers({ mode, url }: Peer): Promise<void> {
  const body = '{"instances":[{}]}'
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const text = await response.text()
  if (response.status !== 200) throw new NoVerdict(`${mode}: answers ${response.status}: ${text}`)
}

const REQUESTS_A_SECOND = 20_000

/** What recording does of a request, drawn, answered and watched: time, and heap that it allocates. */
function recordingCost(seconds: number): { readonly ns: number; readonly bytes: number } {
  const edges = thresholds(500, 500)
  const table = { stratum: probabilities(edges) } as RoutingTable
  const draw = seededRandom(new Uint8Array(16).fill(7))
  // Drawn before: what a draw costs is not the recording's.
  const arms = Array.from({ length: REQUESTS_A_SECOND }, () => drawArm(edges, draw()))
  const answers = Array.from({ length: REQUESTS_A_SECOND }, (_, i) => ({
    elapsedMs: 1 + draw() / 2 ** 30,
    said: { rows: 1, row: 0, score: draw() / 2 ** 32, class: i & 1 },
  }))
  const one = new Recording(
    {
      recording: 'bench',
      shape: { horizonMs: 1000, deadlineMs: 5000, scores: 64, knots: KNOTS, classes: 2 },
      scoreEdges: Array.from({ length: 63 }, (_, i) => (i + 1) / 64),
      scoreRange: [0, 1],
      firstAttemptMs: 5000,
      reserveMs: 50,
      shield: true,
      mirrorBp: 0,
    },
    {
      model: MODEL,
      epochOffsetMs: 1e12,
      random: draw,
      send: () => {},
      lost: { unrecorded: 0, dropped: 0, stalledSeconds: 0 },
    },
    0,
  )
  const tripwire = new Tripwire()
  const second = (nowMs: number) => {
    for (let i = 0; i < REQUESTS_A_SECOND; i++) {
      const { elapsedMs, said } = answers[i]!
      const token = one.assign(nowMs, arms[i]!, table)
      one.settle(token, 'ok', elapsedMs, said)
      tripwire.see(arms[i]!, 'ok')
    }
  }
  const ns: number[] = []
  const allocated: number[] = []
  for (let index = 0; index < 1.2 * seconds; index++) {
    // Reading the heap's statistics closes a page, which is no request's: as much as around nothing is left out.
    const around = bytesOf(() => {})
    const startMs = performance.now()
    const bytes = bytesOf(() => second(index * 1000))
    const tookMs = performance.now() - startMs
    // The first fifth compiles.
    if (index >= 0.2 * seconds) {
      allocated.push((bytes - around) / REQUESTS_A_SECOND)
      ns.push((tookMs * 1e6) / REQUESTS_A_SECOND)
    }
    one.flush((index + 1) * 1000)
  }
  return { ns: median(ns), bytes: Math.max(0, median(allocated)) }
}

function bytesOf(work: () => void): number {
  const before = getHeapStatistics().total_allocated_bytes
  work()
  return getHeapStatistics().total_allocated_bytes - before
}

function report(
  peers: readonly Peer[],
  measured: Map<Peer, Load[]>,
  rounds: number,
  durationS: number,
  cost: { readonly ns: number; readonly bytes: number },
) {
  const of = (peer: Peer, figure: keyof Load) => measured.get(peer)!.map((one) => one[figure])
  const [split, rollout] = peers as [Peer, Peer]
  return {
    table: [
      ['', 'requests/s', 'lowest - highest', 'p99 ms', 'CPU us a request', 'others %'],
      ...peers.map((peer) => [
        peer.mode,
        numeral(median(of(peer, 'requestsPerS'))),
        `${numeral(Math.min(...of(peer, 'requestsPerS')))} - ${numeral(Math.max(...of(peer, 'requestsPerS')))}`,
        numeral(median(of(peer, 'p99Ms'))),
        numeral(median(of(peer, 'cpuUsPerRequest'))),
        median(of(peer, 'othersPercent')).toFixed(0),
      ]),
    ],
    notes: [
      `medians of ${rounds} rounds of ${durationS} s, the two in turn, 32 in flight; canary at 5 %, the rollout's baseline too`,
      isPinned()
        ? 'each data process on core 0; wrk and the upstream elsewhere'
        : 'not pinned: one core or no taskset',
      neighbourNote(peers.map((peer) => measured.get(peer)!)),
    ],
    rows: [
      judged(
        'requests a second: rollout / split',
        medianRatio(of(rollout, 'requestsPerS'), of(split, 'requestsPerS')),
        '>=',
        0.97,
      ),
      judged(
        'recording a request, bytes of heap: numbers alone, no objects',
        Math.round(cost.bytes),
        '<=',
        64,
      ),
    ],
    information: [
      {
        name: 'CPU time a request: rollout / split',
        figure: medianRatio(of(rollout, 'cpuUsPerRequest'), of(split, 'cpuUsPerRequest')),
        unit: 'times',
      },
      { name: 'recording a request, median of seconds', figure: cost.ns, unit: 'ns' },
    ],
  }
}
