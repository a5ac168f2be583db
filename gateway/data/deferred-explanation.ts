import { EXPLANATION_JOB, explanationPath } from '@coalmine/contract/explain.ts'
import { readExplanationId, signExplanation } from '@coalmine/contract/explanation-id.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { poolOf } from './endpoints.ts'
import { ExplainAttempt, type Passed } from './explain-attempt.ts'
import { enterExplain } from './explain-entrance.ts'
import type { Received } from './http-call.ts'
import type { ModelRoute, Served } from './route.ts'
import type { Upstream } from './upstream.ts'

/**
 * What is told of an explanation that a worker took to answer later. Its id leads back to that worker whichever gateway process
 * is asked, and after its version is stable no more.
 *
 * @param endpoint the gateway's own name of the worker
 */
export function deferred(
  { body }: Pick<Received, 'body'>,
  endpoint: string,
  { fingerprint, model }: Served,
  { idKey }: DataPlane,
): Passed {
  const told = progressOf(body)
  if (told === undefined)
    return { status: 502, error: 'the worker took this to answer later, and did not say where' }
  const id = signExplanation(fingerprint, endpoint, told.id, idKey)
  return progress({ ...told, id }, model)
}

/** Answers one question for an explanation that was asked for earlier, or refuses it. */
export function fetchExplanation(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  id: string,
  client?: Client,
): void {
  const entered = enterExplain(plane, exchange, model, undefined, client)
  if (entered === undefined) return
  const { route } = entered
  const found = whereOf(plane, route, id)
  if (found.kind === 'refused') return entered.refuse(found.status, 'explanation', found.error)
  const { served, upstream, job } = found
  new ExplainAttempt({
    ...{ plane, exchange, entered, served, body: null },
    ...{ path: explanationPath(route.model, job), route: explanationPath(route.model, '{id}') },
    choose: () => upstream,
    passed(received) {
      // Whoever has this name there now is another process than the one that gave the id.
      if (received.status === 404) return gone('the worker that had this explanation has ended')
      if (received.status !== 202) return received
      const told = progressOf(received.body)
      return told === undefined ? unanswered : progress({ ...told, id }, model)
    },
    unanswered: () => unanswered,
    record: (status) => plane.recorder.explanations.fetched(model, served.version, status),
  }).start()
}

type Where =
  | { kind: 'found'; served: Served; upstream: Upstream; job: string }
  | { kind: 'refused'; status: 404 | 410; error: string }

function whereOf({ idKeys }: DataPlane, route: ModelRoute, id: string): Where {
  const read = readExplanationId(id, idKeys)
  if (read === undefined) return { kind: 'refused', status: 404, error: 'there is no such explanation' }
  const { fingerprint, job, isAt } = read
  const served = route.byFingerprint(fingerprint)
  if (served === undefined)
    return refused(`this explanation is of no version of '${route.model}' that is still known`)
  const upstream = endpointOf(route, served, isAt)
  if (upstream !== undefined) return { kind: 'found', served, upstream, job }
  return refused(
    route.endpoints.loaded(served.version)
      ? 'the worker that had this explanation is gone'
      : `version '${served.version}', which had this explanation, is not loaded any more`,
  )
}

/** Among those of the version alone: an id leads nowhere else, whatever it says. */
function endpointOf(
  route: ModelRoute,
  { version }: Served,
  isIt: (id: string) => boolean,
): Upstream | undefined {
  for (const upstream of route.endpoints.all())
    if (upstream.serves === poolOf(version) && isIt(upstream.id)) return upstream
  return undefined
}

const refused = (error: string): Where => ({ kind: 'refused', ...gone(error) })
const gone = (why: string) => ({ status: 410 as const, error: `${why}; ask for it again` })
const unanswered: Passed = {
  status: 503,
  error: 'the worker that has this explanation does not answer at the moment',
}

type Progress = { id: string } & Record<string, unknown>

function progressOf(body: Buffer): Progress | undefined {
  try {
    const told = JSON.parse(body.toString())
    return EXPLANATION_JOB.test(told?.id) ? told : undefined
  } catch {
    return undefined
  }
}

function progress(told: Progress, model: string): Passed {
  const more = ['location', explanationPath(model, told.id), 'retry-after', '1']
  return { status: 202, more, body: Buffer.from(JSON.stringify(told)) }
}
