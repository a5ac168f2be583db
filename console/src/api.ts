import { signal } from '@preact/signals'

/** Kept for this tab alone: whoever comes after does not find it. */
const KEPT = 'coalmine-token'

/** Longer nobody waits for an answer: a network that swallows it must not hold the page. */
const TIMEOUT_MS = 30_000

export const token = signal<string | undefined>(sessionStorage.getItem(KEPT) ?? undefined)
/** The gateway wants a token, or another one; what it said. */
export const signInReason = signal<string | undefined>(undefined)

export function signIn(given: string): void {
  sessionStorage.setItem(KEPT, given)
  token.value = given
  signInReason.value = undefined
}

export function signOut(): void {
  sessionStorage.removeItem(KEPT)
  // First, or what listens without a token would ask once more.
  signInReason.value = 'you are signed out'
  token.value = undefined
}

/** What the admin API refused (RFC 9457), or `unreachable`. */
export class Refusal extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, status: number, detail: string) {
    super(detail)
    this.code = code
    this.status = status
  }
}

export function modelPath(model: string): string {
  return `/api/v1/models/${encodeURIComponent(model)}`
}

export async function read<View>(path: string): Promise<View> {
  return (await send(path, {})).json()
}

/** @param revision what the person looked at; somebody faster is a `revision-stale` */
export async function change<View>(
  method: 'POST' | 'PUT',
  path: string,
  body: unknown,
  revision?: number,
): Promise<View> {
  const response = await send(path, {
    method,
    headers: {
      'content-type': 'application/json',
      'idempotency-key': crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
      ...(revision === undefined ? {} : { 'if-match': `"${revision}"` }),
    },
    body: JSON.stringify(body),
  })
  return response.json()
}

export async function send(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  if (token.value !== undefined) headers.set('authorization', `Bearer ${token.value}`)
  const signal = init.signal ?? AbortSignal.timeout(TIMEOUT_MS)
  let response: Response
  try {
    response = await fetch(path, { ...init, headers, signal })
  } catch {
    throw new Refusal('unreachable', 0, unreachable(init.method))
  }
  if (response.ok) return response
  const problem = await response.json().catch(() => ({}))
  const detail = problem.detail ?? `the gateway answered ${response.status}`
  if (response.status === 401) signInReason.value = token.value === undefined ? '' : detail
  throw new Refusal(problem.code ?? 'unknown', response.status, detail)
}

function unreachable(method = 'GET'): string {
  const silent = 'the gateway does not answer'
  return method === 'GET' ? silent : `${silent}; whether this was done stands in the record`
}
