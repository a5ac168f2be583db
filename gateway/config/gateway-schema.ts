import { DEFAULT_JSON_LIMITS } from '@coalmine/contract/json-limits.ts'
import { modelName, version } from '@coalmine/contract/names.ts'
import { sessionAffinity } from '@coalmine/contract/session-affinity.ts'
import { basisPoints, durationMs, sizeBytes } from '@coalmine/contract/units.ts'
import { text, within, written } from '@coalmine/contract/written.ts'
import { policyNameProblem } from '@coalmine/policy/policy-name.ts'
import { z } from 'zod'
import { access } from './access-schema.ts'
import { address, origin } from './address.ts'
import { count } from './amounts.ts'
import type { ModelConfig, Runtime, StoreLocation } from './gateway-config.ts'
import { receiver } from './notification-schema.ts'
import { predictionLog } from './prediction-log-schema.ts'
import { listener, overload } from './process-schema.ts'
import { resilience } from './resilience-schema.ts'

const listenAddress = (standard: string, description: string) =>
  written(`host:port such as ${standard}`, text(address), { type: 'string', description }).prefault(standard)

const percent = written(
  'a percentage from 0 to 100 with at most two decimals, such as 12.5',
  (value) => (typeof value === 'number' ? basisPoints(value) : undefined),
  {
    type: 'number',
    minimum: 0,
    maximum: 100,
    description: 'Percent of the requests that version gets, up to two decimals; only with policy none.',
  },
)

const policy = written(
  'none, or the name of a file in the folder policies without .yaml',
  text((value) => (value === 'none' || policyNameProblem(value) === undefined ? value : undefined)),
  {
    type: 'string',
    description:
      'How version is reached. NAME: step by step, as policies/NAME.yaml says. none: by hand, with weight.',
  },
)

const timeout = written(
  'a duration from 10ms to 60s, such as 10s',
  text((value) => within(durationMs(value), 10, 60_000)),
  {
    type: 'string',
    pattern: '^\\d+(ms|s|m|h)$',
    description: 'An answer comes within this, or an error does.',
  },
)

const body = written(
  'a size from 1KiB to 32MiB, such as 1MiB',
  text((value) => within(sizeBytes(value), 1024, 32 * 1024 ** 2)),
  { type: 'string', pattern: '^\\d+(B|KiB|MiB|GiB)$', description: 'Larger requests are refused with 413.' },
)

const worker = written('an address such as http://churn-100:9000, without a path', text(origin), {
  type: 'string',
  format: 'uri',
})
const addresses = z.record(version, z.array(worker).min(1))

const runtime = z
  .union([
    z.literal('process'),
    z.strictObject({
      static: addresses.describe('Addresses by version.'),
      baseline: addresses
        .default({})
        .describe('Other workers with the same bytes, by version: stable a second time, beside a canary.'),
    }),
  ])
  .describe('process: workers of our own. static: workers that run elsewhere, by version.')

const certificate = z.strictObject({
  certificate: z.string().min(1).describe('Path of a PEM file, with the chain.'),
  key: z.string().min(1).describe('Path of the PEM file with its private key.'),
})

const limits = z.strictObject({
  timeout: timeout.prefault('10s'),
  body: body.prefault('1MiB'),
  instances: z.int().min(1).max(1024).default(1024).describe('Records in one request.'),
  jsonDepth: count(1, 1_000, DEFAULT_JSON_LIMITS.depth, 'Levels of arrays and objects in a request.'),
  jsonKeys: count(
    1,
    1_000_000,
    DEFAULT_JSON_LIMITS.keys,
    'Keys in a request, beside those that as many records as allowed have.',
  ),
})

const model = z
  .strictObject({
    initial: version.describe('Becomes stable while nothing is stored for the model; not read afterwards.'),
    version: version
      .optional()
      .describe('Wanted; reached by policy, or gets weight percent of the requests beside stable.'),
    policy: policy.prefault('none'),
    weight: percent.optional(),
    sessionAffinity: sessionAffinity.prefault('none'),
    runtime: runtime.default('process'),
    replicas: z.int().min(1).max(64).optional().describe('Workers of each version; 1 unless said.'),
    keep: z.array(version).default([]).describe('Versions that run besides stable, canary and previous.'),
    limits: limits.prefault({}),
    resilience: resilience.prefault({}),
  })
  .superRefine(({ initial, version, policy, weight, runtime, replicas, keep }, context) => {
    // What a misspelt key leaves out would be reported as missing; the misspelling says enough.
    if (context.issues.some(({ code }) => code === 'unrecognized_keys')) return
    const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    if (policy !== 'none' && weight !== undefined)
      problem(['weight'], `no weight beside policy: ${policy}, whose steps set the weight`)
    if (policy === 'none' && version !== undefined && version !== initial && weight === undefined)
      problem(
        ['version'],
        `a weight beside it: the percent of the requests that ${version} gets (0 only starts it)`,
      )
    if (runtime === 'process') return
    const elsewhere = 'nothing: workers of a static runtime are started elsewhere'
    if (replicas !== undefined) problem(['replicas'], elsewhere)
    if (keep.length > 0) problem(['keep'], elsewhere)
    for (const wanted of new Set([initial, version ?? initial])) {
      if (!Object.hasOwn(runtime.static, wanted))
        problem(
          ['runtime', 'static'],
          `an address for ${wanted} (a version that looks like a number needs quotes)`,
        )
    }
    for (const [version, urls] of Object.entries(runtime.baseline)) {
      if (!Object.hasOwn(runtime.static, version))
        problem(['runtime', 'baseline', version], 'a version that has an address in static')
      else if (urls.some((url) => runtime.static[version]!.includes(url)))
        problem(
          ['runtime', 'baseline', version],
          'workers of its own: no address that static has for the version',
        )
    }
  })
  .transform(
    ({
      initial,
      version,
      policy,
      weight,
      sessionAffinity,
      runtime,
      replicas = 1,
      keep,
      limits,
      resilience,
    }): ModelConfig => ({
      initial,
      ...(version !== undefined && { version }),
      ...(policy !== 'none' && { policy }),
      ...(weight !== undefined && { weightBp: weight }),
      ...(sessionAffinity !== 'none' && { affinity: sessionAffinity }),
      runtime: runtimeOf(runtime),
      replicas,
      keep: [...new Set(keep)],
      limits: {
        timeoutMs: limits.timeout,
        bodyBytes: limits.body,
        instances: limits.instances,
        jsonDepth: limits.jsonDepth,
        jsonKeys: limits.jsonKeys,
      },
      resilience,
    }),
  )

function runtimeOf(written: z.output<typeof runtime>): Runtime {
  return written === 'process'
    ? { kind: 'process' }
    : { kind: 'static', endpoints: written.static, baseline: written.baseline }
}

/** `sqlite:PATH` or `memory:`; the path as written. */
export function storeLocation(value: string): StoreLocation | undefined {
  if (value === 'memory:') return { kind: 'memory' }
  const path = /^sqlite:(?!\/\/)(.+)$/.exec(value)?.[1]
  return path === undefined || path === ':memory:' ? undefined : { kind: 'sqlite', path }
}

export const STORE_EXPECTED = 'sqlite:PATH such as sqlite:./data/coalmine.db, or memory:'

/** The file as people write it; its output is what the program computes with. */
export const gatewaySchema = z
  .strictObject({
    listen: z
      .strictObject({
        data: listenAddress('0.0.0.0:8080', 'Clients: predictions and documentation.'),
        admin: listenAddress(
          '127.0.0.1:8090',
          'Operators. Other machines reach it only where access names tokens or oidc, or with an admin token.',
        ),
        metrics: listenAddress('127.0.0.1:8091', 'Prometheus.'),
      })
      .prefault({}),
    access: access.prefault({}).describe('Who may speak to the gateway.'),
    tls: z
      .strictObject({ data: certificate.optional(), admin: certificate.optional() })
      .prefault({})
      .describe(
        'What speaks TLS (1.2 and 1.3); in clear text unless said. Renewed files are taken up by themselves.',
      ),
    listener: listener.prefault({}),
    overload: overload.prefault({}),
    notifications: z
      .array(receiver)
      .max(16)
      .default([])
      .describe('Who is told of what happens to rollouts. Takes effect at the next start.'),
    predictionLog: predictionLog.optional(),
    processes: z.int().min(1).max(64).default(1).describe('Processes that answer predictions.'),
    store: written(STORE_EXPECTED, text(storeLocation), {
      type: 'string',
      description: 'Where deployments and decisions are kept.',
    }).prefault('sqlite:./data/coalmine.db'),
    modelsFolder: z.string().min(1).default('./models').describe('Versions: <model>/<version>/model.yaml.'),
    models: z.record(modelName, model).describe('What is served, by model.'),
  })
  .meta({
    title: 'Coalmine gateway',
    description: 'Relative paths begin at the folder that holds the folder of this file.',
  })
