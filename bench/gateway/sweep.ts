import { type Load, load } from '../load/wrk.ts'
import { numeral } from '../report.ts'
import { alternate, median, medianRatio } from '../rounds.ts'
import type { Bodies } from './bodies.ts'
import type { Peer } from './peer.ts'

export interface Timing {
  rounds: number
  durationS: number
  /** An uncounted run before: compilers and caches warm up. */
  warmUpS: number
}

/** What was measured of peers with a number of requests in flight, round by round. */
export type Loads = ReadonlyMap<Peer, readonly Load[]>

/** Closed loop, peers in turn. */
export async function sweep(
  peers: readonly Peer[],
  bodies: Bodies,
  connections: number,
  { rounds, durationS, warmUpS }: Timing,
): Promise<Loads> {
  console.log(`${connections} in flight: ${rounds} rounds of ${durationS} s for each of ${peers.length}`)
  const once = (peer: Peer, seconds: number) =>
    load({
      url: peer.url,
      bodiesFile: bodies.fileFor(peer),
      connections,
      durationS: seconds,
      serverGroup: peer.server.pid,
      ...(peer.headers && { headers: peer.headers }),
      ...(peer.anywhere && { anywhere: true }),
    })
  for (const peer of peers) await once(peer, warmUpS)
  return alternate(peers, rounds, (peer) => once(peer, durationS))
}

export function figuresOf(loads: Loads, peer: Peer, figure: keyof Load): number[] {
  return loads.get(peer)!.map((one) => one[figure])
}

export function middleOf(loads: Loads, peer: Peer, figure: keyof Load): number {
  return median(figuresOf(loads, peer, figure))
}

/** Median of the ratios round by round. */
export function ratioOf(loads: Loads, above: Peer, below: Peer, figure: keyof Load): number {
  return medianRatio(figuresOf(loads, above, figure), figuresOf(loads, below, figure))
}

/** The lowest and the highest, for a cell. */
export function spreadOf(loads: Loads, peer: Peer, figure: keyof Load): string {
  const all = figuresOf(loads, peer, figure)
  return `${numeral(Math.min(...all))} - ${numeral(Math.max(...all))}`
}

export function named(peers: readonly Peer[], name: string): Peer {
  return peers.find((peer) => peer.name === name)!
}
