import { join } from 'node:path'
import type { Benchmark } from '../main.ts'
import { numeral, type Report } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import { tool } from '../tools.ts'
import { type Bodies, drawBodies } from './bodies.ts'
import { ALONE, startEchoPeers } from './echo-peers.ts'
import type { Peer } from './peer.ts'
import { type Loads, middleOf, named, ratioOf, spreadOf, sweep } from './sweep.ts'
import { DIRECT, SERVED, startWorkerPeers } from './worker-peers.ts'

/** What a gateway's way costs when bodies grow. */
export const sizes: Benchmark = {
  says: 'the gateway and proxies with bodies of 200 B to 100 kB: an echo upstream, and a real model',
  run,
}

const CONNECTIONS = 32
/** Records in one body: about 0.25, 1, 10 and 100 kB. */
const ROWS = { full: [1, 5, 48, 480], quick: [1, 48, 480] }
const PROXIES = ['nginx', 'HAProxy', 'Fastify', 'Coalmine'] as const

interface Size {
  peers: readonly Peer[]
  bodies: Bodies
  loads: Loads
}

async function run(quick: boolean): Promise<Report> {
  tool('wrk')
  const folder = scratchFolder()
  const real = await startWorkerPeers(folder)
  const timing = quick ? { rounds: 1, durationS: 1, warmUpS: 1 } : { rounds: 3, durationS: 2, warmUpS: 2 }
  const measured: Size[] = []
  for (const rows of quick ? ROWS.quick : ROWS.full) {
    const echoes = await startEchoPeers(join(folder, `${rows}`), PROXIES, rows)
    const peers = [...echoes, ...real]
    const bodies = await drawBodies(folder, rows, peers)
    measured.push({ peers, bodies, loads: await sweep(peers, bodies, CONNECTIONS, timing) })
    for (const { server } of echoes) await server.stop()
  }
  for (const { server } of real) await server.stop()
  return report(measured)
}

function report(measured: readonly Size[]): Report {
  const ratio = ({ peers, bodies, loads }: Size, above: string, below: string) => ({
    name: `requests a second, ${numeral(Math.round(bodies.bytes))} B: ${above} / ${below}`,
    figure: ratioOf(loads, named(peers, above), named(peers, below), 'requestsPerS'),
    unit: 'times',
  })
  return {
    table: [
      ['', 'body B', 'requests/s', 'lowest - highest', 'MB/s', 'p99 ms', 'CPU us a request'],
      ...measured.flatMap(({ peers, bodies, loads }) =>
        peers.map((peer) => [
          peer.name,
          numeral(Math.round(bodies.bytes)),
          numeral(middleOf(loads, peer, 'requestsPerS')),
          spreadOf(loads, peer, 'requestsPerS'),
          numeral((middleOf(loads, peer, 'requestsPerS') * bodies.bytes) / 1e6),
          numeral(middleOf(loads, peer, 'p99Ms')),
          peer.name === ALONE ? '' : numeral(middleOf(loads, peer, 'cpuUsPerRequest')),
        ]),
      ),
    ],
    notes: [
      `${CONNECTIONS} in flight; a larger body is more records of churn in one request, and its answer grows with it`,
      `proxies on core 0 before the echo upstream; "${DIRECT}" and "${SERVED}" are a real model, not pinned, and CPU is the gateway's without its worker's`,
    ],
    rows: [],
    information: measured.flatMap((size) => [
      ratio(size, 'Coalmine', 'nginx'),
      ratio(size, 'Coalmine', 'Fastify'),
      ratio(size, SERVED, DIRECT),
    ]),
  }
}
