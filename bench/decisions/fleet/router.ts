import type { Stratum } from '@coalmine/core/evidence/counts.ts'
import { type Arm, probabilities, type Thresholds, thresholds } from '@coalmine/core/routing/draw.ts'

/** What is drawn with and what is recorded of it: one object. */
export interface DrawTable extends Thresholds {
  readonly stratum: Stratum
}

export function drawTable(weightBp: number, baselineBp: number): DrawTable {
  const edges = thresholds(weightBp, baselineBp)
  return { ...edges, stratum: probabilities(edges) }
}

/** What stands between the table and the draw. */
export interface Router {
  /** The table of the next draw. Undefined: stable answers without a draw, outside the evidence. */
  route(table: DrawTable, nowMs: number): DrawTable | undefined
  /** Told of every outcome. */
  settled(arm: Arm, failed: boolean, nowMs: number): void
}

export const plainRouter: Router = { route: (table) => table, settled: () => {} }

/** A fault: draws the canary `factor` times as often as it records. */
export function biasedRouter(factor: number): Router {
  const biased = remembered((table) => ({ ...table, canaryEnd: Math.round(table.canaryEnd * factor) }))
  return { route: biased, settled: () => {} }
}

/** What requests get while the canary's breaker is open: no draw. */
export const ineligible = (): undefined => undefined

/** A fault: the canary gets none, and what is recorded is the probability as if it had. */
export const concealed: (table: DrawTable) => DrawTable = remembered((table) => ({ ...table, canaryEnd: 0 }))

/** A breaker opens for `openMs` when the canary fails `failures` times in a row. */
export function breaker(
  { failures, openMs }: { readonly failures: number; readonly openMs: number },
  whenOpen: (table: DrawTable) => DrawTable | undefined,
): Router {
  let inARow = 0
  let openUntilMs = Number.NEGATIVE_INFINITY
  return {
    route: (table, nowMs) => (nowMs < openUntilMs ? whenOpen(table) : table),
    settled(arm, failed, nowMs) {
      if (arm !== 'canary') return
      inARow = failed ? inARow + 1 : 0
      if (inARow < failures) return
      inARow = 0
      openUntilMs = nowMs + openMs
    },
  }
}

function remembered(change: (table: DrawTable) => DrawTable): (table: DrawTable) => DrawTable {
  let last: DrawTable | undefined
  let changed: DrawTable | undefined
  return (table) => {
    if (table !== last) changed = change(table)
    last = table
    return changed!
  }
}
