import { setTimeout as delay } from 'node:timers/promises'
import { openLoop } from '../test/demo/open-loop.ts'
import type { Summary } from '../test/demo/tally.ts'
import { type Child, freePort } from './children.ts'
import { drawBodies } from './gateway/bodies.ts'
import { startCoalmine } from './gateway/coalmine.ts'
import { MODEL, PATH, STABLE } from './gateway/echo-upstream.ts'
import { processesOf } from './gateway/processes.ts'
import type { Benchmark } from './main.ts'
import { judged, numeral, type Report } from './report.ts'
import { scratchFolder } from './scratch.ts'

/** What clients see of failures and restarts, at 200 requests a second, two workers and two data processes. */
export const failures: Benchmark = {
  says: 'what clients see of a killed or stopped worker, a drain, a rolling restart, at 200 requests a second',
  run,
}

const REQUESTS_PER_S = 200
const BEFORE_MS = 3_000
/** The default of `firstAttempt`, and what a second attempt may take. */
const FIRST_ATTEMPT_MS = 5_000
const SECOND_ATTEMPT_MS = 100
const WORKER = 'worker/main.ts'
const DATA = 'gateway/data/main.ts'

interface Trial {
  name: string
  /** @param group of the gateway's processes */
  harm(gateway: Child): Promise<void> | void
  afterMs: number
}

const TRIALS: Trial[] = [
  { name: 'nothing', harm() {}, afterMs: 5_000 },
  {
    name: 'kill -9 of one of two workers',
    harm: ({ pid }) => void process.kill(processesOf(pid, WORKER)[0]!, 'SIGKILL'),
    afterMs: 12_000,
  },
  {
    name: 'SIGSTOP of one of two workers, for 15 s',
    async harm({ pid }) {
      const [stopped] = processesOf(pid, WORKER)
      process.kill(stopped!, 'SIGSTOP')
      await delay(15_000)
      process.kill(stopped!, 'SIGCONT')
    },
    afterMs: 5_000,
  },
  {
    name: 'kill -9 of one of two data processes',
    harm: ({ pid }) => void process.kill(processesOf(pid, DATA)[0]!, 'SIGKILL'),
    afterMs: 5_000,
  },
  { name: 'rolling restart (SIGHUP)', harm: ({ pid }) => void process.kill(pid, 'SIGHUP'), afterMs: 12_000 },
]

async function run(quick: boolean, seed = 'failures'): Promise<Report> {
  const folder = scratchFolder()
  const { lines } = await drawBodies(folder, 1, [])
  const port = await freePort()
  const gateway = await startCoalmine({
    folder,
    port,
    models: { [MODEL]: { initial: STABLE, runtime: 'process', replicas: 2 } },
    processes: 2,
    place: 'anywhere',
  })
  const ready = `http://127.0.0.1:${port}/readyz`
  await gateway.ready(ready)
  const seen = new Map<Trial, Summary>()
  for (const trial of quick ? TRIALS.filter(({ name }) => !name.includes('15 s')) : TRIALS) {
    console.log(trial.name)
    seen.set(trial, await underLoad(port, lines, seed, () => trial.harm(gateway), trial.afterMs))
    await gateway.ready(ready)
  }
  console.log('drain (SIGTERM)')
  const drained = await underLoad(port, lines, seed, () => drain(gateway), 0)
  return report(seen, drained)
}

/** Ends the gateway as an orchestrator does, and the load with it: what comes after is nobody's to answer. */
async function drain(gateway: Child): Promise<void> {
  process.kill(gateway.pid, 'SIGTERM')
  while (gateway.alive()) await delay(10)
}

async function underLoad(
  port: number,
  lines: readonly string[],
  seed: string,
  harm: () => Promise<void> | void,
  afterMs: number,
): Promise<Summary> {
  const over = new AbortController()
  let next = 0
  const load = openLoop({
    url: `http://127.0.0.1:${port}${PATH}`,
    requestsPerS: REQUESTS_PER_S,
    durationMs: 3_600_000,
    arrivals: 'poisson',
    seed,
    inFlightMax: 10_000,
    timeoutMs: 20_000,
    next: () => ({ body: lines[next++ % lines.length]! }),
    signal: over.signal,
  })
  await delay(BEFORE_MS)
  await harm()
  await delay(afterMs)
  over.abort()
  return load
}

/** Neither refused for the port being closed (the drain is over) nor good. */
function failedOf({ byStatus, failed }: Summary): number {
  const { 200: _, ...others } = byStatus
  const { ECONNREFUSED: __, ...broken } = failed
  return [...Object.values(others), ...Object.values(broken)].reduce((sum, count) => sum + count, 0)
}

function report(seen: ReadonlyMap<Trial, Summary>, drained: Summary): Report {
  const goodPercent = (summary: Summary) => (100 * (summary.byStatus['200'] ?? 0)) / summary.due
  const of = (name: string) => [...seen].find(([trial]) => trial.name.startsWith(name))?.[1]
  const row = (name: string, summary: Summary) => [
    name,
    numeral(summary.due),
    numeral(failedOf(summary)),
    numeral(summary.latencyMs?.p50 ?? Number.NaN),
    numeral(summary.latencyMs?.p99 ?? Number.NaN),
    numeral(summary.latencyMs?.max ?? Number.NaN),
  ]
  const stopped = of('SIGSTOP')
  return {
    table: [
      ['', 'requests', 'failed', 'p50 ms', 'p99 ms', 'longest ms'],
      ...[...seen].map(([{ name }, summary]) => row(name, summary)),
      row('drain (SIGTERM)', drained),
    ],
    notes: [
      `open loop, ${REQUESTS_PER_S} requests a second, measured from when each was due; two workers, two data processes`,
      'requests that come after the drain are not counted as failed: nobody listens any more',
    ],
    rows: [
      judged(
        'kill -9 of one of two workers: good, %',
        goodPercent(of('kill -9 of one of two workers')!),
        '>=',
        99.9,
      ),
      ...(stopped === undefined
        ? []
        : [
            judged('SIGSTOP of one of two workers: good, %', goodPercent(stopped), '>=', 99.9),
            judged(
              'SIGSTOP of one of two workers: p99, ms',
              stopped.latencyMs!.p99,
              '<=',
              FIRST_ATTEMPT_MS + SECOND_ATTEMPT_MS,
            ),
          ]),
      judged('rolling restart: failed', failedOf(of('rolling')!), '<=', 0),
      judged('drain: failed', failedOf(drained), '<=', 0),
    ],
    information: [],
  }
}
