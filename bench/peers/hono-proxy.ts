import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

/**
 * Hono with its proxy helper as the documentation has it, on Node's server: everything of the request is passed on,
 * and Node's own `fetch` asks the upstream.
 *
 *     node hono-proxy.ts PORT UPSTREAM_ORIGIN
 */
const [port, upstream] = process.argv.slice(2)

const app = new Hono()
app.all('*', (c) => proxy(`${upstream}${c.req.path}`, { ...c.req, headers: { ...c.req.header() } }))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) })
