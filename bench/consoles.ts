import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openLoop } from '../test/demo/open-loop.ts'
import { freePort } from './children.ts'
import { hostUse } from './fleet/host-use.ts'
import { drawBodies } from './gateway/bodies.ts'
import { startCoalmine } from './gateway/coalmine.ts'
import { MODEL, PATH, STABLE } from './gateway/echo-upstream.ts'
import { processesOf } from './gateway/processes.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral, type Report } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'

/** What those who watch cost those who are served. */
export const consoles: Benchmark = {
  says: 'what 50 open consoles and 10 scrapes a second cost predictions, while a rollout runs',
  run,
}

const CONSOLES = 50
const SCRAPES_PER_S = 10
const REQUESTS_PER_S = 300
const COST_MAX = 1.02
const POLICY = `
steps: [{ setWeight: 20, minDuration: 720h, proof: 0.9 }]
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails: [{ metric: error_rate, tolerate: 20pp, margin: 30pp }]
progressDeadline: 2000h
`

interface Measured {
  dataUs: number
  controlShare: number
  p50: number
  p99: number
}
type Watched = 'nobody' | 'watched'

async function run(quick: boolean, seed = 'consoles'): Promise<Report> {
  const folder = scratchFolder()
  const { lines } = await drawBodies(folder, 1, [])
  const [port, adminPort, metricsPort] = [await freePort(), await freePort(), await freePort()]
  await mkdir(join(folder, 'config/policies'), { recursive: true })
  await writeFile(join(folder, 'config/policies/slow.yaml'), POLICY)
  const gateway = await startCoalmine({
    folder,
    port,
    adminPort,
    metricsPort,
    models: { [MODEL]: { initial: STABLE, policy: 'none', runtime: 'process' } },
    place: 'anywhere',
  })
  await gateway.ready(`http://127.0.0.1:${port}/readyz`)
  await startRollout(adminPort)
  const pids = {
    data: processesOf(gateway.pid, 'gateway/data/main.ts'),
    control: processesOf(gateway.pid, 'gateway/control/main.ts'),
  }
  const [rounds, durationMs] = quick ? [3, 5_000] : [9, 10_000]
  const once = async (what: Watched, round: number): Promise<Measured> => {
    const over = new AbortController()
    const watching = what === 'watched' ? watch(adminPort, metricsPort, over.signal) : Promise.resolve()
    // They come before the measurement, as a morning's consoles do.
    await delay(1_000)
    const before = { data: hostUse(pids.data).cpuSeconds, control: hostUse(pids.control).cpuSeconds }
    const measured = await load(port, lines, durationMs, `${seed} ${round}`)
    const used = {
      data: hostUse(pids.data).cpuSeconds - before.data,
      control: hostUse(pids.control).cpuSeconds - before.control,
    }
    over.abort()
    await watching
    return {
      dataUs: (used.data * 1e6) / measured.answered,
      controlShare: (used.control * 1000) / durationMs,
      p50: measured.p50,
      p99: measured.p99,
    }
  }
  console.log(`${rounds} rounds of ${durationMs / 1000} s with and without`)
  await once('nobody', -1)
  return report(await alternate<Watched, Measured>(['nobody', 'watched'], rounds, once))
}

async function startRollout(adminPort: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/api/v1/models/${MODEL}/rollout`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ canary: '1.1.0', policy: 'slow', force: true, reason: 'a benchmark' }),
  })
  if (response.status !== 201) throw new NoVerdict(`no rollout was started: ${await response.text()}`)
}

async function load(port: number, lines: readonly string[], durationMs: number, seed: string) {
  let next = 0
  const { byStatus, due, answered, latencyMs } = await openLoop({
    url: `http://127.0.0.1:${port}${PATH}`,
    requestsPerS: REQUESTS_PER_S,
    durationMs,
    arrivals: 'poisson',
    seed,
    inFlightMax: 1_000,
    timeoutMs: 10_000,
    next: () => ({ body: lines[next++ % lines.length]! }),
  })
  if (byStatus['200'] !== due)
    throw new NoVerdict(`not every request was answered with 200: ${JSON.stringify(byStatus)}`)
  return { answered, p50: latencyMs!.p50, p99: latencyMs!.p99 }
}

/** Consoles at a model's page, which read anew at each event, and a scraper. */
async function watch(adminPort: number, metricsPort: number, signal: AbortSignal): Promise<void> {
  const api = `http://127.0.0.1:${adminPort}/api/v1`
  const read = (url: string) => fetch(url, { signal }).then((response) => response.arrayBuffer())
  const pages = [
    `/models`,
    `/models/${MODEL}/rollout`,
    `/models/${MODEL}/rollout/charts`,
    `/models/${MODEL}/decisions?limit=8`,
  ]
  const open = async () => {
    const response = await fetch(`${api}/events`, { signal })
    for await (const _ of response.body!) await Promise.all(pages.map((page) => read(api + page)))
  }
  const scrape = async () => {
    for (;;) {
      await Promise.all([
        read(`http://127.0.0.1:${metricsPort}/metrics`),
        delay(1000 / SCRAPES_PER_S, undefined, { signal }),
      ])
    }
  }
  const ended = (error: Error) => {
    if (!signal.aborted) throw error
  }
  await Promise.all([...Array.from({ length: CONSOLES }, () => open().catch(ended)), scrape().catch(ended)])
}

function report(measured: ReadonlyMap<Watched, readonly Measured[]>): Report {
  const of = (what: Watched, figure: keyof Measured) => measured.get(what)!.map((one) => one[figure])
  const row = (what: Watched, name: string) => [
    name,
    numeral(median(of(what, 'dataUs'))),
    numeral(median(of(what, 'p50'))),
    numeral(median(of(what, 'p99'))),
    (median(of(what, 'controlShare')) * 100).toFixed(1),
  ]
  return {
    table: [
      ['', 'data process, CPU us a request', 'p50 ms', 'p99 ms', 'control, % of a core'],
      row('nobody', 'nobody watches'),
      row('watched', `${CONSOLES} consoles, ${SCRAPES_PER_S} scrapes a second`),
    ],
    notes: [
      `${REQUESTS_PER_S} requests a second, open loop, a rollout that is evaluated each second; rounds in turn, medians`,
      'each console reads four resources at every event; load, gateway, worker and consoles share the cores',
    ],
    rows: [
      judged(
        'CPU of a request in the data process: watched / not',
        medianRatio(of('watched', 'dataUs'), of('nobody', 'dataUs')),
        '<',
        COST_MAX,
      ),
    ],
    information: [
      {
        name: 'p50, watched / not',
        figure: medianRatio(of('watched', 'p50'), of('nobody', 'p50')),
        unit: 'times',
      },
    ],
  }
}
