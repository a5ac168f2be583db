import { sessionAffinity } from '@coalmine/contract/session-affinity.ts'
import { basisPoints, durationMs, percentage } from '@coalmine/contract/units.ts'
import { text, within, written } from '@coalmine/contract/written.ts'
import { z } from 'zod'
import { guardrail, signal } from './comparison-schema.ts'

const LIST_MAX = 20

/** @param from @param to limits as people write them, `250ms` and `60s` */
function duration(from: string, to: string, example: string, description: string) {
  const [min, max] = [durationMs(from)!, durationMs(to)!]
  return written(
    `a duration from ${from} to ${to} in ms, s, m or h, such as ${example}`,
    text((value) => within(durationMs(value), min, max)),
    { type: 'string', pattern: '^\\d+(ms|s|m|h)$', description: `${description} ${from} to ${to}.` },
  )
}

/** A percentage with its sign, as a fraction. */
function risk(description: string) {
  return written(
    'a percentage above 0% and below 50%, such as 1%',
    text((value) => {
      const fraction = percentage(value)
      return fraction !== undefined && fraction > 0 && fraction < 0.5 ? fraction : undefined
    }),
    { type: 'string', pattern: '^\\d+(\\.\\d+)?%$', description },
  )
}

const mirror = z.strictObject({
  percent: written(
    'a percentage above 0 and at most 100 with at most two decimals and no sign, such as 20',
    (value) => within(typeof value === 'number' ? basisPoints(value) : undefined, 1, 10_000),
    {
      type: 'number',
      exclusiveMinimum: 0,
      maximum: 100,
      description: "Percent of stable's requests that are copied to the canary, up to two decimals.",
    },
  ),
})

/** What a step must have unless it is a mirror. */
export const WEIGHT_EXPECTED =
  'a percentage above 0 and below 100 with at most two decimals and no sign, such as 12.5'

const step = z
  .strictObject({
    mirror: mirror
      .optional()
      .describe(
        'In the first step alone, in place of setWeight: the canary gets copies of requests, nobody gets its answers, ' +
          'and the answers to the same request are compared.',
      ),
    setWeight: written(
      WEIGHT_EXPECTED,
      (value) => within(typeof value === 'number' ? basisPoints(value) : undefined, 1, 9_999),
      {
        type: 'number',
        exclusiveMinimum: 0,
        exclusiveMaximum: 100,
        description:
          'Percent of the requests that the canary gets, up to two decimals; more than in the step before. The last ' +
          'step is at 50 or below while latency is a guardrail.',
      },
    ).optional(),
    minDuration: duration('0s', '720h', '2m', 'The step lasts this at least.'),
    proof: written(
      'a number above 0 and at most 1, such as 0.3 (1 asks for no proof)',
      (value) => within(typeof value === 'number' ? value : undefined, Number.MIN_VALUE, 1),
      {
        type: 'number',
        exclusiveMinimum: 0,
        maximum: 1,
        description:
          'The risk of leaving this step with a canary at its margin or beyond; 1 asks for no proof. Required, but for ' +
          "the last step: there it is 1 unless said, as the last step asks for the whole rollout's proof anyway.",
      },
    ).optional(),
    requiresApproval: z.boolean().default(false).describe('A person must approve before the next step.'),
    gates: z
      .array(z.string())
      .max(LIST_MAX)
      .optional()
      .describe(
        'Names of the guardrails that must be proven to leave this step; all but latency unless said. The last step ' +
          'waits for all and has none.',
      ),
  })
  .meta({ anyOf: [{ required: ['setWeight'] }, { required: ['mirror'] }] })

const reaction = (description: string) => z.enum(['hold', 'rollback']).default('hold').describe(description)

const watch = z.strictObject({
  holdBack: written(
    'a percentage above 0% and below 50% with at most two decimals, such as 1%',
    text((value) => {
      const fraction = percentage(value)
      return within(fraction === undefined ? undefined : basisPoints(fraction * 100), 1, 4_999)
    }),
    {
      type: 'string',
      pattern: '^\\d+(\\.\\d{1,2})?%$',
      description: 'Part of the requests that stays on the version before.',
    },
  ).prefault('1%'),
  duration: duration('1s', '720h', '30m', 'How long; at most keepPrevious.').prefault('30m'),
  falseAlarmEvery: duration(
    '1m',
    '87600h',
    '720h',
    'How rare an alarm without a cause is, on average; not less than the duration.',
  ).prefault('720h'),
})

/** `policies/<name>.yaml` as people write it. How its keys must fit each other is told by the parser. */
export const policySchema = z
  .strictObject({
    steps: z.array(step).min(1).max(LIST_MAX).describe('From the smallest weight to the largest; then all.'),
    risk: z
      .strictObject({
        falseRollback: risk('How likely a canary within every tolerance is ever rolled back, at most.'),
        falsePromotion: risk('How likely a canary at a margin or beyond is ever promoted, at most.'),
      })
      .describe('What the evidence may get wrong, over all looks, steps and weights of a rollout.'),
    guardrails: z
      .array(guardrail)
      .min(1)
      .max(LIST_MAX)
      .describe('Comparisons that act: each can roll back, and all must be proven for a promotion.'),
    signals: z
      .array(signal)
      .max(LIST_MAX)
      .default([])
      .describe('Comparisons that are judged and recorded, and never act.'),
    labelWindow: duration(
      '1s',
      '24h',
      '1h',
      'The age at which requests count for accuracy, with the truths that have come by then; 1h unless said.',
    ).optional(),
    interval: duration('250ms', '60s', '1s', 'How often a decision is made.').prefault('1s'),
    progressDeadline: duration(
      '1s',
      '8760h',
      '48h',
      'How long a step may take to be proven; each has it anew. See onInconclusive.',
    ).prefault('48h'),
    onInconclusive: reaction('What to do at the deadline when the canary is proven neither good nor bad.'),
    onNoTraffic: z
      .strictObject({
        action: reaction('What to do when no request comes to the canary.'),
        after: duration('1s', '720h', '15m', 'After this time without a request.').prefault('15m'),
      })
      .prefault({})
      .describe('When nothing can be learned because nobody asks.'),
    onSampleRatioMismatch: reaction(
      'What to do when the canary does not get the share that was drawn for it. hold: it gets nothing meanwhile.',
    ),
    shield: z
      .boolean()
      .default(true)
      .describe('Stable answers what the canary failed to; it counts against the canary all the same.'),
    keepPrevious: duration(
      '0s',
      '8760h',
      '24h',
      'How long the version before stays ready after a promotion, for an instant rollback.',
    ).prefault('24h'),
    watch: watch
      .optional()
      .describe(
        'How a promoted version is watched, beside a few requests on the version before. Off unless said.',
      ),
    sessionAffinity: sessionAffinity
      .optional()
      .describe(
        "Callers with the same header or cookie keep their version. The model's unless said. The evidence is then " +
          'approximate, and a person approves the last step.',
      ),
  })
  .meta({ title: 'Coalmine rollout policy', description: 'How a version is tried, judged and promoted.' })

/** A policy file, each value in the units of the program. */
export type WrittenPolicy = z.output<typeof policySchema>
