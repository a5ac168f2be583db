import { Sampler, seedBytes } from '../../bench/decisions/sample.ts'

export const ARRIVALS = ['even', 'poisson'] as const
/** Even: the same gap between any two. Poisson: as from very many callers who know nothing of each other. */
export type Arrivals = (typeof ARRIVALS)[number]

/** The instants at which requests are due, in ms from the beginning, ascending and below `durationMs`. */
export function* instantsMs(
  arrivals: Arrivals,
  requestsPerS: number,
  durationMs: number,
  seed: string,
): Generator<number, void> {
  const gapMs = 1000 / requestsPerS
  if (arrivals === 'even') {
    // Multiplied, not added up: rounding must not drop or add a request.
    for (let i = 0; i * gapMs < durationMs; i++) yield i * gapMs
    return
  }
  const sampler = new Sampler(seedBytes(seed))
  const gap = () => -Math.log(sampler.uniform()) * gapMs
  for (let atMs = gap(); atMs < durationMs; atMs += gap()) yield atMs
}
