import { z } from '@hono/zod-openapi'
import type { AdminContext } from './context.ts'
import { ROLES } from './role.ts'
import { route } from './route.ts'

const meSchema = z
  .object({
    name: z.string().openapi({ description: 'As the record names whoever asks.', example: 'ann' }),
    role: z.enum(ROLES),
  })
  .openapi('Principal')

/** Who asks, so that nobody writes a reason for what will be refused. */
export function meRoutes({ app }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/me', {
      tag: 'access',
      summary: 'Who you are here, and what you may do',
      description: 'The name and the role of the token; where none is needed, `operator` with every right.',
      ok: meSchema,
    }),
    (c) => {
      const { name, role } = c.get('principal')
      return c.json({ name, role }, 200)
    },
  )
}
