import { type Freeze, setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { AdminContext } from './context.ts'
import { by } from './principal.ts'
import { route } from './route.ts'
import { freezeRequest, freezeSchema } from './schemas.ts'
import { iso } from './units.ts'

/** The global brake. */
export function freezeRoutes({ app, changes, control }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/freeze', {
      tag: 'freeze',
      summary: 'Whether the global brake is on',
      ok: freezeSchema,
    }),
    async (c) => c.json(freezeView(await control.store.freeze()), 200),
  )
  app.openapi(
    route('put', '/api/v1/freeze', {
      tag: 'freeze',
      summary: 'The global brake: no canary weight rises while it is on',
      ok: freezeSchema,
      body: freezeRequest,
      role: 'admin',
    }),
    async (c) => {
      const { frozen, reason } = c.req.valid('json')
      return changes.answer(c, async () => {
        const change = setFreeze(await control.store.freeze(), frozen, {
          ...by(c, reason),
          nowMs: control.nowMs(),
        })
        if (change) await control.store.setFreeze(change.next, change.event)
        return { status: 200, body: freezeView(await control.store.freeze()) }
      })
    },
  )
}

function freezeView(freeze: Freeze) {
  if (!freeze.frozen) return { frozen: false, reason: null, actor: null, since: null }
  return { frozen: true, reason: freeze.reason, actor: freeze.actor, since: iso(freeze.sinceMs) }
}
