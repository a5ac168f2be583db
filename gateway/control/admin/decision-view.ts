import { isDeepStrictEqual } from 'node:util'
import { CONTROLLER } from '@coalmine/core/rollout/apply.ts'
import type { Decision, DecisionRecord } from '@coalmine/core/rollout/decision.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { replay } from '@coalmine/core/rollout/tick.ts'
import { iso, percent } from './units.ts'

type Recorded = DeploymentEvent & { readonly id: number }

export function decisionView(event: Recorded) {
  const { id, kind, atMs, actor, reason, because, serial, before, after, decision } = event
  return {
    id,
    kind,
    at: iso(atMs),
    actor,
    reason,
    because,
    serial: serial === 0 ? null : serial,
    proven: decision === undefined ? null : provenOf(decision.decision),
    before: side(before),
    after: side(after),
  }
}

/** @param policy that of the record's hash; undefined when it is not at hand */
export function fullDecisionView(event: Recorded, policy: Policy | undefined) {
  const { decision: record } = event
  return {
    ...decisionView(event),
    record: record ?? null,
    policy: policy ?? null,
    replay: record && policy && record.actor === CONTROLLER ? replayOf(record, policy) : null,
  }
}

function replayOf(record: DecisionRecord, policy: Policy) {
  // As the store keeps it, where what is undefined is left out.
  const decision: Decision = JSON.parse(JSON.stringify(replay(record, policy)))
  return { decision, same: isDeepStrictEqual(decision, JSON.parse(JSON.stringify(record.decision))) }
}

function provenOf(decision: Decision): boolean | null {
  return 'proven' in decision ? decision.proven : null
}

function side({ revision, weightBp, stable, canary }: DeploymentEvent['before']) {
  return { revision, weightPercent: percent(weightBp), stable: stable ?? null, canary: canary ?? null }
}
