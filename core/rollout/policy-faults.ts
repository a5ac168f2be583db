import { quantileName, TAIL_QUANTILES } from '../evidence/latency-reference.ts'
import { isWeight } from '../routing/draw.ts'
import type { Comparison, Policy, RateBound } from './policy.ts'
import { percent } from './sentences.ts'

/** Everything that makes a policy impossible to follow or its proof void; empty for a good one. */
export function policyFaults(policy: Policy): string[] {
  return [
    ...riskFaults(policy),
    ...lastStepFaults(policy),
    ...stepFaults(policy),
    ...guardrailFaults(policy),
    ...[...policy.guardrails, ...policy.signals].flatMap(comparisonFaults),
    ...operationalFaults(policy),
  ]
}

function riskFaults({ risk }: Policy): string[] {
  return Object.entries(risk)
    .filter(([, value]) => !(value > 0 && value < 0.5))
    .map(([key, value]) => `risk.${key} must be above 0 and below 50 %, it is ${percent(value)}`)
}

function stepFaults({ steps, guardrails }: Policy): string[] {
  if (steps.length === 0) return ['steps: at least one is needed']
  const names = new Set(guardrails.map(({ name }) => name))
  return steps.flatMap(({ weightBp, minDurationMs, proof, gates }, i) => [
    ...(isWeight(weightBp) && weightBp > 0 && weightBp < 10_000
      ? []
      : [`steps[${i}].setWeight must be above 0 % and below 100 %, so that there is something to compare`]),
    ...(i > 0 && steps[i - 1]!.weightBp >= weightBp
      ? [`steps[${i}].setWeight must be above the one before`]
      : []),
    ...(minDurationMs >= 0 ? [] : [`steps[${i}].minDuration must not be negative`]),
    ...(proof > 0 && proof <= 1 ? [] : [`steps[${i}].proof must be above 0 and at most 1, it is ${proof}`]),
    ...(gates ?? [])
      .filter((gate) => !names.has(gate))
      .map((gate) => `steps[${i}].gates names "${gate}", which is no guardrail`),
  ])
}

/** Above one half the baseline has no room for an equal share, and latency, which the last step proves, has no pair. */
function lastStepFaults({ steps, guardrails }: Policy): string[] {
  const last = steps.at(-1)
  return last !== undefined && last.weightBp > 5000 && guardrails.some(({ metric }) => metric === 'latency')
    ? [
        'the last step must be at 50 % at most while latency is a guardrail, as it is compared at equal shares',
      ]
    : []
}

function guardrailFaults({ guardrails, signals }: Policy): string[] {
  if (guardrails.length === 0)
    return ['guardrails: at least one is needed; without one nothing is proven and nothing rolls back']
  const total = guardrails.reduce((sum, { share }) => sum + share, 0)
  const names = [...guardrails, ...signals].map(({ name }) => name)
  return [
    ...guardrails
      .filter(({ share }) => !(share > 0 && share <= 1))
      .map(({ name, share }) => `${name}: share must be above 0 and at most 1, it is ${share}`),
    ...(Math.abs(total - 1) < 1e-9
      ? []
      : [`the shares of the guardrails must sum to 1, they sum to ${Number(total.toPrecision(6))}`]),
    ...names
      .filter((name, i) => names.indexOf(name) !== i)
      .map((name) => `two comparisons are called "${name}"`),
  ]
}

function comparisonFaults(comparison: Comparison): string[] {
  const at = (fault: string) => `${comparison.name}: ${fault}`
  switch (comparison.metric) {
    case 'latency': {
      const { tolerate, margin, quantiles } = comparison
      return [
        ...(quantiles.length > 0 ? [] : [at('quantiles: at least one is needed')]),
        ...quantiles
          .filter((p) => !TAIL_QUANTILES.includes(p))
          .map((p) =>
            at(`quantiles are among ${TAIL_QUANTILES.map(quantileName).join(', ')}, not ${quantileName(p)}`),
          ),
        ...(tolerate.relative >= 0 && tolerate.atLeastMs >= 0 ? [] : [at('tolerate must not be negative')]),
        ...(margin.relative >= tolerate.relative && margin.atLeastMs >= tolerate.atLeastMs
          ? []
          : [at('margin must not be below tolerate')]),
        ...(margin.relative >= LATENCY_MARGIN_MIN
          ? []
          : [
              at(
                `margin must allow at least ${percent(LATENCY_MARGIN_MIN)}, as latency is counted in bins of 1 %`,
              ),
            ]),
      ]
    }
    case 'score_distribution': {
      const { tolerate, margin } = comparison
      return [
        ...(tolerate >= 0 ? [] : [at('tolerate must not be negative')]),
        ...(margin > 0 && margin < 1 ? [] : [at('margin must be above 0 and below 1')]),
        ...(margin >= tolerate ? [] : [at('margin must not be below tolerate')]),
      ]
    }
    default:
      return rateFaults(comparison.tolerate, comparison.margin).map(at)
  }
}

const LATENCY_MARGIN_MIN = 0.02

function rateFaults(tolerate: RateBound, margin: RateBound): string[] {
  return [
    ...(tolerate.value >= 0 ? [] : ['tolerate must not be negative']),
    ...(tolerate.kind === 'absolute' && tolerate.value >= 1 ? ['tolerate must be below 100 %'] : []),
    // A margin asks how much worse is acceptable; one that asks for an improvement would be bet on the wrong side.
    ...(margin.value > 0 ? [] : ['margin must be above 0: it is how much worse may be promoted']),
    ...(margin.kind === 'absolute' && margin.value >= 1 ? ['margin must be below 100 %'] : []),
    ...(tolerate.kind === margin.kind && margin.value < tolerate.value
      ? ['margin must not be below tolerate']
      : []),
  ]
}

function operationalFaults(policy: Policy): string[] {
  const { intervalMs, progressDeadlineMs, onNoTraffic, keepPreviousMs, watch } = policy
  return [
    ...(intervalMs >= 100 ? [] : ['interval must be at least 100 ms']),
    ...(progressDeadlineMs > 0 ? [] : ['progressDeadline must be above 0']),
    ...(onNoTraffic.afterMs > 0 ? [] : ['onNoTraffic.after must be above 0']),
    ...(keepPreviousMs >= 0 ? [] : ['keepPrevious must not be negative']),
    ...(watch === undefined || (isWeight(watch.holdBackBp) && watch.holdBackBp > 0 && watch.holdBackBp < 5000)
      ? []
      : ['watch.holdBack must be above 0 % and below 50 %']),
    ...(watch === undefined || watch.durationMs > 0 ? [] : ['watch.for must be above 0']),
    ...(watch === undefined || watch.durationMs <= keepPreviousMs
      ? []
      : ['watch.for must not be longer than keepPrevious, or there is no way back']),
    ...(watch === undefined || watch.falseAlarmEveryMs >= watch.durationMs
      ? []
      : ['watch.falseAlarmEvery must not be shorter than watch.for, or a false alarm is to be expected']),
    ...(watch === undefined || watch.falseAlarmEveryMs >= intervalMs * 100
      ? []
      : ['watch.falseAlarmEvery must be at least a hundred intervals']),
  ]
}
