import { GROUPS } from '../evidence/counts.ts'
import { isInMirror, isValidPhase, stepOf, weightOf } from './phase.ts'
import type { Rollout } from './rollout.ts'

/** What is true of every rollout, whatever happened: broken ones by name, for tests and for a store that reads. */
export function brokenInvariants(rollout: Rollout): string[] {
  const { phase, policy, evidence, highestStep, attempt, revision, evaluation } = rollout
  const step = stepOf(phase)
  const rules: [holds: boolean, rule: string][] = [
    [isValidPhase(phase), 'weights are basis points, none in the mirror, and steps count from 0'],
    [step === undefined || step < policy.steps.length, 'the step exists in the policy'],
    [step === undefined || step <= highestStep, 'no step is beyond the highest that was entered'],
    [phase.kind !== 'finished' || weightOf(phase) === 0, 'a rollout that is over gives the canary nothing'],
    [phase.kind !== 'preparing' || weightOf(phase) === 0, 'nothing goes to a canary that prepares'],
    [
      isInMirror(phase) === (rollout.mirror !== undefined),
      'copies are compared in the mirror step, and only there',
    ],
    [
      phase.kind !== 'held' || phase.cause !== 'sample-ratio-mismatch' || phase.weightBp === 0,
      'a broken draw gives the canary nothing',
    ],
    [attempt >= 1 && revision >= 1 && evaluation >= 0, 'attempts, revisions and evaluations count up'],
    [
      GROUPS.every((group) => evidence.cash[group] >= 0 && evidence.cash[group] <= 1),
      'the capital that waits is a part of 1',
    ],
    [!evidence.wealth.some(Number.isNaN), 'no wealth is NaN'],
  ]
  return rules.filter(([holds]) => !holds).map(([, rule]) => rule)
}
