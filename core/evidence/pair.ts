/** One request as two versions answered it. */
export interface Pair {
  readonly stable: PairSide
  /** The canary's answer, which nobody got. */
  readonly canary: PairSide
}

export interface PairSide {
  /** `failed`: no good answer within the first attempt's limit; `rejected`: refused by the model's contract. */
  readonly outcome: 'good' | 'rejected' | 'failed'
  /** Of the counted row; undefined where there is none. */
  readonly score?: number
  /** The score as a part of its declared range, from 0 to 1. */
  readonly position?: number
  /** The predicted class, by its index. */
  readonly class?: number
}

/** What a tick brings of a mirror. */
export interface Mirrored {
  /** Canary beside stable; every input once, however often it was asked. */
  readonly pairs: readonly Pair[]
  /** Stable beside stable. */
  readonly floor: readonly Pair[]
}

/** So much of the score's range may lie between two answers that agree: the order of a sum of floats moves less. */
const SAME_POSITION = 1e-6

/** Whether a client would have got something else. */
export function disagree({ stable, canary }: Pair): boolean {
  if (stable.outcome !== canary.outcome || stable.class !== canary.class) return true
  const [a, b] = [stable.position ?? stable.score, canary.position ?? canary.score]
  if (a === undefined || b === undefined) return a !== b
  return Math.abs(a - b) > SAME_POSITION
}
