import type { Pair, PairSide } from '../evidence/pair.ts'
import { binBounds, type Scores, type Traffic } from './expected-arms.ts'

/**
 * So many requests in the order of their scores, each as two versions score it: the same rank from both, which only their
 * distributions tell.
 */
export function quantilesOf({ stable, canary, range }: NonNullable<Traffic['score']>, ranks: number): Pair[] {
  return Array.from({ length: ranks }, (_, i): Pair => {
    const rank = (i + 0.5) / ranks
    return { stable: sideAt(stable, range, rank), canary: sideAt(canary, range, rank) }
  })
}

function sideAt(scores: Scores, range: readonly [number, number], rank: number): PairSide {
  const bounds = binBounds(scores.edges, range)
  const bin = rankedAt(scores.shares, rank)
  const below = scores.shares.slice(0, bin).reduce((total, share) => total + share, 0)
  const [low, high] = [bounds[bin]!, bounds[bin + 1]!]
  const score = low + (high - low) * Math.min(1, Math.max(0, (rank - below) / (scores.shares[bin]! || 1)))
  const [first, last] = [bounds[0]!, bounds.at(-1)!]
  return {
    outcome: 'good',
    score,
    position: (score - first) / (last - first || 1),
    class: rankedAt(scores.classes, rank),
  }
}

/** The part that a rank from 0 to 1 falls into, of parts with these shares. */
function rankedAt(shares: readonly number[], rank: number): number {
  let below = 0
  const index = shares.findIndex((share) => {
    below += share
    return rank < below
  })
  return index < 0 ? shares.length - 1 : index
}
