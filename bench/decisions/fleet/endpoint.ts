import type { Sampler } from '../sample.ts'
import { noPauses, type Pauses } from './pauses.ts'
import type { Service } from './service.ts'

/** Tells when a request ends; Infinity when never. */
export type Done = (request: number, endMs: number) => void

/** One replica of a version. Times never go back. */
export interface Endpoint {
  /** Begins a request or puts it in the queue; `done` is called once its end is known. */
  take(request: number, nowMs: number, done: Done): void
  /** Begins all that can begin by `nowMs`. */
  advance(nowMs: number, done: Done): void
}

/** Works on everything at once. */
export function parallelEndpoint(service: Service, pauses: Pauses = noPauses): Endpoint {
  return {
    take(request, nowMs, done) {
      done(request, pauses(nowMs, service(nowMs)))
    },
    advance() {},
  }
}

/**
 * Natural batching: works on one batch at a time, and all that came meanwhile is the next one. A batch of m requests
 * takes (fixedMs + m * eachMs) times a log-normal factor that its requests share; a busy endpoint has larger batches
 * than one with few requests, though the version is the same.
 */
export function batchingEndpoint(
  random: Sampler,
  { fixedMs, eachMs, sigma }: { readonly fixedMs: number; readonly eachMs: number; readonly sigma: number },
  pauses: Pauses = noPauses,
): Endpoint {
  let queue: number[] = []
  let freeMs = 0
  const begin = (startMs: number, done: Done) => {
    const batch = queue
    queue = []
    freeMs = pauses(startMs, (fixedMs + batch.length * eachMs) * random.logNormal(1, sigma))
    for (const request of batch) done(request, freeMs)
  }
  const advance = (nowMs: number, done: Done) => {
    if (queue.length > 0 && freeMs <= nowMs) begin(freeMs, done)
  }
  return {
    take(request, nowMs, done) {
      // All that is in the queue came while the last batch ran.
      advance(nowMs, done)
      queue.push(request)
      if (freeMs <= nowMs) begin(nowMs, done)
    },
    advance,
  }
}
