import { type LoadPlan, openLoop } from '../../test/demo/open-loop.ts'
import { freePort } from '../children.ts'
import type { Benchmark } from '../main.ts'
import { startProxy } from '../peers/nginx.ts'
import { NoVerdict, numeral, type Report } from '../report.ts'
import { alternate, median } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { type Bodies, drawBodies } from './bodies.ts'
import { PATH } from './echo-upstream.ts'
import type { Peer } from './peer.ts'
import { startWorkerPeers } from './worker-peers.ts'

/**
 * Latency at a rate that is kept whatever the answers do: each is measured from the instant at which it was due, so that
 * a pause is charged to all who waited (no coordinated omission).
 */
export const latency: Benchmark = {
  says: 'latency at kept rates, from when a request was due: worker directly, nginx, the gateway',
  run,
}

const RATES = [100, 500, 1_000] as const
const WARM_UP_MS = 3_000

interface Measured {
  p50: number
  p99: number
  max: number
}

async function run(quick: boolean, seed = 'latency'): Promise<Report> {
  const folder = scratchFolder()
  const bodies = await drawBodies(folder, 1, [])
  const [direct, served] = await startWorkerPeers(folder)
  const port = await freePort()
  const nginx: Peer = {
    name: 'nginx',
    url: `http://127.0.0.1:${port}${PATH}`,
    server: await startProxy(folder, port, Number(new URL(direct.url).port), 'anywhere'),
  }
  await nginx.server.ready(`http://127.0.0.1:${port}/readyz`)
  const peers = [direct, nginx, served]
  const [rounds, durationMs] = quick ? [3, 3_000] : [5, 10_000]
  const measured = new Map<number, Map<Peer, Measured[]>>()
  for (const peer of peers) await once(peer, bodies, 1_000, WARM_UP_MS, seed)
  for (const rate of RATES) {
    console.log(`${rate} a second: ${rounds} rounds of ${durationMs / 1000} s for each of ${peers.length}`)
    measured.set(
      rate,
      await alternate(peers, rounds, (peer, round) =>
        once(peer, bodies, rate, durationMs, `${seed} ${round}`),
      ),
    )
  }
  return report(peers, measured)
}

async function once(
  { name, url }: Peer,
  { lines }: Bodies,
  requestsPerS: number,
  durationMs: number,
  seed: string,
): Promise<Measured> {
  let next = 0
  const plan: LoadPlan = {
    url,
    requestsPerS,
    durationMs,
    arrivals: 'poisson',
    seed,
    inFlightMax: 1_000,
    timeoutMs: 10_000,
    next: () => ({ body: lines[next++ % lines.length]! }),
  }
  const { byStatus, failed, latencyMs, due } = await openLoop(plan)
  if (byStatus['200'] !== due || latencyMs === null)
    throw new NoVerdict(`${name} did not answer all with 200: ${JSON.stringify({ byStatus, failed })}`)
  return latencyMs
}

function report(peers: readonly Peer[], measured: ReadonlyMap<number, Map<Peer, Measured[]>>): Report {
  const of = (rate: number, peer: Peer, figure: keyof Measured) =>
    median(
      measured
        .get(rate)!
        .get(peer)!
        .map((one) => one[figure]),
    )
  const [direct, nginx, served] = peers as [Peer, Peer, Peer]
  const added = (rate: number, figure: 'p50' | 'p99') => [
    {
      name: `${figure} added at ${rate} a second: Coalmine`,
      figure: of(rate, served, figure) - of(rate, direct, figure),
      unit: 'ms',
    },
    {
      name: `${figure} added at ${rate} a second: nginx`,
      figure: of(rate, nginx, figure) - of(rate, direct, figure),
      unit: 'ms',
    },
  ]
  return {
    table: [
      ['', 'a second', 'p50 ms', 'p99 ms', 'longest ms'],
      ...RATES.flatMap((rate) =>
        peers.map((peer) => [
          peer.name,
          numeral(rate),
          ...(['p50', 'p99', 'max'] as const).map((figure) => numeral(of(rate, peer, figure))),
        ]),
      ),
    ],
    notes: [
      'medians of rounds, peers in turn; Poisson arrivals; measured from when a request was due; nothing is pinned',
      'the load generator runs in this process, and its timers are up to a millisecond late for everybody',
    ],
    rows: [],
    information: RATES.flatMap((rate) => [...added(rate, 'p50'), ...added(rate, 'p99')]),
  }
}
