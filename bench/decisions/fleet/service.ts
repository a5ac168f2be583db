import type { Sampler } from '../sample.ts'

/** How much work a request is that begins at `startMs`, in ms; Infinity when nothing ever comes of it. */
export type Service = (startMs: number) => number

export function logNormalService(random: Sampler, medianMs: number, sigma: number): Service {
  return () => random.logNormal(medianMs, sigma)
}

/** Takes `factor` times as long until `warmMs`: caches, compilers and pools are empty after a start. */
export function coldService(service: Service, warmMs: number, factor: number): Service {
  return (startMs) => service(startMs) * (startMs < warmMs ? factor : 1)
}

/** Never ends for a share of the requests. */
export function hangingService(random: Sampler, service: Service, share: number): Service {
  return (startMs) => (random.uniform() < share ? Number.POSITIVE_INFINITY : service(startMs))
}
