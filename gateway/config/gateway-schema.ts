import { modelName, version } from '@coalmine/contract/names.ts'
import type { Affinity } from '@coalmine/core/rollout/deployment.ts'
import { z } from 'zod'
import type { ModelConfig, Runtime, StoreLocation } from './gateway-config.ts'
import { address, basisPoints, durationMs, sizeBytes } from './units.ts'

/**
 * A value that people write in a form of its own.
 *
 * @param expected completes "expected ..."
 * @param parse undefined for what is wrong
 * @param meta the form for editors, as JSON Schema
 */
function written<T>(
  expected: string,
  parse: (value: unknown) => T | undefined,
  meta: Record<string, unknown>,
) {
  return z
    .unknown()
    .transform((value, context): T => {
      const parsed = parse(value)
      if (parsed !== undefined) return parsed
      // To continue lets a union tell which of its forms was meant; nothing reads the missing value.
      context.issues.push({ code: 'custom', message: expected, input: value, continue: true })
      return z.NEVER
    })
    .meta(meta)
}

const text =
  <T>(parse: (text: string) => T | undefined) =>
  (value: unknown) =>
    typeof value === 'string' ? parse(value) : undefined

const within = (value: number | undefined, min: number, max: number) =>
  value !== undefined && value >= min && value <= max ? value : undefined

const listener = (standard: string, description: string) =>
  written(`host:port such as ${standard}`, text(address), { type: 'string', description }).prefault(standard)

const percent = written(
  'a percentage from 0 to 100 with at most two decimals, such as 12.5',
  (value) => (typeof value === 'number' ? basisPoints(value) : undefined),
  {
    type: 'number',
    minimum: 0,
    maximum: 100,
    description: 'Percent of the requests that version gets, up to two decimals.',
  },
)

const policy = written(
  'none: automatic rollouts are not part of this version; use policy: none with a weight',
  (value) => (value === 'none' ? value : undefined),
  { const: 'none', description: 'How version is reached. none: by hand, with weight.' },
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

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

/** `'none'` stands for itself, since undefined means wrong. */
function affinityOf(value: unknown): Affinity | 'none' | undefined {
  if (value === 'none') return value
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined
  const [[key, name]] = Object.entries(value) as [[string, unknown]]
  if (typeof name !== 'string' || !TOKEN.test(name)) return undefined
  if (key === 'header') return { header: name.toLowerCase() }
  return key === 'cookie' ? { cookie: name } : undefined
}

const named = (key: string) => ({
  type: 'object',
  properties: { [key]: { type: 'string' } },
  required: [key],
  additionalProperties: false,
})

const sessionAffinity = written('none, { header: NAME } or { cookie: NAME }', affinityOf, {
  anyOf: [{ const: 'none' }, named('header'), named('cookie')],
  description: 'Callers with the same header or cookie keep their version while the weight stays.',
})

/** An origin: where an endpoint listens, without path, credentials or anything else. */
function originOf(value: string): string | undefined {
  if (!URL.canParse(value)) return undefined
  const url = new URL(value)
  const bare = url.href === `${url.origin}/`
  return bare && (url.protocol === 'http:' || url.protocol === 'https:') ? url.origin : undefined
}

const origin = written('an address such as http://churn-100:9000, without a path', text(originOf), {
  type: 'string',
  format: 'uri',
})

const runtime = z
  .union([
    z.literal('process'),
    z.strictObject({ static: z.record(version, z.array(origin).min(1)).describe('Addresses by version.') }),
  ])
  .describe('process: workers of our own. static: workers that run elsewhere, by version.')

const limits = z.strictObject({
  timeout: timeout.prefault('10s'),
  body: body.prefault('1MiB'),
  instances: z.int().min(1).max(1024).default(1024).describe('Records in one request.'),
})

const model = z
  .strictObject({
    initial: version.describe('Becomes stable while nothing is stored for the model; not read afterwards.'),
    version: version.optional().describe('Wanted; gets weight percent of the requests beside stable.'),
    policy: policy.prefault('none'),
    weight: percent.optional(),
    sessionAffinity: sessionAffinity.prefault('none'),
    runtime: runtime.default('process'),
    replicas: z.int().min(1).max(64).optional().describe('Workers of each version; 1 unless said.'),
    keep: z.array(version).default([]).describe('Versions that run besides stable, canary and previous.'),
    limits: limits.prefault({}),
  })
  .superRefine(({ initial, version, weight, runtime, replicas, keep }, context) => {
    // What a misspelt key leaves out would be reported as missing; the misspelling says enough.
    if (context.issues.some(({ code }) => code === 'unrecognized_keys')) return
    const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    if (version !== undefined && version !== initial && weight === undefined)
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
  })
  .transform(
    ({ initial, version, weight, sessionAffinity, runtime, replicas = 1, keep, limits }): ModelConfig => ({
      initial,
      ...(version !== undefined && { version }),
      ...(weight !== undefined && { weightBp: weight }),
      ...(sessionAffinity !== 'none' && { affinity: sessionAffinity }),
      runtime: runtimeOf(runtime),
      replicas,
      keep: [...new Set(keep)],
      limits: { timeoutMs: limits.timeout, bodyBytes: limits.body, instances: limits.instances },
    }),
  )

function runtimeOf(written: z.output<typeof runtime>): Runtime {
  return written === 'process' ? { kind: 'process' } : { kind: 'static', endpoints: written.static }
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
        data: listener('0.0.0.0:8080', 'Clients: predictions and documentation.'),
        admin: listener('127.0.0.1:8090', 'Operators. Other machines reach it only with an admin token.'),
        metrics: listener('127.0.0.1:8091', 'Prometheus.'),
      })
      .prefault({}),
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
