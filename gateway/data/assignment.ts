import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { type Arm, drawArm } from '@coalmine/core/routing/draw.ts'
import type { DataPlane } from './data-plane.ts'
import type { ModelRoute } from './route.ts'

/** Why a request takes no part in a split; a metric label. */
export type Ineligible = 'stale-table' | 'short-deadline' | 'canary-tripped' | 'baseline-unavailable'

/**
 * Why a request goes to stable without a draw and is no evidence, by what is known before the draw: whatever is found
 * out after it belongs to the arm that was drawn. undefined where it may be drawn, or there is nothing to draw.
 */
export function ineligible(plane: DataPlane, route: ModelRoute, timeoutMs: number): Ineligible | undefined {
  const { table, running } = route
  if (!splits(route)) return undefined
  if (plane.stale(route)) return 'stale-table'
  if (running === undefined || !table.counting) return undefined
  // A first attempt has at least as long as what is kept for the second.
  const { reserveMs } = running.trial
  if (timeoutMs - reserveMs < reserveMs) return 'short-deadline'
  if (running.tripwire.trip !== undefined) return 'canary-tripped'
  return table.weightBp > 0 && hasNone(plane, route, 'baseline') ? 'baseline-unavailable' : undefined
}

/**
 * Whether what is drawn now can be evidence. While nothing serves an arm of the control it fails, whatever its version
 * is like, and beside that any canary would soon be proven. Known before the draw, so that no outcome chooses what is
 * left out.
 */
export function isComparable(plane: DataPlane, route: ModelRoute): boolean {
  return !hasNone(plane, route, 'stable') && !hasNone(plane, route, 'baseline')
}

/** Requests are drawn for this arm of the control, and there is no endpoint that they could go to. */
function hasNone(plane: DataPlane, route: ModelRoute, arm: 'stable' | 'baseline'): boolean {
  return route.table.stratum[arm] > 0 && !route.endpoints.answers(route.pool(arm), plane.nowMs())
}

/** The arm of a request that may be drawn. */
export function drawn(plane: DataPlane, route: ModelRoute, exchange: Exchange): Arm {
  if (!splits(route)) return 'stable'
  const key = route.affinityKey(exchange)
  const { table } = route
  // While the canary has no share the baseline's workers may still be starting. Stable's own traffic goes on to be known.
  if (table.weightBp === 0 && hasNone(plane, route, 'baseline')) return 'stable'
  return drawArm(table, key === undefined ? plane.random() : affinityPoint(table.salt, key))
}

function splits({ table }: ModelRoute): boolean {
  return table.weightBp + table.baselineBp > 0
}
