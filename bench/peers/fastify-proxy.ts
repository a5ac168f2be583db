import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'

/**
 * The peer of our gateway: Fastify with @fastify/reply-from, no logger, no JSON parsing, no retries, the plugin's
 * own undici with connections for all in flight.
 *
 * `stream` is the plugin as documented, and what the target is about. `buffer` reads the body into one buffer and
 * sends it on with its length, which the documentation does not show and which costs about a third less.
 *
 *     node fastify-proxy.ts PORT UPSTREAM_ORIGIN buffer|stream
 */
const [port, upstream, body] = process.argv.slice(2)

const fastify = Fastify({ logger: false, keepAliveTimeout: 75_000 })
fastify.removeAllContentTypeParsers()
fastify.register(replyFrom, {
  base: upstream!,
  undici: { connections: 64, pipelining: 1, keepAliveTimeout: 60_000 },
  disableRequestLogging: true,
})
if (body === 'buffer') {
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, received, done) => done(null, received))
  fastify.all('/*', ({ body, headers }, reply) =>
    body instanceof Buffer
      ? reply.from(undefined, { body, contentType: headers['content-type'] ?? 'application/json' })
      : reply.from(),
  )
} else {
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  fastify.all('/*', (_request, reply) => reply.from())
}

await fastify.listen({ host: '127.0.0.1', port: Number(port) })
