import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { type IdKey, PREDICTION_ID_LENGTH, signInto } from '@coalmine/contract/prediction-id.ts'
import type { Arm, RoutingTable } from '@coalmine/core/routing/table.ts'
import type { CountedRow } from './foreign-answer.ts'

/** What all ids of one answer have in common. */
export interface Origin {
  arm: Arm | 'pinned'
  table: RoutingTable
  /** Its arm was drawn while versions are compared, not forced by what was known before. */
  isEvidence: boolean
  /** Of the version that answered. */
  fingerprint: bigint
  /** Stable answered in the canary's place. */
  shielded: boolean
  /** When it was assigned. */
  timeMs: number
  random: () => number
  key: IdKey
}

const PLACEHOLDER = Buffer.from(ID_PLACEHOLDER, 'latin1')
/** One id is signed at a time, so its bytes need no allocation. */
const scratch = Buffer.alloc(PREDICTION_ID_LENGTH)

/**
 * Signs prediction ids over the placeholders that the worker left in its answer.
 *
 * @param said what is known of the answer, checked; without it the id stands for one row without a score
 * @returns the id of the counted row, which stands for the request
 */
export function identify(body: Buffer, said: Said | undefined, origin: Origin): string {
  const { rows, row, ids = NO_IDS } = said ?? NOTHING_SAID
  const perRow = ids.length === rows
  for (let i = 0; i < ids.length; i++) {
    const picked = !perRow || i === row
    sign(body, ids[i]!, picked ? row : i, rows, picked ? said : undefined, origin)
  }
  const own = perRow ? ids[row] : ids[0]
  if (own !== undefined) return body.toString('latin1', own, own + PREDICTION_ID_LENGTH)
  sign(scratch, 0, row, rows, said ?? NOTHING_SAID, origin)
  return scratch.toString('latin1')
}

/** What is known of an answer. `ids`: where our worker left room for them; a server of another make knows none. */
export type Said = CountedRow & { ids?: readonly number[] }

const NO_IDS: readonly number[] = []
const NOTHING_SAID: Said = { rows: 1, row: 0 }

/** @param picked what was said of the counted row; undefined for the others */
function sign(
  target: Buffer,
  offset: number,
  row: number,
  rows: number,
  picked: Said | undefined,
  origin: Origin,
): void {
  const { arm, table, isEvidence, fingerprint, shielded, timeMs, random, key } = origin
  const fields = {
    arm,
    counts: isEvidence,
    shielded,
    pickedRow: picked !== undefined,
    fingerprint,
    rollout: table.serial,
    weightBp: table.weightBp,
    timeMs,
    score: picked?.score,
    class: picked?.class,
    nonce: random(),
    row,
    rows,
  }
  signInto(target, offset, fields, key)
}

/** Nothing is written over an answer but what the worker put there to be written over. */
export function isPlaceholder(body: Buffer, at: number): boolean {
  const end = at + PREDICTION_ID_LENGTH
  return body.length >= end && body.compare(PLACEHOLDER, 0, PREDICTION_ID_LENGTH, at, end) === 0
}
