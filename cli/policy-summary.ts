import { percentText } from '@coalmine/core/rollout/deployment.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { duration, percent } from '@coalmine/core/rollout/sentences.ts'

/** A policy in one line: steps, what acts, what may go wrong, how often. */
export function policySummary({ steps, guardrails, signals, risk }: Policy): string {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join(', ')
  const parts = [
    `steps ${steps
      .map(
        ({ weightBp, minDurationMs, requiresApproval }) =>
          `${percentText(weightBp)} for ${duration(minDurationMs)}${requiresApproval ? ' and an approval' : ''}`,
      )
      .join(', ')}`,
    `guardrails ${names(guardrails)}`,
    ...(signals.length > 0 ? [`signals ${names(signals)}`] : []),
    `at most ${percent(risk.falseRollback)} of good versions are rolled back, ${percent(risk.falsePromotion)} of bad ones promoted`,
  ]
  return parts.join('; ')
}
