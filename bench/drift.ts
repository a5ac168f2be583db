import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Layout, trainedLayout } from '@coalmine/contract/distribution/layout.ts'
import { compileEncoder } from '@coalmine/contract/encode.ts'
import { loadModelFolder, type ModelFolder } from '@coalmine/contract/model-folder.ts'
import { Tally } from '@coalmine/worker/distribution/tally.ts'
import { type Child, children, freePort } from './children.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { isPinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** What counting features and scores costs the worker that answers, which is all that predictions pay for drift. */
export const drift: Benchmark = {
  says: 'a worker that counts what it sees, beside one that nobody asks',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODEL = 'churn'
const WARM_UP_S = 4
const ASK_MS = 1_000
/** A run of the model seldom has more, and seldom fewer under load. */
const ROWS_PER_RUN = 16

interface Peer {
  name: string
  server: Child
  url: string
  layouts: readonly Layout[]
}

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS] = quick ? [6, 2] : [30, 2]
  const folder = scratchFolder()
  const [own, other] = await Promise.all(
    ['1.0.0', '1.1.0'].map((version) => loadModelFolder(join(ROOT, 'models'), MODEL, version)),
  )
  const layouts = [own!, other!].map(({ reference, manifest }) => trainedLayout(reference!, manifest).layout)
  const records = drawRecords(own!.manifest, 1_024, 1)
  const bodiesFile = join(folder, 'bodies.jsonl')
  await writeFile(bodiesFile, predictBodies(records, 1))
  const peers = [
    await startPeer('counts nothing', []),
    await startPeer('counts in the bins of its training', layouts.slice(0, 1)),
    await startPeer('counts in those of stable as well', layouts),
  ]
  const once = (peer: Peer, seconds = durationS) =>
    asking(peer, () =>
      load({ url: peer.url, bodiesFile, connections: 32, durationS: seconds, serverGroup: peer.server.pid }),
    )
  for (const peer of peers) await once(peer, WARM_UP_S)
  const loads = await alternate(peers, rounds, (peer) => once(peer))
  return report(peers, loads, rounds, durationS, nanoseconds(own!, records, layouts.slice(0, 1)))
}

async function startPeer(name: string, layouts: readonly Layout[]): Promise<Peer> {
  const port = await freePort()
  const flags = ['--models', 'models', '--model', MODEL, '--version', '1.0.0', '--host', '127.0.0.1']
  const command = [process.execPath, 'worker/main.ts', ...flags, '--port', `${port}`]
  const server = children.spawn(name, command, 'server', { cwd: ROOT })
  const origin = `http://127.0.0.1:${port}`
  await server.ready(`${origin}/readyz`)
  return { name, server, url: `${origin}/v1/models/${MODEL}:predict`, layouts }
}

/** A gateway asks more seldom. */
async function asking<T>({ url, layouts }: Peer, work: () => Promise<T>): Promise<T> {
  if (layouts.length === 0) return work()
  const before = await ask(url, layouts)
  const timer = setInterval(() => void ask(url, layouts), ASK_MS)
  const result = await work()
  clearInterval(timer)
  if ((await ask(url, layouts)) <= before) throw new NoVerdict('a worker that was asked to count did not')
  return result
}

/** What it has counted. */
async function ask(url: string, layouts: readonly Layout[]): Promise<number> {
  const body = JSON.stringify({ layouts })
  const response = await fetch(new URL('/distribution', url), { method: 'POST', body })
  const { counts } = (await response.json()) as { counts: { counts: number[] }[] }
  return counts[0]!.counts.reduce((sum, count) => sum + count, 0)
}

/** Of one record in the middle of a run, in this process. */
function nanoseconds(
  { manifest }: ModelFolder,
  records: readonly Record<string, unknown>[],
  [layout]: readonly Layout[],
): number {
  const facts = { score: () => 0.42, classOf: () => 1 }
  const tally = new Tally(layout!, manifest, facts)
  const encode = compileEncoder(manifest.inputs)
  const runs = Array.from({ length: records.length / ROWS_PER_RUN }, (_, i) => ({
    inputs: encode(records.slice(i * ROWS_PER_RUN, (i + 1) * ROWS_PER_RUN)),
    outputs: [],
    rows: ROWS_PER_RUN,
  }))
  const once = () => {
    const startMs = performance.now()
    for (let i = 0; i < 100; i++) for (const run of runs) tally.add(run)
    return ((performance.now() - startMs) * 1e6) / (100 * records.length)
  }
  // The first rounds compile.
  return median(Array.from({ length: 30 }, once).slice(10))
}

function report(
  peers: readonly Peer[],
  loads: Map<Peer, Load[]>,
  rounds: number,
  durationS: number,
  recordNs: number,
) {
  const of = (peer: Peer, figure: keyof Load) => loads.get(peer)!.map((one) => one[figure])
  const [without, one, two] = peers as [Peer, Peer, Peer]
  const against = (peer: Peer, figure: keyof Load) => medianRatio(of(peer, figure), of(without, figure))
  return {
    table: [
      ['', 'predictions/s', 'p50 ms', 'p99 ms', 'CPU us a request', 'others %'],
      ...peers.map((peer) => [
        peer.name,
        numeral(median(of(peer, 'requestsPerS'))),
        numeral(median(of(peer, 'p50Ms'))),
        numeral(median(of(peer, 'p99Ms'))),
        numeral(median(of(peer, 'cpuUsPerRequest'))),
        median(of(peer, 'othersPercent')).toFixed(0),
      ]),
    ],
    notes: [
      `${MODEL} 1.0.0, one record a request, 32 in flight; medians of ${rounds} rounds of ${durationS} s, in turn; asked every ${ASK_MS / 1000} s`,
      isPinned() ? 'the worker on core 0, wrk on core 1' : 'not pinned: one core or no taskset',
      neighbourNote(peers.map((peer) => loads.get(peer)!)),
    ],
    rows: [
      judged('predictions a second: counts / counts nothing', against(one, 'requestsPerS'), '>=', 0.97),
      judged(
        "processor time of a prediction: counting one record / all of the worker's",
        recordNs / 1000 / median(of(without, 'cpuUsPerRequest')),
        '<=',
        0.03,
      ),
    ],
    information: [
      { name: 'counting one record', figure: recordNs, unit: 'ns' },
      {
        name: 'CPU time a prediction: counts / counts nothing',
        figure: against(one, 'cpuUsPerRequest'),
        unit: 'times',
      },
      {
        name: 'predictions a second: counts in two / counts nothing',
        figure: against(two, 'requestsPerS'),
        unit: 'times',
      },
    ],
  }
}
