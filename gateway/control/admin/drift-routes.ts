import { VERDICTS } from '@coalmine/core/drift/assessment.ts'
import { z } from '@hono/zod-openapi'
import type { Comparison } from '../drift/comparison.ts'
import { type AdminContext, known } from './context.ts'
import { AdminProblem } from './problem.ts'
import { MODEL, route } from './route.ts'

const share = (description: string) =>
  z.object({ live: z.number(), against: z.number() }).openapi({ description })

const seriesSchema = z
  .object({
    kind: z.enum(['feature', 'score', 'class']),
    name: z.string(),
    verdict: z.enum(VERDICTS).openapi({
      description:
        'too-few: less than 500 records on a side. moved: PSI of 0.1 or more. drifted: see because.',
    }),
    because: z.array(z.string()),
    records: share('Records on both sides.'),
    psi: z.number().nullable().openapi({
      description:
        'Population stability index without its bias; about 0, or below by chance, where nothing moved.',
    }),
    psiBias: z.number().nullable().openapi({ description: 'What was taken off: (B-1)(1/n+1/m).' }),
    jensenShannon: z.number().nullable().openapi({ description: 'Distance to base 2, 0 to 1.' }),
    missing: share('Share of the records without the value.'),
    unseen: z.object({ records: z.number(), share: z.number() }).openapi({
      description: 'Of categories that are in no bin, refused ones included. The values are not kept.',
    }),
    refused: z
      .object({ records: z.number(), share: z.number() })
      .openapi({ description: 'Values that the contract refused for another reason.' }),
    bins: z.array(z.object({ bin: z.string(), live: z.number(), against: z.number() })),
  })
  .openapi('DriftSeries')

const comparisonSchema = z
  .union([
    z.object({
      measured: z.literal(true),
      windowSeconds: z.int().openapi({
        description: 'What was seen in so long: the shortest of 1, 6 and 24 hours that has enough records.',
      }),
      verdict: z.enum(VERDICTS).openapi({ description: 'The worst of the series.' }),
      series: z.array(seriesSchema).openapi({ description: 'The worst first.' }),
      unmeasured: z.array(z.object({ name: z.string(), because: z.string() })),
    }),
    z.object({ measured: z.literal(false), because: z.string() }),
  ])
  .openapi('DriftComparison')

const driftSchema = z
  .object({
    model: z.string(),
    version: z.string(),
    workers: z.object({ healthy: z.int(), counting: z.int() }).openapi({
      description: 'Endpoints that are up, and those of them whose records are counted.',
    }),
    training: comparisonSchema,
    stable: comparisonSchema,
  })
  .openapi('Drift')

/** How far what a version sees and answers is from its training, and from what stable sees at the same time. */
export function driftRoutes({ app, control, drift }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/models/{model}/versions/{version}/drift', {
      tag: 'models',
      summary: 'Features and scores of late, against training and against the stable version',
      description:
        'Two comparisons that say different things: `training` that the world is another than the one the version learnt, ' +
        '`stable` that the version gets, or answers, something else than the stable one at the same time. Since control began.',
      ok: driftSchema,
      params: MODEL.extend({ version: z.string().openapi({ example: '1.1.0' }) }),
      refusals: ['version-unknown'],
    }),
    (c) => {
      const { model: name, version } = c.req.valid('param')
      const model = known(control, name)
      if (control.catalog.version(model, version) === undefined)
        throw new AdminProblem('version-unknown', `model '${model}' has no version '${version.slice(0, 64)}'`)
      const { workers, training, stable } = drift.of(model, version)
      return c.json({ model, version, workers, training: viewOf(training), stable: viewOf(stable) }, 200)
    },
  )
}

function viewOf(comparison: Comparison): z.infer<typeof comparisonSchema> {
  if (!comparison.measured) return comparison
  const { windowMs, verdict, series, unmeasured } = comparison
  return {
    measured: true,
    windowSeconds: windowMs / 1000,
    verdict,
    series: series.map(
      ({ series: { kind, name }, because, records, psi, psiBias, jensenShannon, ...rest }) => ({
        ...rest,
        // Values of a field with a shape are parts of a record.
        records: { live: Math.round(records.live), against: Math.round(records.against) },
        ...{ kind, name, because: [...because], bins: [...rest.bins] },
        ...{ psi: psi ?? null, psiBias: psiBias ?? null, jensenShannon: jensenShannon ?? null },
      }),
    ),
    unmeasured: [...unmeasured],
  }
}
