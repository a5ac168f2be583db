import { Histogram, histogramSamples, type Labels, type Sample } from '@coalmine/contract/histogram.ts'
import { collectDefaultMetrics, Registry } from 'prom-client'

const ROUTES = ['v1_predict', 'v2_infer', 'v1_explain'] as const
export type Route = (typeof ROUTES)[number]

/** How a request ended: answered, refused for its content, failed in the model, too late, shed, client gone. */
export const OUTCOMES = ['ok', 'rejected', 'model_error', 'expired', 'overloaded', 'abandoned'] as const
export type Outcome = (typeof OUTCOMES)[number]

const DURATION_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const
const BATCH_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096] as const

/** What /metrics says about the loaded model. */
export type ModelFacts = { digest: string; threading: string; rowsPerRun: number; loadSeconds: number }

/** What /metrics says about explanations: counts of records, and how they are made once that is known. */
export type ExplainFacts = {
  cacheHits: number
  cacheMisses: number
  additivityFailures: number
  method: string | undefined
  /** Of those that are fetched later. */
  deferred: { answered: number; failed: number; refused: number; waiting: number; keptBytes: number }
}

/**
 * The worker's figures. Requests only add to numbers; the text is made when /metrics is read.
 * Labels are fixed by the program, so no request can create a series.
 */
export class Metrics {
  readonly batchRows = new Histogram(BATCH_ROWS)
  readonly linkRows = new Histogram(BATCH_ROWS)
  readonly inferenceSeconds = new Histogram(DURATION_SECONDS)
  queueDepth: () => number = () => 0
  ready: () => boolean = () => false
  modelFacts: ModelFacts | undefined
  explain: (() => ExplainFacts) | undefined
  spans: Readonly<Record<'exported' | 'failed' | 'dropped', number>> | undefined
  readonly #durations: Record<Route, Record<Outcome, Histogram>> = {
    v1_predict: perOutcome(),
    v2_infer: perOutcome(),
    v1_explain: perOutcome(),
  }
  #registry = new Registry()

  constructor(model: string, version: string) {
    const labels = { model, version }
    collectDefaultMetrics({ register: this.#registry })
    this.#add(
      'coalmine_worker_request_duration_seconds',
      'Time from the request to its answer, seconds.',
      'histogram',
      (name) =>
        ROUTES.flatMap((route) =>
          OUTCOMES.flatMap((outcome) =>
            samples(name, this.#durations[route][outcome], { ...labels, route, outcome }),
          ),
        ),
    )
    this.#add('coalmine_worker_batch_rows', 'Rows in one run of the model.', 'histogram', (name) =>
      samples(name, this.batchRows, labels),
    )
    this.#add('coalmine_worker_link_rows', 'Requests in one call of the link.', 'histogram', (name) =>
      samples(name, this.linkRows, labels),
    )
    this.#add(
      'coalmine_worker_inference_seconds',
      'Time of one run of the model, seconds.',
      'histogram',
      (name) => samples(name, this.inferenceSeconds, labels),
    )
    this.#add('coalmine_worker_queue_depth', 'Requests that wait for a run.', 'gauge', () => [
      { value: this.queueDepth(), labels },
    ])
    this.#add('coalmine_worker_ready', '1 when the worker takes traffic.', 'gauge', () => [
      { value: this.ready() ? 1 : 0, labels },
    ])
    this.#add(
      'coalmine_worker_trace_spans_total',
      'Spans on their way to the collector, by what became of them.',
      'counter',
      () =>
        Object.entries(this.spans ?? {}).map(([result, value]) => ({ value, labels: { ...labels, result } })),
    )
    this.#add('coalmine_worker_model_info', 'The loaded model; always 1.', 'gauge', () => {
      if (this.modelFacts === undefined) return []
      const { digest, threading, rowsPerRun } = this.modelFacts
      return [{ value: 1, labels: { ...labels, digest, threading, rows_per_run: rowsPerRun } }]
    })
    this.#add(
      'coalmine_worker_explain_cache_total',
      'Records asked to explain, by whether the answer was kept.',
      'counter',
      () => {
        const facts = this.explain?.()
        if (facts === undefined) return []
        const of = (result: string, value: number) => ({ value, labels: { ...labels, result } })
        return [of('hit', facts.cacheHits), of('miss', facts.cacheMisses)]
      },
    )
    this.#add(
      'coalmine_worker_explain_additivity_failures_total',
      'Explanations withheld because their parts do not add up to what the model answers.',
      'counter',
      () => (this.explain === undefined ? [] : [{ value: this.explain().additivityFailures, labels }]),
    )
    this.#add(
      'coalmine_worker_explain_deferred_total',
      'Requests to explain that are answered later, by what became of them.',
      'counter',
      () => {
        const facts = this.explain?.().deferred
        if (facts === undefined) return []
        const of = (result: 'answered' | 'failed' | 'refused') => ({
          value: facts[result],
          labels: { ...labels, result },
        })
        return [of('answered'), of('failed'), of('refused')]
      },
    )
    this.#add(
      'coalmine_worker_explain_deferred_waiting',
      'Requests to explain that wait to be answered later, beside the one under way.',
      'gauge',
      () => (this.explain === undefined ? [] : [{ value: this.explain().deferred.waiting, labels }]),
    )
    this.#add(
      'coalmine_worker_explain_kept_bytes',
      'Explanations that are kept to be fetched, bytes.',
      'gauge',
      () => (this.explain === undefined ? [] : [{ value: this.explain().deferred.keptBytes, labels }]),
    )
    this.#add('coalmine_worker_explain_info', 'How the version is explained; always 1.', 'gauge', () => {
      const method = this.explain?.().method
      return method === undefined ? [] : [{ value: 1, labels: { ...labels, method } }]
    })
    this.#add('coalmine_worker_model_load_seconds', 'Time to load, check and warm the model.', 'gauge', () =>
      this.modelFacts === undefined ? [] : [{ value: this.modelFacts.loadSeconds, labels }],
    )
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  observe(route: Route, outcome: Outcome, seconds: number) {
    this.#durations[route][outcome].observe(seconds)
  }

  #add(
    name: string,
    help: string,
    type: 'histogram' | 'gauge' | 'counter',
    samplesOf: (name: string) => Sample[],
  ) {
    // prom-client asks a metric only for its name and `get`, so ours needs no copy of the numbers in between.
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({ name, help, type, aggregator: 'sum', values: samplesOf(name) }),
      reset: () => {},
    }
    this.#registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
  }
}

function perOutcome(): Record<Outcome, Histogram> {
  const histograms = OUTCOMES.map((outcome) => [outcome, new Histogram(DURATION_SECONDS)])
  return Object.fromEntries(histograms) as Record<Outcome, Histogram>
}

/** Most routes never see most outcomes: a histogram without observations has no series. */
function samples(name: string, histogram: Histogram, labels: Labels): Sample[] {
  return histogram.counts.some((count) => count > 0) ? histogramSamples(name, histogram, labels) : []
}
