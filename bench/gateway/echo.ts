import { neighbourNote } from '../load/wrk.ts'
import { isPinned } from '../machine.ts'
import type { Benchmark } from '../main.ts'
import { judged, NoVerdict, numeral, type Report } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import { tool } from '../tools.ts'
import { drawBodies } from './bodies.ts'
import { ALONE, startEchoPeers } from './echo-peers.ts'
import { CANARY_PERCENT } from './echo-upstream.ts'
import { assertAnswers, type Peer } from './peer.ts'
import { type Loads, middleOf, named, ratioOf, spreadOf, sweep, type Timing } from './sweep.ts'

/** What the way through a gateway costs, beside proxies and gateways of others: one process each, on one core. */
export const echo: Benchmark = {
  says: 'the gateway, routing and measuring, beside nginx, HAProxy, Fastify, Hono and Portkey: an echo upstream',
  run,
}

/** Targets are about these; the longer runs are theirs. */
const BUSY = 32
const SINGLE = 1
const CONCURRENCIES = { full: [BUSY, SINGLE, 8, 64, 256], quick: [BUSY, SINGLE, 256] }
/** Above these shares of what load generator and upstream reach alone, they are part, or all, of what is measured. */
const NEAR_CEILING = 0.85
const AT_CEILING = 0.95
/** V8 still compiles during the first seconds, on the core that is measured. */
const FIRST_WARM_UP_S = 4

async function run(quick: boolean): Promise<Report> {
  tool('wrk')
  const folder = scratchFolder()
  const peers = await startEchoPeers(folder)
  const bodies = await drawBodies(folder, 1, peers)
  const measured = new Map<number, Loads>()
  for (const connections of quick ? CONCURRENCIES.quick : CONCURRENCIES.full)
    measured.set(connections, await sweep(peers, bodies, connections, timingOf(connections, quick)))
  for (const peer of peers) await assertAnswers(peer)
  for (const peer of peers) await peer.server.stop()
  return report(peers, measured, quick)
}

function timingOf(connections: number, quick: boolean): Timing {
  const first = connections === BUSY
  if (quick) return { rounds: first ? 3 : 2, durationS: 1, warmUpS: first ? 2 : 1 }
  const judgedHere = first || connections === SINGLE
  return {
    rounds: judgedHere ? 5 : 3,
    durationS: judgedHere ? 3 : 2,
    warmUpS: first ? FIRST_WARM_UP_S : 1,
  }
}

function report(peers: readonly Peer[], measured: ReadonlyMap<number, Loads>, quick: boolean): Report {
  const [busy, single] = [measured.get(BUSY)!, measured.get(SINGLE)!]
  const [alone, ours, nginx] = [named(peers, ALONE), named(peers, 'Coalmine'), named(peers, 'nginx')]
  const added = (peer: Peer, figure: 'p50Ms' | 'p99Ms') =>
    middleOf(single, peer, figure) - middleOf(single, alone, figure)
  const ratio = (name: string) => ratioOf(busy, ours, named(peers, name), 'requestsPerS')
  const timing = timingOf(BUSY, quick)
  return {
    table: [
      ['', 'in flight', 'requests/s', 'lowest - highest', 'p50 ms', 'p99 ms', 'CPU us a request', 'others %'],
      ...[...measured].flatMap(([connections, loads]) =>
        peers.map((peer) => [
          peer.name,
          `${connections}`,
          numeral(middleOf(loads, peer, 'requestsPerS')),
          spreadOf(loads, peer, 'requestsPerS'),
          numeral(middleOf(loads, peer, 'p50Ms')),
          numeral(middleOf(loads, peer, 'p99Ms')),
          peer === alone ? '' : numeral(middleOf(loads, peer, 'cpuUsPerRequest')),
          peer === alone ? '' : middleOf(loads, peer, 'othersPercent').toFixed(0),
        ]),
      ),
    ],
    notes: [
      ...ceilingNotes(peers, busy),
      `medians; with ${BUSY} in flight ${timing.rounds} rounds of ${timing.durationS} s, peers in turn`,
      isPinned()
        ? 'each proxy on core 0; wrk and the upstream elsewhere'
        : 'not pinned: one core or no taskset',
      neighbourNote(
        peers.slice(1).flatMap((peer) => [...measured.values()].map((loads) => loads.get(peer)!)),
      ),
      `nginx, HAProxy, Portkey and Coalmine split ${CANARY_PERCENT} % to a canary, the others pass on; Coalmine signs prediction ids, reads scores and keeps metrics besides`,
    ],
    rows: [
      judged(`requests a second, ${BUSY} in flight: Coalmine / nginx`, ratio('nginx'), '>=', 0.35),
      judged(`requests a second, ${BUSY} in flight: Coalmine / Fastify`, ratio('Fastify'), '>=', 1.6),
      judged(`requests a second, ${BUSY} in flight: Coalmine / Portkey`, ratio('Portkey'), '>=', 10),
      judged(
        'added median latency, 1 in flight: Coalmine / nginx',
        added(ours, 'p50Ms') / added(nginx, 'p50Ms'),
        '<=',
        1.5,
      ),
      judged('p99, 1 in flight: Coalmine - nginx, ms', added(ours, 'p99Ms') - added(nginx, 'p99Ms'), '<=', 1),
    ],
    information: [
      ...['HAProxy', 'Fastify, buffered', 'Hono proxy', 'bare Hono + undici'].map((name) => ({
        name: `requests a second, ${BUSY} in flight: Coalmine / ${name}`,
        figure: ratio(name),
        unit: 'times',
      })),
      ...peers.slice(1).flatMap((peer) =>
        (['p50Ms', 'p99Ms'] as const).map((figure) => ({
          name: `added ${figure === 'p50Ms' ? 'p50' : 'p99'}, 1 in flight: ${peer.name}`,
          figure: added(peer, figure),
          unit: 'ms',
        })),
      ),
    ],
  }
}

/** The peers that a target compares with; of others it is enough to say so. */
const COMPARED = ['nginx', 'Fastify', 'Portkey', 'Coalmine']

function ceilingNotes(peers: readonly Peer[], busy: Loads): string[] {
  const ceiling = middleOf(busy, peers[0]!, 'requestsPerS')
  return peers.slice(1).flatMap((peer) => {
    const share = middleOf(busy, peer, 'requestsPerS') / ceiling
    if (share <= NEAR_CEILING) return []
    const finding = `${peer.name} reaches ${(share * 100).toFixed(0)} % of what wrk and the upstream reach alone`
    if (share > AT_CEILING && COMPARED.includes(peer.name))
      throw new NoVerdict(`${finding}: they are the limit, not it. Use a machine with more cores.`)
    return [`${finding}: with more cores it might be faster, and the ratio to it lower`]
  })
}
