import { z } from '@hono/zod-openapi'
import { Agent, fetch } from 'undici'
import { OWN_KEY } from '../own-client.ts'
import { type AdminContext, known } from './context.ts'
import { AdminProblem } from './problem.ts'
import { MODEL, route } from './route.ts'

const VERSION = MODEL.extend({ version: z.string().openapi({ example: '1.1.0' }) })

const versionSchema = z
  .object({
    model: z.string(),
    version: z.string(),
    digest: z.string(),
    manifest: z.looseObject({}).openapi({ description: 'As model.yaml has it.' }),
  })
  .openapi('Version')

const triedSchema = z
  .object({
    status: z.int(),
    durationMs: z.number(),
    answer: z.unknown().openapi({ description: 'What a client would get.' }),
  })
  .openapi('Tried')

const TRY_MS = 10_000
/** It is this gateway's own port that is asked, over loopback: whose name its certificate has says nothing here. */
const OWN = new Agent({ connect: { rejectUnauthorized: false } })

/** One version: what it promises, and what it answers. */
export function versionRoutes({ app, control }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/models/{model}/versions/{version}', {
      tag: 'models',
      summary: 'A version with its contract and its provenance',
      ok: versionSchema,
      params: VERSION,
      refusals: ['version-unknown'],
    }),
    (c) => {
      const { model: name, version } = c.req.valid('param')
      const model = known(control, name)
      const found = control.catalog.version(model, version)
      if (found === undefined)
        throw new AdminProblem('version-unknown', `model '${model}' has no version '${version.slice(0, 64)}'`)
      const { digest, manifest } = found
      return c.json({ model, version, digest, manifest }, 200) as never
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/versions/{version}/try', {
      tag: 'models',
      summary: 'What the version answers to one record, through the data port',
      description:
        'A pinned prediction: it is counted as one and changes nothing. For people who want to see.',
      ok: triedSchema,
      body: z
        .strictObject({ record: z.looseObject({}).openapi({ example: { tenure_months: 14 } }) })
        .openapi('TryRequest'),
      params: VERSION,
      refusals: ['version-unknown'],
    }),
    async (c) => {
      const { model: name, version } = c.req.valid('param')
      const model = known(control, name)
      if (control.catalog.version(model, version) === undefined)
        throw new AdminProblem('version-unknown', `model '${model}' has no version '${version.slice(0, 64)}'`)
      const { record } = c.req.valid('json')
      const began = performance.now()
      const { host, port } = control.config.listen.data
      const response = await fetch(
        `${control.config.tls.data ? 'https' : 'http'}://${reachable(host)}:${port}/v1/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}:predict`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-api-key': OWN_KEY },
          body: JSON.stringify({ instances: [record] }),
          signal: AbortSignal.timeout(TRY_MS),
          redirect: 'error',
          dispatcher: OWN,
        },
      ).catch(() => undefined)
      const durationMs = Math.round((performance.now() - began) * 100) / 100
      if (response === undefined)
        return c.json({ status: 504, durationMs, answer: { error: 'the data port did not answer' } }, 200)
      return c.json(
        { status: response.status, durationMs, answer: await response.json().catch(() => null) },
        200,
      )
    },
  )
}

/** An address that stands for all of a host's is reached over loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
