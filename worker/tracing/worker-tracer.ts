import { randomInt } from 'node:crypto'
import type { SpanQueue } from '@coalmine/contract/tracing/span-queue.ts'
import { newTraceId, parseTraceparent } from '@coalmine/contract/tracing/trace-context.ts'
import { type Tracing, tracingOf } from '@coalmine/contract/tracing/tracing.ts'
import packageJson from '../package.json' with { type: 'json' }
import type { Settings } from '../settings.ts'
import { QuestionTrace } from './question-trace.ts'

/** The tracer that the environment asks for; the settings have refused what is not supported. */
export async function workerTracer(
  { model, version }: Pick<Settings, 'model' | 'version'>,
  env: NodeJS.ProcessEnv,
): Promise<WorkerTracer | undefined> {
  const attributes = { 'coalmine.model': model, 'coalmine.version': version }
  const tracing = await tracingOf(env, { name: 'coalmine-worker', version: packageJson.version, attributes })
  return tracing && new WorkerTracer(tracing)
}

const FLUSH_MS = 1_000
/** A collector that is away keeps no worker from ending. */
const CLOSE_MS_MAX = 2_000

/** What a question says of its trace. */
export interface Asking {
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  /** The gateway asks: it has decided what is sampled, and what it did not sample does not begin here. */
  readonly isOfGateway: boolean
  readonly path: string
  readonly isLink: boolean
  /** On the monotonic clock. */
  readonly startMs: number
}

/** Traces the questions that whoever asks samples, and of other clients' those that the ratio lets begin here. */
export class WorkerTracer {
  readonly queue: SpanQueue
  readonly #ratio: number
  readonly #closeMsMax: number
  readonly #flushes: NodeJS.Timeout

  constructor({ queue, ratio }: Tracing, closeMsMax = CLOSE_MS_MAX) {
    this.queue = queue
    this.#ratio = ratio
    this.#closeMsMax = closeMsMax
    this.#flushes = setInterval(() => queue.flush(), FLUSH_MS)
    this.#flushes.unref()
  }

  trace({ traceparent, tracestate, isOfGateway, ...rest }: Asking): QuestionTrace | undefined {
    const parent = parseTraceparent(traceparent)
    const begins = () => !isOfGateway && random() < this.#ratio * 2 ** 32
    if (!(parent?.isSampled ?? begins())) return undefined
    const traceId = parent?.traceId ?? newTraceId(random)
    const traced = { ...rest, random, traceId, parentId: parent?.spanId, traceState: parent && tracestate }
    return new QuestionTrace(this.queue, traced, Date.now())
  }

  /** Sends what is there, as far as it is taken in time. */
  async close(): Promise<void> {
    clearInterval(this.#flushes)
    const { promise: givenUp, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#closeMsMax)
    await Promise.race([this.queue.close(), givenUp])
    clearTimeout(timer)
  }
}

/** u32. */
const random = () => randomInt(2 ** 32)
