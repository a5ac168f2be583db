import { affinityPoint } from '@coalmine/core/routing/affinity.ts'

/** Where the arm of a request comes from, and whether the request is a unit of its own. Known before the draw. */
export interface Draws {
  /** The u32 point that is looked up in the table. */
  point(caller: number, nowMs: number): number
  /** False for a request whose arm was decided by an earlier one. */
  counts(caller: number, nowMs: number): boolean
}

/** Every attempt is drawn anew by the gateway's own generator, retries too. */
export function independentDraws(next: () => number): Draws {
  return { point: next, counts: () => true }
}

/** A caller keeps its arm for the whole rollout, and each of its requests counts. */
export function stickyDraws(salt: string): Draws {
  const points: number[] = []
  return {
    point: (caller) => (points[caller] ??= affinityPoint(salt, `${caller}`)),
    counts: () => true,
  }
}

/** A caller is drawn anew in every epoch, and only the first of its requests there counts. */
export function blockDraws(salt: string, epochMs: number): Draws {
  let epoch = -1
  let seen = new Set<number>()
  return {
    point: (caller, nowMs) => affinityPoint(`${salt}/${Math.floor(nowMs / epochMs)}`, `${caller}`),
    counts(caller, nowMs) {
      const current = Math.floor(nowMs / epochMs)
      if (current !== epoch) {
        epoch = current
        seen = new Set()
      }
      if (seen.has(caller)) return false
      seen.add(caller)
      return true
    },
  }
}
