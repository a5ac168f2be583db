import type { Server } from 'node:http'
import type { ExplainMode } from '@coalmine/contract/explain.ts'
import { closeServer } from '@coalmine/contract/http/server.ts'
import { withRecords } from '@coalmine/contract/json-limits.ts'
import { MAX_ROWS } from '@coalmine/contract/link/frame.ts'
import type { Log } from '@coalmine/contract/log.ts'
import { elementsPerRow } from '@coalmine/contract/manifest.ts'
import type { EncodedTensor } from '@coalmine/contract/tensor.ts'
import type { Hono } from 'hono'
import { buildApp, serveLink } from './app.ts'
import { Batcher } from './batcher.ts'
import { DeferredExplanations } from './explain/deferred-explanations.ts'
import { writeExplanations } from './explain/explain-json.ts'
import { Explanations } from './explain/explanations.ts'
import { LastingExplainer } from './explain/lasting-explainer.ts'
import { openThreadExplainer } from './explain/thread-explainer.ts'
import { goldenProblem } from './golden-check.ts'
import { Life } from './life.ts'
import { Metrics } from './metrics.ts'
import { type Model, openModel } from './model.ts'
import { createHttpServer, listen } from './server.ts'
import { compileServing, type Serving } from './serving.ts'
import type { Settings } from './settings.ts'
import type { WorkerTracer } from './tracing/worker-tracer.ts'

/** Requests that may wait for a run; more are told to come back. */
const WAITING_MAX = 1024
/** Where one row takes longer none should wait for another's call. */
const SLOW_ROW_MS = 20

/** What the starter of a worker is told: whether it is ready, and if not, why. */
export type Readiness = { ready: true; address: string } | { ready: false; reason: string }

export type Worker = {
  // biome-ignore lint/suspicious/noExplicitAny: the bindings are those that the adaptor provides
  app: Hono<any>
  life: Life
  /** Resolves once the model is ready, or has failed for good; the worker answers health checks either way. */
  readiness: Promise<Readiness>
  /** Readiness off, answers what is in flight, closes every connection. */
  drain(): Promise<void>
}

/**
 * Listens, then loads the model. Rejects when it cannot listen. `onLost`: the model's thread has ended. `tracer`: where
 * predictions are traced; it is closed with the worker.
 */
export async function startWorker(
  settings: Settings,
  log: Log,
  onLost: (reason: string) => void,
  tracer?: WorkerTracer,
): Promise<Worker> {
  const { model, version } = settings
  const life = new Life()
  const metrics = new Metrics(model, version)
  metrics.spans = tracer?.queue.counts
  const app = buildApp({ model, version, life, metrics })
  const server = createHttpServer(app, life, (exchange) => serveLink(exchange, { model, version, life }))
  const address = await listen(server, settings.listen)
  log.info('listening', { address, model, version })

  const lost = (reason: string) => {
    life.state = { kind: 'failed', reason }
    onLost(reason)
  }
  return {
    app,
    life,
    readiness: load(settings, life, metrics, log, lost, tracer).then((reason) =>
      reason === undefined ? { ready: true, address } : { ready: false, reason },
    ),
    drain: () => drain(life, server, tracer),
  }
}

/** Loads, checks and warms the model. Resolves with the reason when it cannot be served. */
async function load(
  settings: Settings,
  life: Life,
  metrics: Metrics,
  log: Log,
  onLost: (reason: string) => void,
  tracer: WorkerTracer | undefined,
): Promise<string | undefined> {
  const sinceMs = performance.now()
  let reason: string | undefined
  try {
    const model = await openModel(settings, onLost)
    const serving = serve(model, settings, life, metrics, log, tracer)
    reason = await goldenProblem(model.golden, serving)
    const { explainer, explaining, facts } = explainingOf(model, log)
    // What the manifest promises is known to be kept before the first request.
    if (reason === undefined && model.manifest.explain !== undefined) await explainer.open()
    if (reason === undefined && life.state.kind === 'loading') {
      life.state = { kind: 'ready', serving, explaining }
      const loadSeconds = (performance.now() - sinceMs) / 1000
      const { threading, rowsPerRun, because } = model.choice
      metrics.modelFacts = { digest: model.digest, threading, rowsPerRun, loadSeconds }
      metrics.queueDepth = () => serving.batcher.waiting
      metrics.explain = facts
      metrics.ready = () => life.unready === undefined
      const timings = Object.fromEntries(
        model.timings.map(({ rows, runMs }) => [rows, Number(runMs.toFixed(3))]),
      )
      const { digest, golden } = model
      log.info('model ready', {
        model: settings.model,
        version: settings.version,
        digest,
        threading,
        rowsPerRun,
        because,
        runMsByRows: timings,
        golden: golden.length,
        loadSeconds: Number(loadSeconds.toFixed(3)),
      })
      return undefined
    }
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error)
  }
  if (life.state.kind === 'failed') return life.state.reason
  reason ??= 'unknown'
  life.state = { kind: 'failed', reason }
  log.error('model not ready', { model: settings.model, version: settings.version, reason })
  return reason
}

/** Each way has a thread of its own, opened when it is first needed: what is waited for never stands behind what is not. */
function explainingOf({ manifest, digest, explainer }: Model, log: Log) {
  const nowMs = () => performance.now()
  const lasting = (mode?: ExplainMode) =>
    new LastingExplainer({ open: (onLost) => openThreadExplainer({ ...explainer, mode }, onLost), log })
  const own = lasting()
  const later = lasting('interventional')
  const explanations = new Explanations({ inputs: manifest.inputs, explainer: own, nowMs })
  const deferred = new DeferredExplanations({
    explainer: later,
    write: (explained, records) => writeExplanations(explained, records, manifest, digest),
    nowMs,
  })
  const facts = () => ({
    ...explanations.counts,
    additivityFailures: own.additivityFailures + later.additivityFailures,
    method: own.explanation?.method,
    deferred: { ...deferred.counts, waiting: deferred.waiting, keptBytes: deferred.kept.bytes },
  })
  return { explainer: own, explaining: { explanations, deferred }, facts }
}

function serve(
  { manifest, digest, reference, engine, encode, choice, timings }: Model,
  settings: Settings,
  life: Life,
  metrics: Metrics,
  log: Log,
  tracer: WorkerTracer | undefined,
): Serving {
  const batcher = new Batcher({
    run: (inputs: readonly EncodedTensor[]) => engine.run(inputs),
    encode,
    outputElements: manifest.outputs.map(elementsPerRow),
    rowsPerRun: choice.rowsPerRun,
    waitingMax: WAITING_MAX,
    isWatched: tracer !== undefined,
    nowMs: () => performance.now(),
    onRun(rows, seconds) {
      if (life.state.kind !== 'ready') return
      metrics.batchRows.observe(rows)
      metrics.inferenceSeconds.observe(seconds)
    },
    onAnswered: (run) => serving.distribution.add(run),
    onModelError: (error, job) => log.error('the model failed', { ...job?.reference, error: String(error) }),
  })
  const { bodyBytesMax, instancesMax } = settings
  const linkRowsMax = timings[0]!.runMs > SLOW_ROW_MS ? 1 : MAX_ROWS
  const jsonLimits = withRecords(settings.jsonLimits, instancesMax, manifest.inputs.length)
  const serving = compileServing({
    ...{ manifest, digest, batcher, metrics, log },
    ...(reference && { reference }),
    ...(tracer && { tracer }),
    ...{ bodyBytesMax, instancesMax, jsonLimits, linkRowsMax },
  })
  return serving
}

async function drain(life: Life, server: Server, tracer: WorkerTracer | undefined): Promise<void> {
  life.draining = true
  await closeServer(server)
  await tracer?.close()
}
