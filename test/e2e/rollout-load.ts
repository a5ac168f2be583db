import { customers } from '../demo/customers.ts'
import { openLoop } from '../demo/open-loop.ts'
import { newTally, type Summary } from '../demo/tally.ts'
import type { Gateway } from './gateway-process.ts'

const REQUESTS_PER_S = 120
/** Longer than a gateway lets anybody wait. */
const TIMEOUT_MS = 30_000

/** Customers of churn who come whatever the answers do. */
export interface Load {
  /** What came of those who were answered, and of those who were not, until now. */
  seen(): Summary
  /** The same, when the last one has ended. */
  stop(): Promise<Summary>
}

export function startLoad({ ports }: Gateway): Load {
  const stopped = new AbortController()
  const tally = newTally()
  const customer = customers('end to end')
  const ended = openLoop({
    url: `http://127.0.0.1:${ports.data}/v1/models/churn:predict`,
    requestsPerS: REQUESTS_PER_S,
    durationMs: 3_600_000,
    arrivals: 'poisson',
    seed: 'end to end',
    inFlightMax: 10_000,
    timeoutMs: TIMEOUT_MS,
    next: () => ({ body: JSON.stringify({ instances: [customer().record] }) }),
    onEnd: (each) => tally.add(each),
    signal: stopped.signal,
  })
  return {
    seen: () => tally.summary(),
    async stop() {
      stopped.abort()
      return ended
    },
  }
}

/** Statuses other than 200, and codes of connections that failed: what clients should not have seen. */
export function troubles({ byStatus, failed }: Summary): Record<string, number> {
  const { 200: _, ...others } = byStatus
  return { ...others, ...failed }
}
