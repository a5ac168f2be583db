/**
 * Measures every peer once a round, in turn: A B C, then C B A, then A B C. What drifts during a run (a noisy
 * neighbour, a warmer processor) then hits all of them, and none is always the first.
 */
export async function alternate<Peer, Measurement>(
  peers: readonly Peer[],
  rounds: number,
  measure: (peer: Peer, round: number) => Promise<Measurement>,
): Promise<Map<Peer, Measurement[]>> {
  const measured = new Map<Peer, Measurement[]>(peers.map((peer) => [peer, []]))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? peers : peers.toReversed()
    for (const peer of order) measured.get(peer)!.push(await measure(peer, round))
  }
  return measured
}

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of the ratios round by round: a slow round is slow above and below the line. */
export function medianRatio(above: readonly number[], below: readonly number[]): number {
  return median(above.map((value, round) => value / below[round]!))
}
