import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'

/** Every way the admin API refuses, and the status each has. Codes are stable; sentences are for people. */
export const STATUS = {
  'invalid-request': 422,
  'malformed-json': 400,
  unauthorized: 401,
  'host-not-allowed': 403,
  'model-unknown': 404,
  'version-unknown': 404,
  'not-found': 404,
  'revision-stale': 412,
  'revision-required': 428,
  'key-reused': 422,
  'media-type': 415,
  'too-large': 413,
  'version-not-ready': 409,
  frozen: 409,
  'already-deployed': 409,
  'not-deployed': 409,
  'split-running': 409,
  'no-split': 409,
  'no-previous': 409,
  'canary-is-stable': 409,
  'weight-out-of-range': 422,
  unchanged: 409,
  internal: 500,
} as const
export type ProblemCode = keyof typeof STATUS

/** RFC 9457. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(STATUS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem')

export class AdminProblem extends Error {
  readonly code: ProblemCode
  readonly headers: Record<string, string>

  constructor(code: ProblemCode, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.code = code
    this.headers = headers
  }
}

export function problem(
  c: Context,
  code: ProblemCode,
  detail: string,
  {
    headers = {},
    errors,
  }: { headers?: Record<string, string>; errors?: { path: string; message: string }[] } = {},
): Response {
  const status = STATUS[code]
  const body = {
    type: `urn:coalmine:problem:${code}`,
    title: code.replaceAll('-', ' '),
    status,
    code,
    detail,
    ...(errors && { errors }),
  }
  return c.body(JSON.stringify(body), status, { ...headers, 'content-type': 'application/problem+json' })
}
