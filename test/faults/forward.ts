import type { IncomingMessage } from 'node:http'
import type { Dispatcher } from 'undici'

/** A worker's answer, whole. */
export interface Answer {
  status: number
  statusText: string
  /** Names and values in turn, as they were sent. */
  headers: string[]
  body: Buffer
}

/** They belong to one connection, and the proxy's two are not the same. */
const OF_A_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
])

/** Sends a request on as it came and holds the answer until it is whole. Rejects when the worker breaks off. */
export function forward(
  to: Dispatcher,
  { method = 'GET', url = '/', rawHeaders }: IncomingMessage,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const answer: Answer = { status: 0, statusText: '', headers: [], body: Buffer.alloc(0) }
    to.dispatch(
      {
        path: url,
        method: method as Dispatcher.HttpMethod,
        headers: endToEnd(rawHeaders),
        body: body.length === 0 ? null : body,
      },
      {
        onRequestStart(controller) {
          const abort = () => controller.abort(new Error('the client is gone'))
          if (signal.aborted) abort()
          else signal.addEventListener('abort', abort, { once: true })
        },
        onResponseStart({ rawHeaders: raw }, status, _, statusText = '') {
          answer.status = status
          answer.statusText = statusText
          answer.headers = endToEnd((raw as Buffer[]).map((part) => part.toString('latin1')))
        },
        onResponseData(_, chunk) {
          chunks.push(chunk)
        },
        onResponseEnd() {
          resolve({ ...answer, body: Buffer.concat(chunks) })
        },
        onResponseError(_, error) {
          reject(error)
        },
      },
    )
  })
}

/** Raw headers without those of the connection they came on. */
function endToEnd(raw: readonly string[]): string[] {
  return pairs(raw).flatMap(([name, value]) => (OF_A_CONNECTION.has(name.toLowerCase()) ? [] : [name, value]))
}

/** The value of a header; undefined when there is none. */
export function headerOf(headers: readonly string[], wanted: string): string | undefined {
  return pairs(headers).find(([name]) => name.toLowerCase() === wanted)?.[1]
}

/** The headers with another value of one; undefined takes it away. */
export function withHeader(headers: readonly string[], wanted: string, value: string | undefined): string[] {
  const others = pairs(headers).filter(([name]) => name.toLowerCase() !== wanted)
  return [...others.flat(), ...(value === undefined ? [] : [wanted, value])]
}

function pairs(raw: readonly string[]): [name: string, value: string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i]!, raw[2 * i + 1]!])
}
