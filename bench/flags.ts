import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Child } from './children.ts'
import { freePort } from './children.ts'
import { ROOT, startCoalmine } from './gateway/coalmine.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load } from './load/wrk.ts'
import type { Benchmark } from './main.ts'
import { judged, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** Whether Node should be started with flags: the whole product with each of them, beside itself with none. */
export const flags: Benchmark = {
  says: 'the product with flags of Node, beside itself with none',
  run,
}

const MODEL = 'churn'
const VERSION = '1.0.0'
const WARM_UP_S = 5
const CONCURRENCIES = [64, 256] as const
const NONE = 'none'
/** Of those that Node takes from NODE_OPTIONS, what might matter to many short-lived objects on few cores. */
const CANDIDATES = [
  NONE,
  '--max-semi-space-size=2',
  '--max-semi-space-size=64',
  '--v8-pool-size=0',
  '--v8-pool-size=1',
] as const

interface Peer {
  flag: string
  url: string
  server: Child
}

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS] = quick ? [3, 2] : [9, 3]
  const folder = scratchFolder()
  const bodiesFile = join(folder, 'bodies.jsonl')
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_000, 1), 1))
  const peers: Peer[] = []
  for (const flag of CANDIDATES) {
    const port = await freePort()
    const server = await startCoalmine({
      ...{ folder: join(folder, flag), port, place: 'anywhere' },
      models: { [MODEL]: { initial: VERSION, runtime: 'process' } },
      env: flag === NONE ? {} : { NODE_OPTIONS: flag },
    })
    await server.ready(`http://127.0.0.1:${port}/readyz`)
    peers.push({ flag, server, url: `http://127.0.0.1:${port}/v1/models/${MODEL}:predict` })
  }
  const measured = new Map<number, Map<Peer, Load[]>>()
  for (const connections of CONCURRENCIES) {
    const once = ({ url }: Peer, seconds: number) =>
      load({ url, bodiesFile, connections, durationS: seconds, anywhere: true })
    for (const peer of peers) await once(peer, WARM_UP_S)
    measured.set(connections, await alternate(peers, rounds, (peer) => once(peer, durationS)))
  }
  return report(peers, measured, rounds, durationS)
}

function report(
  peers: readonly Peer[],
  measured: Map<number, Map<Peer, Load[]>>,
  rounds: number,
  durationS: number,
) {
  const [none, ...others] = peers
  const of = (connections: number, peer: Peer, figure: keyof Load) =>
    measured
      .get(connections)!
      .get(peer)!
      .map((one) => one[figure])
  const gain = (connections: number, peer: Peer) =>
    medianRatio(of(connections, peer, 'requestsPerS'), of(connections, none!, 'requestsPerS'))
  return {
    table: [
      ['flag', 'in flight', 'requests/s', 'to none', 'p50 ms', 'p99 ms'],
      ...CONCURRENCIES.flatMap((connections) =>
        peers.map((peer) => [
          peer.flag,
          `${connections}`,
          numeral(median(of(connections, peer, 'requestsPerS'))),
          numeral(gain(connections, peer)),
          numeral(median(of(connections, peer, 'p50Ms'))),
          numeral(median(of(connections, peer, 'p99Ms'))),
        ]),
      ),
    ],
    notes: [
      `medians of ${rounds} rounds of ${durationS} s, in turn; ratios round by round; load, gateway and worker share the cores`,
      `${MODEL} ${VERSION}, one record a request; a flag is given to every process of the product`,
    ],
    rows: CONCURRENCIES.map((connections) => {
      const best = others.reduce((a, b) => (gain(connections, b) > gain(connections, a) ? b : a))
      return judged(
        `requests a second, ${connections} in flight: the best flag (${best.flag}) / none`,
        gain(connections, best),
        '<=',
        1.03,
      )
    }),
    information: [],
  }
}
