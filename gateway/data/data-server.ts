import type { Http1Exchange } from '../http1/http1-exchange.ts'
import { Http1Server } from '../http1/server.ts'
import type { Protocol } from './answer-check.ts'
import { dataApp } from './app.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { enter } from './entrance.ts'
import { explain } from './explain.ts'
import { predict } from './predict.ts'

/** A body of whatever is no prediction. */
const BODY_BYTES_MAX = 1024 * 1024
const V1 = /^\/v1\/models\/([^/?%]+?)(?:\/versions\/([^/?%]+))?:predict$/
const EXPLAIN = /^\/v1\/models\/([^/?%]+?)(?:\/versions\/([^/?%]+))?:explain$/
const V2 = /^\/v2\/models\/([^/?%]+)(?:\/versions\/([^/?%]+))?\/infer$/

/**
 * The data port: predictions and explanations go straight from their connection to their worker, everything else through the
 * application, which knows every route.
 */
export function dataServer(plane: DataPlane): Http1Server {
  const app = dataApp(plane)
  return new Http1Server({
    serve(exchange) {
      const { method, target } = exchange.head
      const client = plane.clients && enter(plane, plane.clients, exchange)
      if (client === 'refused') return
      if (method === 'POST') {
        const v1 = V1.exec(target)
        if (v1 !== null) return predict(plane, exchange, v1[1]!, 'v1' satisfies Protocol, v1[2], client)
        const v2 = V2.exec(target)
        if (v2 !== null) return predict(plane, exchange, v2[1]!, 'v2' satisfies Protocol, v2[2], client)
        const explained = EXPLAIN.exec(target)
        if (explained !== null) return explain(plane, exchange, explained[1]!, explained[2], client)
      }
      throughApp(app, exchange, client)
    },
    isClosing: () => plane.closing,
    refused: (status) => plane.recorder.unrouted(`http-${status}`),
  })
}

type App = ReturnType<typeof dataApp>

function throughApp(app: App, exchange: Http1Exchange, client: Client | undefined): void {
  exchange.readBody(BODY_BYTES_MAX, (body) => {
    if (body === 'gone') return
    if (body === 'too large')
      return exchange.answer(
        413,
        JSON_TYPE(),
        JSON.stringify({ error: `the body is larger than ${BODY_BYTES_MAX} bytes` }),
      )
    answerOf(app, exchange, body, client).then(
      ({ status, headers, bytes }) => exchange.answer(status, headers, bytes),
      () => exchange.answer(500, JSON_TYPE(), '{"error":"unexpected error"}'),
    )
  })
}

const JSON_TYPE = () => ['content-type', 'application/json']

async function answerOf(app: App, { head }: Http1Exchange, body: Buffer, client: Client | undefined) {
  const { method, target, names, values } = head
  const headers = new Headers()
  for (let i = 0; i < names.length; i++) headers.append(names[i]!, values[i]!)
  const takesBody = method !== 'GET' && method !== 'HEAD'
  const request = new Request(`http://localhost${target === '*' ? '/' : target}`, {
    method,
    headers,
    ...(takesBody && { body: new Uint8Array(body) }),
  })
  const response = await app.fetch(request, { client })
  const flat: string[] = []
  response.headers.forEach((value, name) => {
    if (name !== 'content-length') flat.push(name, value)
  })
  return { status: response.status, headers: flat, bytes: Buffer.from(await response.arrayBuffer()) }
}
