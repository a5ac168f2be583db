import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'

/** Every way the admin API refuses, and the status each has. Codes are stable; sentences are for people. */
export const STATUS = {
  'invalid-request': 422,
  'malformed-json': 400,
  unauthorized: 401,
  'token-expired': 401,
  forbidden: 403,
  'host-not-allowed': 403,
  'origin-not-allowed': 403,
  'model-unknown': 404,
  'version-unknown': 404,
  'rollout-unknown': 404,
  'decision-unknown': 404,
  'not-found': 404,
  'method-not-allowed': 405,
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
  'rollout-running': 409,
  'no-split': 409,
  'no-rollout': 409,
  'already-judged': 409,
  'cannot-be-decided': 409,
  'contract-breaks': 409,
  'nothing-to-retry': 409,
  'policy-unknown': 422,
  'policy-invalid': 422,
  finished: 409,
  'wrong-phase': 409,
  'last-step': 409,
  'needs-restart': 409,
  'needs-retry': 409,
  'only-measures': 409,
  'no-previous': 409,
  'canary-is-stable': 409,
  'weight-out-of-range': 422,
  unchanged: 409,
  internal: 500,
  'store-unavailable': 503,
  'issuer-unavailable': 503,
  'too-many-streams': 503,
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
    reasons: z
      .array(z.string())
      .optional()
      .openapi({ description: 'Each reason by itself, where there can be several.' }),
  })
  .openapi('Problem')

interface Details {
  readonly headers?: Record<string, string>
  readonly errors?: readonly { path: string; message: string }[]
  readonly reasons?: readonly string[]
}

export class AdminProblem extends Error {
  readonly code: ProblemCode
  readonly details: Details

  constructor(code: ProblemCode, message: string, details: Details = {}) {
    super(message)
    this.code = code
    this.details = details
  }
}

export function problem(
  c: Context,
  code: ProblemCode,
  detail: string,
  { headers = {}, errors, reasons }: Details = {},
): Response {
  const status = STATUS[code]
  const body = {
    type: `urn:coalmine:problem:${code}`,
    title: code.replaceAll('-', ' '),
    status,
    code,
    detail,
    ...(errors && { errors }),
    ...(reasons && { reasons }),
  }
  return c.body(JSON.stringify(body), status, { ...headers, 'content-type': 'application/problem+json' })
}
