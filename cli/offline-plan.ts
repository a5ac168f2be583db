import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { describeProblems } from '@coalmine/contract/strict-yaml.ts'
import { durationMs, percentage } from '@coalmine/contract/units.ts'
import { labelWindowOf } from '@coalmine/core/evidence/comparison.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Traffic } from '@coalmine/core/rollout/expected-arms.ts'
import { planRollout } from '@coalmine/core/rollout/plan.ts'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { CommandError, EXIT } from './exit-code.ts'
import { fileFault } from './file-fault.ts'
import type { Plan } from './views.ts'

/** Traffic as somebody expects it, in their words. */
export interface ExpectedTraffic {
  readonly rps: number
  readonly errors: string
  readonly median: string
}

/** Width of the made-up latencies, in bins of one per cent: the 95th percentile is about twice the median. */
const LATENCY_SPREAD = 40
const SCORE_BINS = 16
const [HORIZON_MS, DEADLINE_MS] = [1_000, 5_000]

/** What a policy file would need with traffic that is only expected. Throws a CommandError that names file or flag. */
export async function offlinePlan(file: string, expected: ExpectedTraffic): Promise<Plan> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw fileFault(file, error)
  })
  const parsed = parsePolicy(basename(file).replace(/\.ya?ml$/, ''), text)
  if (!parsed.ok) throw new CommandError(describeProblems(file, parsed.problems))
  const { policy } = parsed.file
  const agesMs = { early: HORIZON_MS, final: DEADLINE_MS, labels: labelWindowOf(policy) ?? 0 }
  const { mirror, steps, comparisons, ...plan } = planRollout(policy, trafficOf(expected, agesMs))
  return {
    expected: plan.expected ?? null,
    mirror: mirror
      ? {
          ...{ durationSeconds: mirror.durationSeconds ?? null, inputs: mirror.inputs ?? null },
          slowest: mirror.slowest ?? null,
        }
      : null,
    steps: steps.map(({ weightBp, startSeconds, durationSeconds, slowest }) => ({
      ...{ weightPercent: weightBp / 100, startSeconds },
      ...{ durationSeconds: durationSeconds ?? null, slowest: slowest ?? null },
    })),
    comparisons: comparisons.map(({ name, metric, guardrail, steps }) => ({
      ...{ name, metric, acts: guardrail, expectedShift: null },
      steps: steps.map(({ proof, finalProof, atMargin, atTwiceMargin }) => ({
        ...{ proof: proof ?? null, finalProof: finalProof ?? null },
        ...{ atMargin: atMargin ?? null, atTwiceMargin: atTwiceMargin ?? null },
      })),
    })),
    cannotDecide: plan.cannotDecide,
    warnings: [
      ...plan.warnings,
      'latencies and scores are made up; with a gateway, plan MODEL -c VERSION goes by those that were seen',
    ],
  }
}

function trafficOf({ rps, errors, median }: ExpectedTraffic, agesMs: Traffic['agesMs']): Traffic {
  const errorRate = percentage(errors)
  if (errorRate === undefined || errorRate >= 1)
    throw new CommandError(
      `--errors: expected a percentage below 100%, such as 0.1%, found ${errors}`,
      EXIT.usage,
    )
  const medianMs = durationMs(median)
  if (medianMs === undefined || medianMs < 1)
    throw new CommandError(
      `--median: expected a duration from 1ms on, such as 20ms, found ${median}`,
      EXIT.usage,
    )
  const scores = {
    edges: Array.from({ length: SCORE_BINS - 1 }, (_, i) => (i + 1) / SCORE_BINS),
    shares: Array<number>(SCORE_BINS).fill(1 / SCORE_BINS),
    ...{ mean: 0.5, classes: [0.5, 0.5] },
  }
  return {
    ...{ requestsPerSecond: rps, errorRate, unfinishedRate: errorRate, rejectedRate: errorRate, agesMs },
    latency: Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
      Math.exp(-(((bin - latencyBin(medianMs)) / LATENCY_SPREAD) ** 2) / 2),
    ),
    score: { stable: scores, canary: scores, range: [0, 1] },
  }
}
