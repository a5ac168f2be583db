import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { SERVER_OPTIONS } from '@coalmine/contract/http/server.ts'
import { LINK_PATH, LINK_TERMS_PATH } from '@coalmine/contract/link/frame.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { Pool } from 'undici'
import { seedBytes } from '../../bench/decisions/sample.ts'
import { type Clock, realClock } from './clock.ts'
import type { Fault, Harm } from './fault.ts'
import { forward } from './forward.ts'
import { isBlunt, pass, refuse, reset, twist } from './harm.ts'

export interface ProxyOptions {
  /** The worker: an origin such as http://127.0.0.1:9000, or a Unix socket. */
  to: { origin: string } | { socket: string }
  /** Where to listen; without it on a free port of 127.0.0.1. */
  socket?: string
  fault?: Fault
  /** Which predictions are harmed where `rate` is below 1 derives from it and from nothing else. */
  seed?: string
  clock?: Clock
  /** Lets the link through; a call of it then counts as one prediction. Otherwise each prediction has its own request. */
  link?: boolean
}

export interface FaultProxy {
  /** http://127.0.0.1:PORT, or the path of the socket. */
  readonly address: string
  /** Holds from the next prediction that arrives. */
  fault: Fault
  /** Predictions that came, and those that were harmed. */
  readonly counts: { readonly predictions: number; readonly harmed: number }
  /** Cuts every connection. */
  close(): Promise<void>
}

/**
 * Stands beside a worker and harms its predictions as it is told, each for itself: it hides the link unless told not to.
 * Health checks, metadata and whatever else goes through as it came. A worker that is gone looks gone: connections through the proxy are reset.
 */
export async function startFaultProxy({
  to,
  socket,
  fault = { kind: 'none' },
  seed = '1',
  clock = realClock,
  link = false,
}: ProxyOptions): Promise<FaultProxy> {
  const pool = new Pool('origin' in to ? to.origin : 'http://localhost', {
    headersTimeout: 0,
    bodyTimeout: 0,
    // Shorter than a worker's, so that it never closes a connection that is about to be used.
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 60_000,
    allowH2: false,
    ...('socket' in to ? { connect: { socketPath: to.socket } } : {}),
  })
  const random = seededRandom(seedBytes(seed))
  const counts = { predictions: 0, harmed: 0 }

  /** One draw a prediction whatever the fault, so that changing it does not move later draws. */
  const drawHarm = (incoming: IncomingMessage): Harm | undefined => {
    if (!isPrediction(incoming)) return undefined
    counts.predictions++
    const share = random() / 2 ** 32
    const { fault } = proxy
    if (fault.kind === 'none' || share >= fault.rate) return undefined
    counts.harmed++
    return fault
  }

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const gone = new AbortController()
    outgoing.once('close', () => gone.abort())
    const harm = drawHarm(incoming)
    const body = await buffer(incoming)
    // A call of the link holds many predictions: without a link each has a request of its own, to be harmed or not.
    if (!link && incoming.url === LINK_TERMS_PATH) {
      outgoing.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"there is no link here"}')
      return
    }
    if (harm !== undefined && isBlunt(harm)) return refuse(outgoing, harm)
    const beganMs = clock.nowMs()
    const answer = await forward(pool, incoming, body, gone.signal)
    const workerMs = clock.nowMs() - beganMs
    if (harm === undefined) return pass(outgoing, answer)
    await twist(harm, { outgoing, answer, workerMs, clock, signal: gone.signal })
  }

  const server = createServer(SERVER_OPTIONS, (incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => reset(outgoing.socket))
  })
  server.listen(socket === undefined ? { host: '127.0.0.1', port: 0 } : { path: socket })
  await once(server, 'listening')

  const proxy: FaultProxy = {
    address: socket ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault,
    counts,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await Promise.all([closed, pool.destroy()])
    },
  }
  return proxy
}

function isPrediction({ method, url = '' }: IncomingMessage): boolean {
  return (method === 'POST' && /(?::predict|\/infer)(?:\?|$)/.test(url)) || url === LINK_PATH
}
