import type { Refusal } from '@coalmine/core/rollout/intent.ts'
import type { Plan } from '@coalmine/core/rollout/plan.ts'
import { hasBegun, isAA, isFinished, judgedPair, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { z } from '@hono/zod-openapi'
import type { Control } from '../control.ts'
import type { RolloutRequest } from '../rollouts/starter.ts'
import { type By, etag, ifMatch, settled } from './changes.ts'
import { type AdminContext, known } from './context.ts'
import { dryRunSchema, startedSchema, trafficSchema } from './model-schemas.ts'
import { trafficView } from './model-view.ts'
import { planView } from './plan-view.ts'
import { by } from './principal.ts'
import { AdminProblem, type ProblemCode } from './problem.ts'
import { rolloutSummarySchema, startRequest } from './rollout-schemas.ts'
import { rolloutSummary } from './rollout-view.ts'
import { MODEL, page, route } from './route.ts'
import { reasonedSchema } from './schemas.ts'
import { iso } from './units.ts'

const REFUSALS_OF_STARTS: readonly ProblemCode[] = [
  'version-unknown',
  'policy-unknown',
  'policy-invalid',
  'not-deployed',
  'rollout-running',
  'split-running',
  'canary-is-stable',
  'already-judged',
  'cannot-be-decided',
  'contract-breaks',
  'frozen',
  'revision-stale',
]

/** Rollouts: the one that runs, those that are over, and how one is started. */
export function rolloutRoutes({ app, changes, ...seen }: AdminContext): void {
  const { control } = seen

  app.openapi(
    route('get', '/api/v1/models/{model}/rollout', {
      tag: 'rollout',
      summary: 'Who gets what, and what the running rollout knows; the ETag is the revision',
      ok: trafficSchema,
    }),
    async (c) => {
      const view = await trafficView(seen, known(control, c.req.valid('param').model))
      c.header('etag', etag(view.revision))
      return c.json(view, 200)
    },
  )
  app.openapi(
    route('get', '/api/v1/models/{model}/rollouts', {
      tag: 'rollout',
      summary: 'Rollouts that are over, newest first',
      ok: z.object({ rollouts: z.array(rolloutSummarySchema) }),
      query: page(20, 'serial'),
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { limit, before } = c.req.valid('query')
      // The one that runs may be among them.
      const found = await control.store.rollouts({ model, limit: limit + 1, ...(before && { before }) })
      const finished = found.filter(isFinished).slice(0, limit)
      return c.json({ rollouts: finished.map((rollout) => rolloutSummary(rollout, control.nowMs())) }, 200)
    },
  )
  app.openapi(
    route('get', '/api/v1/models/{model}/rollouts/{serial}', {
      tag: 'rollout',
      summary: 'One rollout, also while it runs',
      ok: rolloutSummarySchema,
      params: MODEL.extend({ serial: z.coerce.number().int().min(1).openapi({ example: 1 }) }),
      refusals: ['rollout-unknown'],
    }),
    async (c) => {
      const { model: name, serial } = c.req.valid('param')
      const model = known(control, name)
      const [found] = await control.store.rollouts({ model, limit: 1, before: serial + 1 })
      if (found?.serial !== serial)
        throw new AdminProblem('rollout-unknown', `${model} has had no rollout ${serial}`)
      return c.json(rolloutSummary(found, control.nowMs()), 200)
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollout', {
      tag: 'rollout',
      summary: 'Try a version beside the stable one, step by step, by evidence',
      description:
        'The answer holds the plan: how long each step and each guardrail is expected to take. With `dryRun` nothing is ' +
        'started, and the answer says why it would be refused.',
      ok: dryRunSchema,
      created: startedSchema,
      body: startRequest,
      refusals: REFUSALS_OF_STARTS,
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { reason, policy, ...wish } = c.req.valid('json')
      const request = { ...wish, ...(policy !== undefined && { policy }) }
      if (request.dryRun) return c.json(await imagined(model, request, by(c, reason)), 200) as never
      const expected = ifMatch(c)
      return changes.answer(c, () => started(model, request, by(c, reason), expected))
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollout/retry', {
      tag: 'rollout',
      summary: 'The last pair of versions once more',
      description:
        'By the policy of the same name as it is now. What was proven stays, except after a rollback; the risk of a ' +
        'false rollback is spent once more.',
      created: startedSchema,
      body: reasonedSchema,
      refusals: ['nothing-to-retry', ...REFUSALS_OF_STARTS],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { reason } = c.req.valid('json')
      const expected = ifMatch(c)
      return changes.answer(c, async () => {
        const last = await lastJudged(control, model)
        const request = { canary: last.canary.version, policy: last.policy.name, retry: true }
        return started(model, { ...request, measure: isAA(last) }, by(c, reason), expected)
      })
    },
  )

  async function started(model: string, request: RolloutRequest, who: By, expected?: number) {
    const { outcome, plan } = await control.startRollout(model, request, who, expected)
    if (outcome !== 'stale' && outcome.kind === 'refused')
      throw await explained(control, model, request.canary, outcome, plan)
    settled(control, model, outcome)
    return {
      status: 201,
      body: { ...(await trafficView(seen, model)), plan: plan && planView(plan) },
    } as const
  }

  async function imagined(model: string, request: RolloutRequest, who: By) {
    const { outcome, plan } = await control.startRollout(model, request, who)
    const refused = outcome !== 'stale' && outcome.kind === 'refused' ? outcome : undefined
    const refusal = refused && (await explained(control, model, request.canary, refused, plan))
    return {
      dryRun: true,
      plan: plan ? planView(plan) : null,
      refusal: refusal ? { code: refusal.code, detail: refusal.message } : null,
    }
  }
}

/** A refused start, with what to say to be allowed. */
async function explained(
  control: Control,
  model: string,
  version: string,
  { code, message }: Refusal,
  plan: Plan | undefined,
): Promise<AdminProblem> {
  switch (code) {
    case 'already-judged':
      return new AdminProblem(code, `${message}${await whenJudged(control, model, version)}`)
    case 'canary-is-stable':
      return new AdminProblem(code, `${message}: say "measure": true`)
    case 'contract-breaks':
      return new AdminProblem(code, `${message}; "allowContractChange": true starts it all the same`)
    case 'cannot-be-decided':
      return new AdminProblem(code, `${message}; "force": true starts it all the same`, {
        reasons: plan?.cannotDecide ?? [],
      })
    default:
      return new AdminProblem(code, message)
  }
}

/** The rollout that ended last; throws when there is none, or when its stable version is not stable now. */
async function lastJudged(control: Control, model: string): Promise<Rollout> {
  const { stable, rollout } = control.deployment(model)
  if (rollout !== undefined)
    throw new AdminProblem(
      'rollout-running',
      `a rollout of ${rollout.canary.version} is running in ${model}; it has to end first`,
    )
  const [last] = await control.store.rollouts({ model, limit: 1 })
  if (last === undefined) throw new AdminProblem('nothing-to-retry', `${model} has had no rollout yet`)
  if (last.stable.digest !== stable?.digest)
    throw new AdminProblem(
      'nothing-to-retry',
      `the last rollout of ${model} tried ${last.canary.version} beside ${last.stable.version}, and stable is ${stable?.version} now; start another`,
    )
  return last
}

/** When the pair was judged, and how to have it judged again. */
async function whenJudged(control: Control, model: string, version: string): Promise<string> {
  const { stable } = control.deployment(model)
  const digest = control.catalog.version(model, version)?.digest
  if (stable === undefined || digest === undefined) return ''
  const pair = judgedPair({ stable, canary: { version, digest } })
  const before = await control.store.rolloutsOfPair(model, pair)
  const judged = before.find((rollout) => isFinished(rollout) && hasBegun(rollout))
  if (judged === undefined) return ''
  return `. That was rollout ${judged.serial}, which ended at ${iso(judged.phase.sinceMs)}; say "retry": true`
}
