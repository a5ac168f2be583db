import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../children.ts'
import type { Benchmark } from '../main.ts'
import { startSplitProxy } from '../peers/nginx.ts'
import { numeral, type Report } from '../report.ts'
import { median } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { tool } from '../tools.ts'
import { drawBodies } from './bodies.ts'
import { startCoalmine } from './coalmine.ts'
import { CANARY_PERCENT, MODEL, PATH, splitByHand, startEchoUpstream } from './echo-upstream.ts'
import { assertAnswers, type Peer } from './peer.ts'
import { figuresOf, type Loads, middleOf, named, ratioOf, spreadOf, sweep } from './sweep.ts'

/** What a second process that answers is worth. */
export const cores: Benchmark = {
  says: 'one process that answers and two, beside nginx with as many: requests a second, and for each core used',
  run,
}

const PROCESSES = [1, 2] as const
const CONCURRENCIES = [32, 256] as const

async function run(quick: boolean): Promise<Report> {
  tool('wrk')
  const folder = scratchFolder()
  const peers = await startPeers(folder)
  const bodies = await drawBodies(folder, 1, [])
  const measured = new Map<number, Loads>()
  for (const [i, connections] of CONCURRENCIES.entries()) {
    const warmUpS = i > 0 ? 1 : quick ? 2 : 4
    const timing = { rounds: quick ? 2 : 5, durationS: quick ? 1 : 2, warmUpS }
    measured.set(connections, await sweep(peers, bodies, connections, timing))
  }
  for (const { server } of peers) await server.stop()
  return report(peers, measured)
}

async function startPeers(folder: string): Promise<Peer[]> {
  await mkdir(join(folder, 'upstream'))
  const { ports } = await startEchoUpstream(join(folder, 'upstream'))
  const peers: Peer[] = []
  for (const processes of PROCESSES) {
    for (const kind of ['nginx', 'Coalmine'] as const) {
      const name = nameOf(kind, processes)
      const [port, own] = [await freePort(), join(folder, `${kind}-${processes}`)]
      await mkdir(own)
      const models = { [MODEL]: splitByHand(ports) }
      const server =
        kind === 'nginx'
          ? await startSplitProxy(own, port, ports, CANARY_PERCENT, { place: 'anywhere', workers: processes })
          : await startCoalmine({ folder: own, port, models, processes, place: 'anywhere' })
      await server.ready(`http://127.0.0.1:${port}/v2/health/ready`)
      const peer: Peer = { name, url: `http://127.0.0.1:${port}${PATH}`, server, anywhere: true }
      await assertAnswers(peer)
      peers.push(peer)
    }
  }
  return peers
}

function nameOf(kind: string, processes: number): string {
  return `${kind}, ${processes}`
}

function report(peers: readonly Peer[], measured: ReadonlyMap<number, Loads>): Report {
  /** What a core would do if it did nothing else: the processor time of one request, turned around. */
  const perCore = (loads: Loads, peer: Peer) =>
    median(figuresOf(loads, peer, 'cpuUsPerRequest').map((us) => 1e6 / us))
  return {
    table: [
      ['', 'in flight', 'requests/s', 'lowest - highest', 'for each core used', 'p99 ms'],
      ...[...measured].flatMap(([connections, loads]) =>
        peers.map((peer) => [
          peer.name,
          `${connections}`,
          numeral(middleOf(loads, peer, 'requestsPerS')),
          spreadOf(loads, peer, 'requestsPerS'),
          numeral(perCore(loads, peer)),
          numeral(middleOf(loads, peer, 'p99Ms')),
        ]),
      ),
    ],
    notes: [
      `echo upstream; nothing is pinned: wrk, the upstream and the processes share ${availableParallelism()} cores`,
      'for each core used: requests a second over the cores that the gateway alone kept busy; supervisor and control are in it',
    ],
    rows: [],
    information: [...measured].flatMap(([connections, loads]) =>
      (['nginx', 'Coalmine'] as const).map((kind) => ({
        name: `requests a second, ${connections} in flight: ${kind} with 2 processes / 1`,
        figure: ratioOf(loads, named(peers, nameOf(kind, 2)), named(peers, nameOf(kind, 1)), 'requestsPerS'),
        unit: 'times',
      })),
    ),
  }
}
