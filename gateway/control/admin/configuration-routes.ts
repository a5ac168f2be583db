import { z } from '@hono/zod-openapi'
import type { Standing } from '../config-standing.ts'
import type { AdminContext } from './context.ts'
import { route } from './route.ts'
import { iso } from './units.ts'

const configurationSchema = z
  .object({
    inForce: z.boolean().openapi({ description: 'Whether the files as they are now are what is served by.' }),
    problem: z.string().nullable().openapi({
      description: 'Why they are refused, with file and line; what was in force before stays.',
      example: null,
    }),
    atNextStart: z.array(z.string()).openapi({
      description: 'Settings that changed and take effect at the next start.',
      example: ['listen'],
    }),
    since: z.iso.datetime(),
  })
  .openapi('Configuration')

/** Whether the configuration files are in force. */
export function configurationRoutes({ app, configuration }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/configuration', {
      tag: 'configuration',
      summary: 'Whether the configuration files, as they are now, are in force',
      ok: configurationSchema,
    }),
    (c) => c.json(configurationView(configuration.now), 200),
  )
}

export function configurationView({ problem, atNextStart, sinceMs }: Standing) {
  return {
    inForce: problem === undefined,
    problem: problem ?? null,
    atNextStart: [...atNextStart],
    since: iso(sinceMs),
  }
}
