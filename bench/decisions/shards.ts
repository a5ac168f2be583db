import { mergeWindows, type Released, type Window } from '@coalmine/core/evidence/counts.ts'
import type { Sampler } from './sample.ts'

/** The same windows as so many processes would have counted them, in any order, merged again. */
export function shuffledThrough(
  sampler: Sampler,
  { early = [], final = [], labels = [] }: Released,
  processes: number,
): Released {
  const parts = <C>(counts: C): C[] => split(sampler, counts, processes)
  const shards = <W extends { strata: readonly { arms: object }[] }>(windows: readonly W[]): W[][] =>
    Array.from({ length: processes }, () => [] as W[]).map((_, shard, all) => {
      if (shard === 0)
        for (const window of windows) {
          const cells = window.strata.map((cell) => ({ cell, arms: parts(cell.arms) }))
          for (let i = 0; i < processes; i++)
            all[i]!.push({ ...window, strata: cells.map(({ cell, arms }) => ({ ...cell, arms: arms[i]! })) })
        }
      return all[shard]!
    })
  return {
    early: mergeWindows<'early'>('early', shuffled(sampler, shards(early as Window<'early'>[]))),
    final: mergeWindows<'final'>('final', shuffled(sampler, shards(final as Window<'final'>[]))),
    labels: mergeWindows<'labels'>('labels', shuffled(sampler, shards(labels as Window<'labels'>[]))),
  }
}

/** Splits every count in a structure at random. */
function split<C>(sampler: Sampler, counts: C, processes: number): C[] {
  if (typeof counts === 'number') {
    const out = new Float64Array(processes)
    sampler.multinomial(counts, new Array(processes).fill(1 / processes), out)
    return [...out] as C[]
  }
  if (typeof counts !== 'object' || counts === null) return new Array<C>(processes).fill(counts)
  if (Array.isArray(counts) || ArrayBuffer.isView(counts)) {
    const list = counts as unknown as ArrayLike<number>
    const out = Array.from({ length: processes }, () => new Uint32Array(list.length))
    for (let i = 0; i < list.length; i++) {
      if (list[i] === 0) continue
      for (const [shard, part] of split(sampler, list[i]!, processes).entries()) out[shard]![i] = part
    }
    return out as unknown as C[]
  }
  const out = Array.from({ length: processes }, () => ({}) as Record<string, unknown>)
  for (const [key, value] of Object.entries(counts))
    for (const [shard, part] of split(sampler, value, processes).entries()) out[shard]![key] = part
  return out as C[]
}

function shuffled<T>(sampler: Sampler, items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(sampler.uniform() * (i + 1))
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}
