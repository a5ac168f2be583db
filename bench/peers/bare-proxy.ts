import { type HttpBindings, serve } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { type Dispatcher, Pool } from 'undici'

/**
 * What the tools of our gateway give with nothing on top: Hono routes, the sockets are written to directly,
 * undici dispatches. No deadline, no limits, no routing, no evidence; the room between it and the gateway is
 * what those cost.
 *
 *     node bare-proxy.ts PORT UPSTREAM_ORIGIN
 */
const [port, upstream] = process.argv.slice(2)
const pool = new Pool(upstream!, { connections: 64, pipelining: 1 })

const app = new Hono<{ Bindings: HttpBindings }>()
app.all('*', ({ env: { incoming, outgoing } }) => {
  const received: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => received.push(chunk))
  incoming.on('end', () => {
    const method = incoming.method as Dispatcher.HttpMethod
    const headers = { 'content-type': 'application/json' }
    const body = method === 'GET' ? null : Buffer.concat(received)
    const answer: Buffer[] = []
    let status = 502
    pool.dispatch(
      { path: incoming.url!, method, headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData: (_controller, chunk) => void answer.push(chunk),
        onResponseEnd() {
          const whole = Buffer.concat(answer)
          const type = 'application/json'
          outgoing.writeHead(status, { 'content-type': type, 'content-length': whole.length }).end(whole)
        },
        onResponseError: () => void outgoing.writeHead(502).end(),
      },
    )
  })
  return RESPONSE_ALREADY_SENT
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) })
