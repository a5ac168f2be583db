import { durationMs, percentage } from '@coalmine/contract/units.ts'
import { text, within, written } from '@coalmine/contract/written.ts'
import { quantileName, TAIL_QUANTILES } from '@coalmine/core/evidence/latency-reference.ts'
import type { RateBound } from '@coalmine/core/rollout/policy.ts'
import { z } from 'zod'

const NAME = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'

const name = written(
  'a name with 1 to 63 of A-Z, a-z, 0-9, ".", "_", "-" that begins with a letter or digit',
  text((value) => (new RegExp(NAME).test(value) ? value : undefined)),
  {
    type: 'string',
    pattern: NAME,
    description: 'What steps and decisions call it; unless said the metric, once in a policy.',
  },
).optional()

function rateOf(value: string): RateBound | undefined {
  const points = within(percentage(value, 'pp'), 0, 0.9999)
  if (points !== undefined) return { kind: 'absolute', value: points }
  const part = within(percentage(value), 0, 100)
  return part === undefined ? undefined : { kind: 'relative', value: part }
}

const rateBound = (description: string) =>
  written('0.1pp (percentage points, below 100pp) or 10% (of the rate of stable)', text(rateOf), {
    type: 'string',
    pattern: '^\\d+(\\.\\d+)?(pp|%)$',
    description: `${description} 0.1pp: so many percentage points. 10%: that part of stable's rate.`,
  })

const TOLERATE = 'What may be worse without a rollback: certainty of more than this rolls back.'
const MARGIN = 'What may be worse and still be promoted: promotion waits until it is certainly less.'

function rate<const T extends 'error_rate' | 'rejected_rate' | 'accuracy'>(metric: T, description: string) {
  return z.strictObject({
    metric: z.literal(metric).describe(description),
    name,
    tolerate: rateBound(TOLERATE),
    margin: rateBound(MARGIN),
  })
}

/** Latencies differ by less than a millisecond, so decimals are allowed here. */
function latencyMs(value: string): number | undefined {
  const match = /^(\d{1,5}\.\d{1,3})(ms|s)$/.exec(value)
  const ms = match ? Number(match[1]) * (match[2] === 's' ? 1000 : 1) : durationMs(value)
  return within(ms, 0, 60_000)
}

const latencyBound = (description: string) =>
  z
    .strictObject({
      relative: written(
        'a percentage of the latency from 0% to 1000%, such as 5%',
        text((value) => within(percentage(value), 0, 10)),
        { type: 'string', pattern: '^\\d+(\\.\\d+)?%$', description: 'Part of the latency of the baseline.' },
      ),
      atLeast: written('a duration from 0ms to 60s, such as 1ms or 0.5ms', text(latencyMs), {
        type: 'string',
        pattern: '^\\d+(\\.\\d+)?(ms|s)$',
        description: 'What is allowed where the part would be less than this.',
      }),
    })
    .describe(description)

const latency = z.strictObject({
  metric: z
    .literal('latency')
    .describe(
      'Latency beside a baseline: stable on workers of its own, with as many requests as the canary.',
    ),
  name,
  quantiles: z
    .array(
      z
        .enum(TAIL_QUANTILES.map(quantileName))
        .transform((chosen) => TAIL_QUANTILES.find((p) => quantileName(p) === chosen)!),
    )
    .min(1)
    .max(TAIL_QUANTILES.length)
    .describe('What is proven before a promotion. A rollback looks at the whole distribution.'),
  tolerate: latencyBound(TOLERATE),
  margin: latencyBound(MARGIN),
})

const isNumber = (value: unknown) => (typeof value === 'number' ? value : undefined)

/** A part of one, as `0.1` or `10%`. */
const part = (min: number, description: string) =>
  written(
    `a part ${min > 0 ? 'above' : 'from'} 0 and below 1, such as 0.1 or 10%`,
    (value) => within(isNumber(value) ?? text(percentage)(value), min, 1 - Number.EPSILON),
    { anyOf: [{ type: 'number' }, { type: 'string', pattern: '^\\d+(\\.\\d+)?%$' }], description },
  )

const scoreDistribution = z.strictObject({
  metric: z.literal('score_distribution').describe("The scores of the canary beside stable's."),
  name,
  distance: z
    .enum(['ks', 'mean', 'class_shares'])
    .describe(
      'ks: largest gap between the distribution functions. mean: between the means, as a part of the range of the ' +
        'score. class_shares: between the shares of a class.',
    ),
  tolerate: part(0, TOLERATE),
  margin: part(Number.MIN_VALUE, MARGIN),
})

const errorRate = rate('error_rate', 'Requests without a good answer.')
const rejectedRate = rate('rejected_rate', "Requests that the model's contract refused.")
const accuracy = rate('accuracy', 'Wrong answers among those whose truth has come.').extend({
  loss: z
    .enum(['wrong', 'brier', 'log'])
    .optional()
    .describe(
      'wrong: how many are wrong; brier: the mean squared distance of the score from the truth; log: the mean of -ln of what the score gave to the truth, where less than 1 % counts as 1 %, as a part of ln 100. wrong unless said.',
    ),
  class: z.string().min(1).max(128).optional().describe('Only answers whose truth is this class.'),
})

const share = written(
  'a part of the risk above 0 and at most 1, such as 0.4',
  (value) => within(isNumber(value), Number.MIN_VALUE, 1),
  {
    type: 'number',
    exclusiveMinimum: 0,
    maximum: 1,
    description: 'Part of the risk of a false rollback; all sum to 1. Without any they are equal.',
  },
).optional()

/** A comparison that is judged and recorded. */
export const signal = z.discriminatedUnion('metric', [
  errorRate,
  rejectedRate,
  accuracy,
  latency,
  scoreDistribution,
])

/** A comparison that acts. */
export const guardrail = z.discriminatedUnion('metric', [
  errorRate.extend({ share }),
  rejectedRate.extend({ share }),
  accuracy.extend({ share }),
  latency.extend({ share }),
  scoreDistribution.extend({ share }),
])
