import { basename } from 'node:path'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { policyName } from '@coalmine/policy/policy-name.ts'
import { readPolicies } from '@coalmine/policy/read-policies.ts'
import { z } from '@hono/zod-openapi'
import type { AdminContext } from './context.ts'
import { route } from './route.ts'

const policyFileSchema = z
  .object({
    name: z.string(),
    file: z.string(),
    text: z.string(),
    models: z.array(z.string()).openapi({ description: 'Those whose policy it is.' }),
    problems: z.array(
      z.object({
        path: z.string(),
        expected: z.string(),
        found: z.string(),
        line: z.int().nullable(),
        column: z.int().nullable(),
      }),
    ),
  })
  .openapi('PolicyFile')

/** The policies as they are written now, faults included: the ones in force may be older. */
export function policyRoutes({ app, control, policiesFolder }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/policies', {
      tag: 'policies',
      summary: 'The policy files as they are now, with what is wrong in them',
      ok: z.object({ policies: z.array(policyFileSchema) }),
    }),
    async (c) => {
      const texts = await readPolicies(policiesFolder).catch(() => [])
      return c.json(
        {
          policies: texts.map(({ file, text }) => {
            const name = policyName(file) ?? basename(file)
            const parsed = parsePolicy(name, text)
            const problems = parsed.ok ? [] : parsed.problems
            return {
              name,
              file: basename(file),
              text,
              models: Object.entries(control.config.models)
                .filter(([, { policy }]) => policy === name)
                .map(([model]) => model),
              problems: problems.map(({ path, expected, found, line, column }) => ({
                path,
                expected,
                found,
                line: line ?? null,
                column: column ?? null,
              })),
            }
          }),
        },
        200,
      )
    },
  )
}
