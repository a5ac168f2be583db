import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import { stepOf, weightOf } from '@coalmine/core/rollout/phase.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'

/** What no controller may ever have decided, whatever it knew: by the row alone. */
export function decisionFaults({ phase, policy }: Rollout, { decision: record }: DeploymentEvent): string[] {
  if (record === undefined || record.actor !== 'controller') return []
  const { decision, situation, weightBeforeBp, weightAfterBp } = record
  const { assessment, evidenceIsFresh, frozen, ready, nowMs } = situation
  const guardrails = assessment.comparisons.filter(({ share }) => share !== undefined)
  const raises = weightAfterBp > weightBeforeBp
  const rules: [holds: boolean, rule: string][] = [
    [!raises || evidenceIsFresh, 'a weight rose by evidence that was not fresh'],
    [!raises || !frozen, 'a weight rose during a freeze'],
    [weightBeforeBp === weightOf(phase), 'the row has another weight before than the rollout'],
  ]
  switch (decision.kind) {
    case 'begin':
      rules.push([phase.kind === 'preparing' && ready, 'it began before it was ready'])
      break
    case 'advance':
      rules.push([decision.step === (stepOf(phase) ?? -1) + 1, 'a step was left out'])
      rules.push([weightAfterBp === policy.steps[decision.step]?.weightBp, "the weight is not the step's"])
      rules.push([
        phase.kind === 'stepping' && nowMs - phase.sinceMs >= policy.steps[phase.step]!.minDurationMs,
        'the step was too short',
      ])
      break
    case 'promote':
      rules.push([stepOf(phase) === policy.steps.length - 1, 'it is promoted before the last step'])
      rules.push([evidenceIsFresh && !frozen, 'it is promoted without fresh evidence, or during a freeze'])
      rules.push([guardrails.every(({ verdict }) => verdict === 'proven'), 'not every guardrail is proven'])
      break
    case 'switch':
      rules.push([
        phase.kind === 'promoting' && ready && evidenceIsFresh && !frozen,
        'it was not ready for everything',
      ])
      break
    case 'roll-back':
    case 'hold':
    case 'finish':
      rules.push([!raises, 'what ends gets more'])
      break
  }
  return rules.filter(([holds]) => !holds).map(([, rule]) => rule)
}
