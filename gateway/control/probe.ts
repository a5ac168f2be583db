import { type Dispatcher, request } from 'undici'

/** Where an endpoint listens: an origin, over a Unix socket for workers of our own. */
export interface ProbeTarget {
  origin: string
  dispatcher: Dispatcher
}

export type ProbeAnswer =
  | { kind: 'answered'; status: number; body: string }
  /** `code` is the system's, such as ECONNREFUSED; no address is in it. */
  | { kind: 'unreachable'; code: string }

const TIMEOUT_MS = 1_000
const BODY_LIMIT_BYTES = 1024 * 1024

/** One bounded GET, or a POST of `json`. Failures are values: an endpoint that is down is an ordinary finding. */
export async function probe(
  { origin, dispatcher }: ProbeTarget,
  path: string,
  json?: unknown,
): Promise<ProbeAnswer> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS)
  try {
    // A connection of its own each time: an old one may still work where a new one is refused.
    const answer = await request(`${origin}${path}`, {
      ...{ dispatcher, signal: abort.signal, reset: true },
      ...(json !== undefined && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(json),
      }),
    })
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer.body) {
      bytes += chunk.length
      if (bytes > BODY_LIMIT_BYTES) {
        answer.body.destroy()
        return { kind: 'unreachable', code: 'TOO_LARGE' }
      }
      chunks.push(chunk)
    }
    return { kind: 'answered', status: answer.statusCode, body: Buffer.concat(chunks).toString('utf8') }
  } catch (error) {
    const code = abort.signal.aborted ? 'TIMEOUT' : ((error as NodeJS.ErrnoException).code ?? 'UNKNOWN')
    return { kind: 'unreachable', code }
  } finally {
    clearTimeout(timer)
  }
}
