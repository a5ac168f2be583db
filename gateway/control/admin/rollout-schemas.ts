import { z } from '@hono/zod-openapi'
import {
  policyName,
  reasonedSchema,
  versionName,
  versionRef,
  weightPercent,
  weightSchema,
} from './schemas.ts'

/*
 * Rollouts on the wire. Steps count from 1, as in the sentences; a weight is the canary's unless said otherwise.
 */

const since = z.iso.datetime().openapi({ description: 'When the phase began.' })
const step = z.int().min(0).openapi({ description: 'From 1 on; 0 is the mirror before them.' })
const atStep = { since, step, weightPercent }
const approvedBy = z.string().nullable().openapi({ description: 'Who approved leaving this step.' })

const phaseSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('preparing'), since }),
    z.object({ kind: z.literal('mirroring'), since, approvedBy }),
    z.object({ kind: z.literal('stepping'), ...atStep, approvedBy }),
    z.object({ kind: z.literal('awaiting-approval'), ...atStep }),
    z.object({ kind: z.literal('paused'), ...atStep, actor: z.string(), reason: z.string() }),
    z.object({
      kind: z.literal('held'),
      ...atStep,
      cause: z.enum(['no-traffic', 'inconclusive', 'sample-ratio-mismatch']),
      reason: z.string(),
    }),
    z.object({ kind: z.literal('promoting'), since, weightPercent, proven: z.boolean() }),
    z.object({ kind: z.literal('watching'), since, weightPercent, until: z.iso.datetime() }),
  ])
  .openapi('Phase')

const policyRef = z.object({
  name: z.string(),
  hash: z.string().openapi({ description: 'Of the rules that this rollout is judged by.' }),
})

export const rolloutBriefSchema = z
  .object({
    serial: z.int(),
    attempt: z.int().openapi({ description: 'How often this pair of versions was judged, with this time.' }),
    stable: versionRef.openapi({ description: 'What is compared with: stable, until the promotion.' }),
    canary: versionRef,
    measures: z.boolean().openapi({ description: 'Stable beside itself: nothing is promoted.' }),
    policy: policyRef,
    phase: phaseSchema,
    steps: z.int(),
    stepsPercent: z.array(z.number()).openapi({ description: 'What the canary gets in each step.' }),
    weightPercent: z.object({ stable: weightSchema, baseline: weightSchema, canary: weightSchema }),
    waitsFor: z
      .string()
      .nullable()
      .openapi({ description: 'What happens next, or what for; null before the first evaluation.' }),
    evaluation: z.int(),
    evaluatedAt: z.iso.datetime(),
    startedAt: z.iso.datetime(),
    startedBy: z.string(),
  })
  .openapi('RolloutBrief')

const counts = z.object({
  requests: z.int().openapi({ description: 'First attempts, known soon after they began.' }),
  errors: z.int(),
  rejected: z.int(),
  slow: z.int().openapi({ description: 'Still open when they were counted.' }),
  scored: z.int(),
  finished: z.int().openapi({ description: 'Those of which the end is known.' }),
  failed: z.int(),
  aborted: z.int().openapi({ description: 'Given up by their callers.' }),
  labelled: z.int(),
  wrong: z.int(),
})
const armCountsSchema = z
  .object({
    stable: counts.openapi({ description: 'All of stable, the baseline included.' }),
    baseline: counts,
    canary: counts,
  })
  .openapi('ArmCounts', {
    description:
      'At the latest 12 weights. For counts, not for rates: where weights changed, rates of sums mislead.',
  })

const spent = z.object({
  allowed: z.number().openapi({ description: 'By the policy, each attempt.' }),
  spent: z.number().openapi({ description: 'By all attempts of this pair.' }),
})
const risksSchema = z.object({ falseRollback: spent, falsePromotion: spent })

const observed = z.object({ value: z.number(), low: z.number(), high: z.number() })
const verdict = z.enum(['breach', 'proven', 'undecided', 'no-data', 'not-testable'])
const readingSchema = z
  .object({
    name: z.string(),
    metric: z.enum(['error_rate', 'rejected_rate', 'accuracy', 'latency', 'score_distribution']),
    acts: z.boolean().openapi({ description: 'False for a signal, which is judged and never acts.' }),
    verdict,
    samples: z.object({ canary: z.number(), control: z.number() }),
    observed: observed.nullable().openapi({
      description:
        'Canary minus stable: shares of requests, or parts of the latency. The bounds hold at any time, 19 of 20.',
    }),
    tolerate: z.number(),
    margin: z.number(),
    rollback: z.object({ log: z.number(), threshold: z.number() }),
    promotion: z
      .object({
        log: z.number(),
        threshold: z.number(),
        stepLog: z.number(),
        stepThreshold: z.number(),
      })
      .nullable(),
    secondsToDecide: z.number().nullable().openapi({ description: 'At the pace of this step.' }),
    sentence: z.string(),
  })
  .openapi('Reading')

const bound = z
  .union([
    z.object({ kind: z.enum(['absolute', 'relative']), value: z.number() }),
    z.object({ relative: z.number(), atLeastMs: z.number() }),
    z.number(),
  ])
  .openapi({ description: 'Of rates, of latency, or of scores.' })
export const suggestionSchema = z
  .object({
    name: z.string(),
    metric: z.string(),
    raised: z.boolean().openapi({ description: 'More than the policy allows now.' }),
    tolerate: bound,
    margin: bound,
    sentence: z.string(),
  })
  .openapi('Suggestion')

const armLabels = z.object({
  labelled: z.int().openapi({ description: 'Requests as old as the window that have a label.' }),
  wrong: z.int(),
  coverage: z.number().nullable().openapi({
    description:
      'Labelled, as a part of all whose end is known; low while requests are younger than the window.',
  }),
})
const labelsSchema = z
  .object({
    windowSeconds: z.number().openapi({ description: 'The age at which a request counts for accuracy.' }),
    lagSeconds: z.number().nullable().openapi({ description: 'Age of the last second that was counted.' }),
    received: z
      .object({
        counted: z.int(),
        repeated: z.int(),
        late: z.int(),
        other_rollout: z.int(),
        full: z.int(),
      })
      .openapi({ description: 'By this control process, since it began.' }),
    stable: armLabels.openapi({ description: 'All of stable, the baseline included.' }),
    canary: armLabels,
    sampleRatioMismatch: z.boolean().openapi({
      description: 'Labels come to one version more often than to the other; accuracy proves nothing then.',
    }),
  })
  .openapi('Labels')

const agreement = z.object({
  pairs: z.int(),
  different: z.int().openapi({ description: 'Pairs in which a client would have got something else.' }),
})
const mirrorSchema = z
  .object({
    percent: z.number().openapi({ description: "Of stable's requests that are copied." }),
    pairs: agreement.openapi({ description: 'Canary beside stable; each input once.' }),
    floor: agreement.openapi({
      description: 'Stable beside itself: what differs without any other version.',
    }),
    latency: z.object({ pairs: z.int(), stableMs: z.number(), canaryMs: z.number() }).nullable().openapi({
      description:
        'Medians of the last requests that both answered well. Never judged: a copy is more load, and whoever is asked second finds warm caches.',
    }),
    comparisons: z.array(
      z.object({
        name: z.string(),
        metric: z.string(),
        verdict,
        rollback: z.object({ log: z.number(), threshold: z.number() }),
        promotion: z.object({ log: z.number(), threshold: z.number() }),
        worst: z.string(),
        slowest: z.string(),
      }),
    ),
  })
  .openapi('Mirror')

export const rolloutSchema = z
  .object({
    ...rolloutBriefSchema.shape,
    risks: risksSchema,
    counts: armCountsSchema,
    evidence: z.object({
      isFresh: z
        .boolean()
        .nullable()
        .openapi({ description: 'Every data process reported lately; weights rise only then.' }),
      processesHeard: z.int(),
      processes: z.int(),
      lagSeconds: z
        .number()
        .nullable()
        .openapi({ description: 'Age of the last second that was counted; null before the first.' }),
    }),
    labels: labelsSchema.nullable().openapi({ description: 'Null where the policy compares no accuracy.' }),
    readings: z.array(readingSchema),
    mirror: mirrorSchema.nullable().openapi({ description: 'Null but in the mirror.' }),
  })
  .openapi('Rollout')

export const rolloutSummarySchema = z
  .object({
    model: z.string(),
    serial: z.int(),
    attempt: z.int(),
    stable: versionRef,
    canary: versionRef,
    policy: policyRef,
    outcome: z
      .enum(['promoted', 'rolled-back', 'aborted', 'superseded', 'measured'])
      .nullable()
      .openapi({ description: 'Null while it runs.' }),
    because: z.string().nullable(),
    startedAt: z.iso.datetime(),
    startedBy: z.string(),
    finishedAt: z.iso.datetime().nullable(),
    durationSeconds: z.number(),
    risks: risksSchema,
    counts: armCountsSchema,
  })
  .openapi('RolloutSummary')

const flag = (description: string) => z.boolean().default(false).openapi({ description })

export const startRequest = z
  .strictObject({
    ...reasonedSchema.shape,
    canary: versionName,
    policy: policyName.optional().openapi({ description: "The model's own unless said." }),
    supersede: flag('End what runs in favour of this one.'),
    force: flag('Start although the planner says that it cannot be decided.'),
    retry: flag('Judge a pair of versions again; the risk is spent once more.'),
    measure: flag('Compare stable with itself, which promotes nothing.'),
    allowContractChange: flag('Start although requests that stable accepts could fail on the canary.'),
    dryRun: flag('Only say what would come of it.'),
  })
  .openapi('StartRequest')
export const restartRequest = z
  .strictObject({
    ...reasonedSchema.shape,
    policy: policyName.optional().openapi({ description: "The rollout's own unless said." }),
  })
  .openapi('RestartRequest')
export const weightRequest = z
  .strictObject({ ...reasonedSchema.shape, weightPercent })
  .openapi('WeightRequest')
