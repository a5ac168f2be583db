import type { Baseline } from '../tick.ts'
import { Totals } from './totals.ts'

/**
 * Ten groups of equal size and "above 0.2 the population has shifted" are the rules of thumb of credit
 * scoring (Lewis, 1994; Siddiqi, 2006). Without a smallest share an empty group would be infinite; 0.0001
 * is customary.
 */
const PSI = { groups: 10, limit: 0.2, smallestShare: 1e-4 } as const

/**
 * The population stability index of each evaluation's scores, grouped by the deciles of stable's scores so
 * far.
 */
export const psi: Baseline = {
  name: 'PSI above 0.2',
  start: () => {
    const reference = new Totals()
    return {
      see: ({ canary, stable }) => {
        reference.add(stable)
        if (!canary.scores || !stable.scores) return 'continue'
        const groups = equalGroups(reference.scores, PSI.groups)
        return stabilityIndex(grouped(canary.scores, groups), grouped(stable.scores, groups)) > PSI.limit
          ? 'rollback'
          : 'continue'
      },
    }
  },
}

/** The sum over groups of (p - q) ln(p / q). NaN where a side has no counts. */
export function stabilityIndex(actual: readonly number[], expected: readonly number[]): number {
  const [n, m] = [total(actual), total(expected)]
  return actual.reduce((sum, count, group) => {
    const p = Math.max(PSI.smallestShare, count / n)
    const q = Math.max(PSI.smallestShare, expected[group]! / m)
    return sum + (p - q) * Math.log(p / q)
  }, 0)
}

/** The group of each bin, such that the groups hold about equally many. */
function equalGroups(counts: readonly number[], groups: number): number[] {
  const all = total(counts)
  let below = 0
  return counts.map((count) => {
    const group = Math.min(groups - 1, Math.floor(((below + count / 2) / all) * groups))
    below += count
    return group
  })
}

function grouped(counts: ArrayLike<number>, groups: readonly number[]): number[] {
  const sums = new Array<number>(PSI.groups).fill(0)
  groups.forEach((group, bin) => {
    sums[group]! += counts[bin] ?? 0
  })
  return sums
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}
