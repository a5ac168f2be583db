import { createRoute, z } from '@hono/zod-openapi'
import { needs } from './access.ts'
import { type ProblemCode, problemSchema, STATUS } from './problem.ts'
import type { Role } from './role.ts'

/** What any request can be refused with for who asks. */
export const ACCESS_REFUSALS: readonly ProblemCode[] = [
  'unauthorized',
  'token-expired',
  'forbidden',
  'host-not-allowed',
  'origin-not-allowed',
  'issuer-unavailable',
]
/** What any request can be refused with, whatever it is about. */
const ANY: readonly ProblemCode[] = [...ACCESS_REFUSALS, 'store-unavailable', 'internal']
/** What any change can be refused with besides. */
const ANY_CHANGE: readonly ProblemCode[] = [
  'malformed-json',
  'too-large',
  'media-type',
  'invalid-request',
  'key-reused',
]

export const MODEL = z.object({ model: z.string().openapi({ example: 'churn' }) })

/** A page of a list that is given newest first. */
export const page = (limit: number, of: string) =>
  z.object({
    limit: z.coerce.number().int().min(1).max(1000).default(limit),
    before: z.coerce
      .number()
      .int()
      .min(1)
      .optional()
      .openapi({ description: `Only those with a smaller ${of}: the last one of the page before.` }),
  })

const CHANGE_HEADERS = z.object({
  'if-match': z.string().optional().openapi({
    description: 'The revision you looked at, in quotes; the ETag of the rollout.',
    pattern: '^"\\d{1,15}"$',
    example: '"2"',
  }),
  // It is kept for a day.
  'idempotency-key': z.string().max(255).optional().openapi({ description: 'Makes a repetition harmless.' }),
})

interface Described<
  Ok extends z.ZodType,
  Body extends z.ZodType,
  Query extends z.ZodObject,
  Params extends z.ZodObject,
> {
  readonly tag:
    | 'models'
    | 'rollout'
    | 'record'
    | 'freeze'
    | 'configuration'
    | 'events'
    | 'policies'
    | 'access'
  readonly summary: string
  readonly description?: string
  /** What 200 answers with; undefined where that is no answer. */
  readonly ok?: Ok
  /** What 201 answers with. */
  readonly created?: z.ZodType
  readonly body?: Body
  readonly query?: Query
  readonly params?: Params
  /** Who may: whoever reads may be a viewer, whoever changes is an operator unless said. */
  readonly role?: Role
  /** Besides those of every route. */
  readonly refusals?: readonly ProblemCode[]
}

/** A route with all that its description says: what it takes, gives and refuses. */
export function route<
  Ok extends z.ZodType,
  Body extends z.ZodType = never,
  Query extends z.ZodObject = never,
  Params extends z.ZodObject = typeof MODEL,
>(
  method: 'get' | 'put' | 'post',
  path: string,
  {
    tag,
    summary,
    description,
    ok,
    created,
    body,
    query,
    params,
    role = method === 'get' ? 'viewer' : 'operator',
    refusals = [],
  }: Described<Ok, Body, Query, Params>,
) {
  const named = params ?? (path.includes('{model}') ? MODEL : undefined)
  const codes = [
    ...ANY,
    ...(named ? (['model-unknown'] as const) : []),
    ...(body ? ANY_CHANGE : []),
    ...(query || params ? (['invalid-request'] as const) : []),
    ...refusals,
  ]
  const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } } })
  return createRoute({
    method,
    path,
    tags: [tag],
    summary,
    description: [description, `Role: ${role}.`].filter(Boolean).join('\n\n'),
    middleware: [needs(role)] as const,
    request: {
      ...(named && { params: named }),
      ...(body && { body: { required: true, ...json(body) }, headers: CHANGE_HEADERS }),
      ...(query && { query }),
    } as {
      params: Params
      body: { required: true; content: { 'application/json': { schema: Body } } }
      query: Query
    },
    responses: {
      ...(ok && { 200: { description: 'OK', ...json(ok) } }),
      ...(created && {
        201: {
          description: 'Created',
          headers: z.object({ location: z.string().openapi({ description: 'Where it is found for good.' }) }),
          ...json(created),
        },
      }),
      ...problems(codes),
    } as { 200: { description: string; content: { 'application/json': { schema: Ok } } } },
  })
}

/** Each status with the codes that it can have. */
export function problems(codes: readonly ProblemCode[]) {
  const statuses = [...new Set(codes.map((code) => STATUS[code]))].sort()
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: [...new Set(codes)]
          .filter((code) => STATUS[code] === status)
          .map((code) => `\`${code}\``)
          .join(', '),
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  )
}
