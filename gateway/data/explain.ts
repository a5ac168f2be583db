import { predictionIdOf } from '@coalmine/contract/explain.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { jsonLimitFault, withRecords } from '@coalmine/contract/json-limits.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { deferred } from './deferred-explanation.ts'
import { poolOf } from './endpoints.ts'
import { ExplainAttempt } from './explain-attempt.ts'
import { enterExplain } from './explain-entrance.ts'
import { explainedVersion } from './explained-version.ts'
import type { ModelRoute } from './route.ts'

/**
 * Answers one request to explain, or refuses it.
 *
 * @param pin a version named in the path
 * @param client who asks, where clients are configured
 */
export function explain(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  pin?: string,
  client?: Client,
): void {
  const entered = enterExplain(plane, exchange, model, pin, client)
  if (entered === undefined) return
  const { route, refuse } = entered
  exchange.readBody(route.limits.bodyBytes, (body) => {
    if (body === 'gone') return plane.recorder.unrouted('aborted')
    if (body === 'too large')
      return refuse(413, 'too-large', `the body is larger than ${route.limits.bodyBytes} bytes`)
    // Who sends slowly has no place meanwhile: eight such clients would have them all.
    if (entered.putOff()) return
    const limits = jsonLimitsOf(route)
    const fault = jsonLimitFault(body, limits)
    if (fault !== undefined) return refuse(400, 'json-limits', fault)
    const found = explainedVersion(plane, route, pin, predictionIdOf(body, limits))
    if (found.kind === 'refused') return refuse(found.status, 'explain-prediction', found.error)
    const { served } = found
    const { version } = served
    const path = `/v1/models/${route.model}:explain`
    new ExplainAttempt({
      ...{ plane, exchange, entered, served, path, route: path, body },
      choose: (avoid) => route.endpoints.choose(poolOf(version), plane.nowMs(), plane.random(), avoid),
      passed: (received, { id }) =>
        received.status === 202 ? deferred(received, id, served, plane) : received,
      unanswered: (asked) =>
        asked
          ? { status: 502, error: 'the worker did not answer' }
          : { status: 503, error: `no worker is ready for version '${version}' of model '${model}'` },
      record: (status, elapsedMs) => plane.recorder.explanations.record(model, version, status, elapsedMs),
    }).start()
  })
}

function jsonLimitsOf({ limits, versions }: ModelRoute) {
  const fields = Math.max(...[...versions.values()].map(({ manifest }) => manifest.inputs.length))
  return withRecords({ depth: limits.jsonDepth, keys: limits.jsonKeys }, limits.instances, fields)
}
