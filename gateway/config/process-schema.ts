import { z } from 'zod'
import { DEFAULT_OVERLOAD, type Overload } from '../data/overload.ts'
import { DEFAULT_LISTENER, type ListenerSettings } from '../http1/settings.ts'
import { count, duration, share, size } from './amounts.ts'
import { inOrder } from './in-order.ts'

const LISTENER = DEFAULT_LISTENER

/** `listener:`, for the gateway as a whole. */
export const listener = z
  .strictObject({
    connections: count(1, 1_000_000, LISTENER.connectionsMax, 'Clients at once; more are dropped.'),
    headersTimeout: duration('100ms', '10m', LISTENER.headersTimeoutMs, 'For the headers of a request.'),
    requestTimeout: duration('100ms', '1h', LISTENER.requestTimeoutMs, 'For a request with its body.'),
    keepAliveTimeout: duration(
      '100ms',
      '1h',
      LISTENER.keepAliveTimeoutMs,
      'Between two requests; longer than a balancer in front waits.',
    ),
    writeTimeout: duration('100ms', '1h', LISTENER.writeTimeoutMs, 'For a client to take its answer.'),
    headers: count(10, 10_000, LISTENER.headersMax, 'Of one request; more get 431.'),
    headerSize: size('1KiB', '1MiB', LISTENER.headerBytesMax, 'Request line and headers; more get 431.'),
  })
  .superRefine(inOrder(['headersTimeout', 'requestTimeout']))
  .transform(
    (written): ListenerSettings => ({
      connectionsMax: written.connections,
      headersTimeoutMs: written.headersTimeout,
      requestTimeoutMs: written.requestTimeout,
      keepAliveTimeoutMs: written.keepAliveTimeout,
      writeTimeoutMs: written.writeTimeout,
      headersMax: written.headers,
      headerBytesMax: written.headerSize,
    }),
  )

/** `overload:`, the same for every data process. */
export const overload = z
  .strictObject({
    loopDelay: duration(
      '20ms',
      '60s',
      DEFAULT_OVERLOAD.loopDelayMs,
      'The event loop is so late: new predictions get 503.',
    ),
    loopUse: share(1, DEFAULT_OVERLOAD.loopUse, 'The event loop is so busy: no second attempts.'),
    heapClose: share(
      1,
      DEFAULT_OVERLOAD.heapClose,
      'So much of the heap is used: answers close connections.',
    ),
    heapShed: share(1, DEFAULT_OVERLOAD.heapShed, 'So much of the heap is used: new predictions get 503.'),
  })
  .superRefine(inOrder(['heapClose', 'heapShed']))
  .transform(({ loopDelay, ...shares }): Overload => ({ loopDelayMs: loopDelay, ...shares }))
