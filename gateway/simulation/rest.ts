import { isDeepStrictEqual } from 'node:util'
import { snapshot } from '@coalmine/core/rollout/event.ts'
import { stepOf, weightOf } from '@coalmine/core/rollout/phase.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import type { MemoryStore } from '../store/memory.ts'
import { MODEL } from './control-process.ts'
import type { History } from './history.ts'
import type { Host } from './host.ts'
import type { Report } from './report.ts'

/** A decision of just now is on its way to the data processes. */
const UNDER_WAY_MS = 1000
/** A turn that brings something comes at least this often. */
const TURN_MAX_MS = 15_000
/** What needs no proof has happened by then, in the quiet. */
const STEP_MAX_MS = 80_000

/** After a long quiet: what can end has ended, the rest goes on or waits with a reason, and all serve what is stored. */
export function checkRest({
  host,
  history,
  report,
  nowMs: monotonicMs,
}: {
  host: Host
  history: History
  report: Report
  nowMs: number
}): void {
  const { now } = history
  const check = (holds: boolean, rule: string) => report.holds(holds, () => `at the end: ${rule}`)
  const [control] = host.controls
  check(control !== undefined && host.controls.size === 1, 'not one control process lives')
  check(now.stable !== undefined, 'nothing is deployed')
  check(!history.frozen, 'the freeze was not lifted')
  const table = routingTable(now)
  for (const { plane, name } of host.data) {
    const route = plane.routes.get(MODEL)
    check(
      isDeepStrictEqual(route?.table, table) || monotonicMs - history.decidedMs < UNDER_WAY_MS,
      `${name} routes by revision ${route?.table.revision}, stored is ${now.revision}`,
    )
    check(route !== undefined && monotonicMs - route.freshAtMs < 10_000, `${name} was told nothing lately`)
  }
  const { rollout } = now
  if (rollout === undefined || control === undefined) return
  const { phase } = rollout
  const sinceMs = control.nowMs() - phase.sinceMs
  const because = control.controller.situation(MODEL)
  check(because !== undefined, 'nobody looks at the rollout')
  const told = `it is ${phase.kind} for ${sinceMs} ms`
  switch (phase.kind) {
    case 'preparing':
    case 'mirroring':
    case 'promoting':
      return check(sinceMs < STEP_MAX_MS, told)
    case 'watching':
      return check(control.nowMs() < phase.untilMs + TURN_MAX_MS, told)
    case 'stepping':
      return check(
        control.nowMs() - rollout.evaluatedMs < TURN_MAX_MS,
        `step ${stepOf(phase)} at ${weightOf(phase)} bp learns nothing any more`,
      )
    default:
      return
  }
}

/** The record has no gaps and no inventions. */
export async function checkRows(store: MemoryStore, history: History, report: Report): Promise<void> {
  const rows = (await store.events({ model: MODEL, limit: Number.POSITIVE_INFINITY })).reverse()
  report.holds(rows.length === history.events, () => `${rows.length} rows for ${history.events} decisions`)
  let before = { revision: 0, id: 0 }
  for (const row of rows) {
    if (!('model' in row)) continue
    const { after, id } = row
    report.holds(
      id > before.id && row.before.revision === before.revision && after.revision === before.revision + 1,
      () =>
        `row ${id} goes from revision ${row.before.revision} to ${after.revision}, the one before it to ${before.revision}`,
    )
    const known = history.revisions.get(after.revision)
    report.holds(
      known !== undefined && isDeepStrictEqual(snapshot(known), after),
      () => `row ${id} tells of what was never stored`,
    )
    before = { revision: after.revision, id }
  }
  for (const rollout of await store.rollouts({ model: MODEL, limit: Number.POSITIVE_INFINITY })) {
    const ended = history.ended.get(rollout.serial)
    report.holds(
      ended === undefined || isDeepStrictEqual(rollout.phase, ended.phase),
      () => `rollout ${rollout.serial} changed after it was over`,
    )
  }
}
