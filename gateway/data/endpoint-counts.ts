import type { EndpointCounts, SecondAttemptCounts } from '../snapshot.ts'
import type { Endpoints } from './endpoints.ts'
import type { Upstream } from './upstream.ts'

/** How the endpoints of a model are, and what they counted. */
export function endpointCounts(
  model: string,
  endpoints: Endpoints<Upstream>,
  nowMs: number,
): EndpointCounts[] {
  return Array.from(endpoints.all(), ({ id, serves, inFlight, limit, waiting, health, counts }) => ({
    model,
    version: versionOf(serves),
    endpoint: id,
    inFlight,
    limit: limit.limit,
    waiting,
    ejected: health.ejection.isOut(nowMs) ? 1 : 0,
    ejections: health.ejection.count,
    linkCalls: counts.calls,
    linkRows: counts.rows,
    deadCalls: counts.deadCalls,
  }))
}

/** Of the versions of a model that have an endpoint; the arms of one have budgets of their own. */
export function secondAttemptCounts(model: string, endpoints: Endpoints<Upstream>): SecondAttemptCounts[] {
  const pools = new Set(Array.from(endpoints.all(), ({ serves }) => serves))
  return Array.from(pools, (pool) => {
    const { retries, refused } = endpoints.retries(pool)
    return { model, version: versionOf(pool), made: retries, refused }
  })
}

/** See `poolOf`. */
function versionOf(pool: string): string {
  return pool.split(' ', 1)[0]!
}
