/** How a request ended. All times are from the instant at which it was due. */
export type Ended =
  | { kind: 'answered'; status: number; version?: string; arm?: string; latencyMs: number; lateMs: number }
  /** `code` is the system's, or TIMEOUT. */
  | { kind: 'failed'; code: string; lateMs: number }
  /** So many were in flight that it was left out. */
  | { kind: 'unsent' }

export interface Latencies {
  p50: number
  p90: number
  p99: number
  max: number
}

/** What came of many requests. `due` is the sum of answered, failed and unsent. */
export interface Summary {
  due: number
  answered: number
  unsent: number
  /** By code. */
  failed: Record<string, number>
  byStatus: Record<string, number>
  /** By the version that answered. */
  byVersion: Record<string, number>
  /** By the arm that the request was assigned to. */
  byArm: Record<string, number>
  /** Of answers, from when the request was due; null without any. */
  latencyMs: Latencies | null
  /** How late requests were sent: what the load itself adds to their latencies. */
  lateMs: Latencies | null
}

/** Counts requests as they end. */
export interface Tally {
  add(ended: Ended): void
  summary(): Summary
}

export function newTally(): Tally {
  const counts = { failed: {}, byStatus: {}, byVersion: {}, byArm: {} }
  const latenciesMs: number[] = []
  const latesMs: number[] = []
  let unsent = 0
  let due = 0
  return {
    add(ended) {
      due++
      if (ended.kind === 'unsent') {
        unsent++
        return
      }
      latesMs.push(ended.lateMs)
      if (ended.kind === 'failed') {
        count(counts.failed, ended.code)
        return
      }
      latenciesMs.push(ended.latencyMs)
      count(counts.byStatus, `${ended.status}`)
      count(counts.byVersion, ended.version)
      count(counts.byArm, ended.arm)
    },
    summary: () => ({
      due,
      answered: latenciesMs.length,
      unsent,
      ...structuredClone(counts),
      latencyMs: latencies(latenciesMs),
      lateMs: latencies(latesMs),
    }),
  }
}

function count(counts: Record<string, number>, key: string | undefined): void {
  if (key !== undefined) counts[key] = (counts[key] ?? 0) + 1
}

/** Nearest rank, to a thousandth of a millisecond. */
function latencies(valuesMs: readonly number[]): Latencies | null {
  if (valuesMs.length === 0) return null
  const sorted = Float64Array.from(valuesMs).sort()
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1]! * 1000) / 1000
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
