import { OUTCOMES } from '../data/recorder.ts'
import type { Snapshot } from '../messages.ts'

const WINDOW_MS = 60_000
const DRAWN = ['stable', 'baseline', 'canary']

/** Shares of the draws of the last minute, from the running totals that arrive each second. */
export class ObservedWeights {
  readonly #totals: { atMs: number; draws: ReadonlyMap<string, number> }[] = []

  add(snapshot: Snapshot, nowMs: number): void {
    this.#totals.push({ atMs: nowMs, draws: draws(snapshot) })
    // The youngest total older than the window is where the window begins.
    while (this.#totals.length > 1 && this.#totals[1]!.atMs <= nowMs - WINDOW_MS) this.#totals.shift()
  }

  /** @returns share 0 to 1 of an arm's version among all draws of its model; undefined without draws */
  share(model: string, arm: string, version: string): number | undefined {
    const first = this.#totals[0]
    const last = this.#totals.at(-1)
    if (!first || !last) return undefined
    const grown = (key: string) =>
      (last.draws.get(key) ?? 0) - (first === last ? 0 : (first.draws.get(key) ?? 0))
    let all = 0
    for (const key of last.draws.keys()) if (key.startsWith(`${model}\n`)) all += grown(key)
    return all > 0 ? grown(`${model}\n${arm}\n${version}`) / all : undefined
  }
}

function draws({ arms }: Snapshot): Map<string, number> {
  return new Map(
    arms
      .filter(({ arm }) => DRAWN.includes(arm))
      .map((a) => [
        `${a.model}\n${a.arm}\n${a.version}`,
        OUTCOMES.reduce((sum, o) => sum + (a.outcomes[o] ?? 0), 0),
      ]),
  )
}
