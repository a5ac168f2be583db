import { z } from 'zod'
import { DEFAULT_RESILIENCE, type Resilience } from '../resilience.ts'
import { count, duration, share } from './amounts.ts'
import { inOrder } from './in-order.ts'

const { firstAttemptMs, retries, ejection, panicShare, slowStartMs, concurrency, queue, connections } =
  DEFAULT_RESILIENCE

const written = z.strictObject({
  firstAttempt: duration(
    '10ms',
    '60s',
    firstAttemptMs,
    'A first attempt ends after this; what is left of the time is for a second one.',
  ),
  retries: z
    .strictObject({
      budget: share(0, retries.budget, 'Second attempts at once, of the requests in flight to a version.'),
      atLeast: count(0, 1_000, retries.atLeast, 'Second attempts at once however little is in flight.'),
    })
    .prefault({}),
  ejection: z
    .strictObject({
      failures: count(1, 1_000, ejection.failures, 'So many in a row take an endpoint out.'),
      time: duration('100ms', '1h', ejection.baseMs, 'For so long; longer each time it fails again.'),
      maxTime: duration('100ms', '24h', ejection.maxMs, 'For no longer than this.'),
      maxShare: share(0, ejection.maxShare, 'Of the endpoints of a version that may be out at once.'),
    })
    .superRefine(inOrder(['time', 'maxTime']))
    .prefault({}),
  panic: share(
    0,
    panicShare,
    'With fewer endpoints in than this, stable is asked without regard to ejections.',
  ),
  slowStart: duration('0s', '1h', slowStartMs, 'A new endpoint gets its full share after this.'),
  concurrency: z
    .strictObject({
      initial: count(1, 100_000, concurrency.initial, 'Requests in flight to one endpoint, at first.'),
      min: count(1, 100_000, concurrency.min, 'The limit falls to this with a slow endpoint.'),
      max: count(1, 100_000, concurrency.max, 'It rises to this with a quick one.'),
    })
    .superRefine(inOrder(['min', 'initial', 'max']))
    .prefault({}),
  queue: z
    .strictObject({
      maxWait: duration('1ms', '60s', queue.maxWaitMs, 'For a place at an endpoint; then 503.'),
      max: count(1, 100_000, queue.max, 'Requests that wait for one endpoint.'),
    })
    .prefault({}),
  connections: count(1, 10_000, connections, 'Connections to one endpoint.'),
})

/** `resilience:` of a model, for the gateway as a whole. */
export const resilience = written.transform(
  ({ firstAttempt, ejection, panic, slowStart, queue, ...same }): Resilience => ({
    ...same,
    firstAttemptMs: firstAttempt,
    ejection: {
      failures: ejection.failures,
      baseMs: ejection.time,
      maxMs: ejection.maxTime,
      maxShare: ejection.maxShare,
    },
    panicShare: panic,
    slowStartMs: slowStart,
    queue: { maxWaitMs: queue.maxWait, max: queue.max },
  }),
)
