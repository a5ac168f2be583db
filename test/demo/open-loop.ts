import { ARMS, PREDICTION_ID_LENGTH } from '@coalmine/contract/prediction-id.ts'
import { type Dispatcher, Pool } from 'undici'
import { type Arrivals, instantsMs } from './arrivals.ts'
import { type Ended, newTally, type Summary } from './tally.ts'

/** One request of the load, and who wants to hear of its answer. */
export interface Ask {
  body: string
  answered?(answer: PredictionAnswer): void
}

export interface PredictionAnswer {
  status: number
  version?: string
  arm?: string
  /** Of the counted row. */
  predictionId?: string
  /** From the instant at which the request was due. */
  latencyMs: number
}

export interface LoadPlan {
  /** Where every request is posted to. */
  url: string
  requestsPerS: number
  durationMs: number
  arrivals: Arrivals
  seed: string
  /** A request that is due while so many are in flight is left out, and counted as unsent. */
  inFlightMax: number
  /** From the instant at which a request was due. */
  timeoutMs: number
  next(): Ask
  /** Hears of each request as it ends. */
  onEnd?(ended: Ended): void
  /** Ends the load early. */
  signal?: AbortSignal
}

/**
 * Sends requests when they are due, whatever becomes of earlier ones, and measures each from that instant: a
 * server that stalls is charged for all who waited, not for the one that it answered late. Resolves when the last
 * has ended.
 *
 * Timers know whole milliseconds, so requests are up to about one late; `lateMs` says how much.
 */
export async function openLoop(plan: LoadPlan): Promise<Summary> {
  const { url, requestsPerS, durationMs, arrivals, seed, inFlightMax, timeoutMs, next, onEnd, signal } = plan
  const { origin, pathname, search } = new URL(url)
  const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, allowH2: false })
  const path = `${pathname}${search}`
  const tally = newTally()
  let inFlight = 0

  const end = (ended: Ended) => {
    tally.add(ended)
    onEnd?.(ended)
  }
  const send = (dueMs: number) => {
    if (inFlight >= inFlightMax) return end({ kind: 'unsent' })
    inFlight++
    const { body, answered } = next()
    const lateMs = performance.now() - dueMs
    post(pool, path, body, dueMs + timeoutMs, (outcome) => {
      inFlight--
      if (typeof outcome === 'string') return end({ kind: 'failed', code: outcome, lateMs })
      const { status, headers } = outcome
      const answer = { status, ...said(headers), latencyMs: performance.now() - dueMs }
      end({ kind: 'answered', ...answer, lateMs })
      answered?.(answer)
    })
  }

  const beganMs = performance.now()
  let nowMs = beganMs
  for (const atMs of instantsMs(arrivals, requestsPerS, durationMs, seed)) {
    const dueMs = beganMs + atMs
    while (nowMs < dueMs && signal?.aborted !== true) {
      await turn(dueMs)
      nowMs = performance.now()
    }
    if (signal?.aborted) break
    send(dueMs)
  }
  // Waits for what is in flight.
  await pool.close()
  return tally.summary()
}

/** What an answer's headers say of it. The arm is read from the id without asking whether the id is genuine. */
function said(headers: Headers): Pick<PredictionAnswer, 'version' | 'arm' | 'predictionId'> {
  const version = headers['x-model-version']
  const id = headers['x-prediction-id']
  const found: Pick<PredictionAnswer, 'version' | 'arm' | 'predictionId'> = {}
  if (typeof version === 'string') found.version = version
  if (typeof id === 'string' && id.length === PREDICTION_ID_LENGTH) {
    found.predictionId = id
    found.arm = ARMS[Buffer.from(id, 'base64url')[1]! & 3]!
  }
  return found
}

type Headers = Record<string, string | string[] | undefined>

/** Posts once; `done` hears of the answer when it is whole, or the code of what went wrong. */
function post(
  pool: Pool,
  path: string,
  body: string,
  deadlineMs: number,
  done: (outcome: { status: number; headers: Headers } | string) => void,
): void {
  let controller: Dispatcher.DispatchController | undefined
  let answer = { status: 0, headers: {} as Headers }
  let late = false
  const timer = setTimeout(() => {
    late = true
    controller?.abort(new Error('the time is over'))
  }, deadlineMs - performance.now())
  const finish = (outcome: typeof answer | string) => {
    clearTimeout(timer)
    done(outcome)
  }
  pool.dispatch(
    { path, method: 'POST', headers: { 'content-type': 'application/json' }, body },
    {
      onRequestStart(started) {
        controller = started
        if (late) started.abort(new Error('the time is over'))
      },
      onResponseStart(_, status, headers) {
        answer = { status, headers }
      },
      onResponseData() {},
      onResponseEnd: () => finish(answer),
      onResponseError: (_, error) =>
        finish(late ? 'TIMEOUT' : ((error as NodeJS.ErrnoException).code ?? error.name)),
    },
  )
}

/** Until an instant, or for one turn of the event loop when it has passed: answers are heard of even when late. */
function turn(dueMs: number): Promise<void> {
  const leftMs = dueMs - performance.now()
  return new Promise((resolve) => {
    if (leftMs > 0) setTimeout(resolve, leftMs)
    else setImmediate(resolve)
  })
}
