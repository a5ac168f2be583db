import type { Plan } from '@coalmine/core/rollout/plan.ts'
import type { z } from '@hono/zod-openapi'
import type { planSchema } from './plan-schema.ts'
import { percent } from './units.ts'

export function planView({
  expected,
  mirror,
  steps,
  comparisons,
  cannotDecide,
  warnings,
}: Plan): z.infer<typeof planSchema> {
  return {
    expected: expected ?? null,
    mirror: mirror
      ? {
          durationSeconds: mirror.durationSeconds ?? null,
          inputs: mirror.inputs ?? null,
          slowest: mirror.slowest ?? null,
        }
      : null,
    steps: steps.map(({ weightBp, startSeconds, durationSeconds, warmUpSeconds, slowest }) => ({
      weightPercent: percent(weightBp),
      startSeconds,
      durationSeconds: durationSeconds ?? null,
      warmUpSeconds,
      slowest: slowest ?? null,
    })),
    comparisons: comparisons.map(({ name, metric, guardrail, expectedShift, steps }) => ({
      name,
      metric,
      acts: guardrail,
      expectedShift: expectedShift ?? null,
      steps: steps.map(({ proof, finalProof, atMargin, atTwiceMargin }) => ({
        proof: proof ?? null,
        finalProof: finalProof ?? null,
        atMargin: atMargin ?? null,
        atTwiceMargin: atTwiceMargin ?? null,
      })),
    })),
    cannotDecide: [...cannotDecide],
    warnings: [...warnings],
  }
}
