import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'

/**
 * The peer of our gateway: Fastify with @fastify/reply-from, no logger, no JSON parsing, no retries, the plugin's
 * own undici with connections for all in flight.
 *
 * `buffer` is the faster way and the one we compare with: the body is read into one buffer and sent on with its
 * length. `stream` is what the plugin's documentation shows; it costs about a third more.
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
