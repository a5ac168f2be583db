import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { type By, ifMatch, requiredIfMatch } from './changes.ts'
import { type AdminContext, known } from './context.ts'
import { trafficSchema } from './model-schemas.ts'
import { trafficView } from './model-view.ts'
import { by } from './principal.ts'
import { AdminProblem, type ProblemCode } from './problem.ts'
import { restartRequest, weightRequest } from './rollout-schemas.ts'
import { route } from './route.ts'
import { reasonedSchema } from './schemas.ts'
import { basisPoints } from './units.ts'

interface Act {
  readonly kind: 'pause' | 'resume' | 'approve' | 'advance' | 'promote'
  readonly summary: string
  readonly description?: string
  readonly refusals?: readonly ProblemCode[]
}

const ACTS: readonly Act[] = [
  {
    kind: 'pause',
    summary: 'Keep the weight as it is',
    description: 'A breach still rolls back.',
  },
  {
    kind: 'resume',
    summary: 'Go on, at the first step at or above the weight',
    refusals: ['needs-retry', 'frozen'],
  },
  { kind: 'approve', summary: 'The last word that a proven step waits for' },
  {
    kind: 'advance',
    summary: 'To the next step without waiting for a proof',
    description: 'Recorded as not proven.',
    refusals: ['last-step', 'needs-retry', 'frozen'],
  },
  {
    kind: 'promote',
    summary: 'To everything without waiting for a proof',
    description: 'Recorded as not proven. The canary gets the capacity for everything first.',
    refusals: ['only-measures', 'frozen'],
  },
]

const OF_A_RUNNING_ONE: readonly ProblemCode[] = [
  'not-deployed',
  'no-rollout',
  'wrong-phase',
  'revision-required',
  'revision-stale',
]

/** What people do with a rollout that runs, or with a split by hand. */
export function actionRoutes({ app, changes, ...seen }: AdminContext): void {
  const { control } = seen
  const acted = async (model: string, intent: Intent, who: By, expected?: number) => {
    await changes.act(model, intent, who, expected)
    return { status: 200, body: await trafficView(seen, model) } as const
  }

  for (const { kind, refusals = [], ...described } of ACTS)
    app.openapi(
      route('post', `/api/v1/models/{model}/rollout/${kind}`, {
        tag: 'rollout',
        ...described,
        ok: trafficSchema,
        body: reasonedSchema,
        refusals: [...OF_A_RUNNING_ONE, ...refusals],
      }),
      async (c) => {
        const model = known(control, c.req.valid('param').model)
        const { reason } = c.req.valid('json')
        const expected = requiredIfMatch(c)
        return changes.answer(c, () =>
          acted(model, { kind: 'act', action: { kind } }, by(c, reason), expected),
        )
      },
    )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollout/abort', {
      tag: 'rollout',
      summary: 'The canary gets nothing any more, whatever runs',
      description: 'Works in every phase, and ends a split by hand too. One that is watched is rolled back.',
      ok: trafficSchema,
      body: reasonedSchema,
      refusals: ['not-deployed', 'no-split', 'revision-stale'],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { reason } = c.req.valid('json')
      return changes.answer(c, () => acted(model, { kind: 'end-split' }, by(c, reason), ifMatch(c)))
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollout/restart', {
      tag: 'rollout',
      summary: 'Judge anew by the present text of a policy',
      description:
        'For other guardrails, margins or risks. Evidence starts anew, and both risks are spent once more.',
      ok: trafficSchema,
      body: restartRequest,
      refusals: [...OF_A_RUNNING_ONE, 'policy-unknown', 'policy-invalid', 'unchanged'],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { reason, policy: name } = c.req.valid('json')
      const expected = requiredIfMatch(c)
      return changes.answer(c, () => {
        const { rollout } = control.deployment(model)
        if (rollout === undefined) throw new AdminProblem('no-rollout', `no rollout is running in ${model}`)
        const policy = control.policy(model, name ?? rollout.policy.name)
        if ('kind' in policy) throw new AdminProblem(policy.code, policy.message)
        return acted(model, { kind: 'act', action: { kind: 'restart', policy } }, by(c, reason), expected)
      })
    },
  )
  app.openapi(
    route('put', '/api/v1/models/{model}/rollout/weight', {
      tag: 'rollout',
      summary: "The canary's share, of a split or of a rollout",
      description: 'Pauses a rollout, so that its steps do not move the weight; resume goes on.',
      ok: trafficSchema,
      body: weightRequest,
      refusals: [
        ...([
          'not-deployed',
          'no-split',
          'weight-out-of-range',
          'unchanged',
          'frozen',
          'wrong-phase',
        ] as const),
        ...(['needs-retry', 'revision-required', 'revision-stale'] as const),
      ],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { weightPercent, reason } = c.req.valid('json')
      const expected = requiredIfMatch(c)
      const weightBp = basisPoints(weightPercent)
      return changes.answer(c, () => acted(model, { kind: 'set-weight', weightBp }, by(c, reason), expected))
    },
  )
}
