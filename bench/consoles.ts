import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openLoop } from '../test/demo/open-loop.ts'
import { freePort } from './children.ts'
import { startAudience } from './consoles/audience.ts'
import { pageDelays } from './consoles/page-delay.ts'
import { CONSOLES, checkTold, SCRAPES_PER_S } from './consoles/watchers.ts'
import { hostUse } from './fleet/host-use.ts'
import { drawBodies } from './gateway/bodies.ts'
import { startCoalmine } from './gateway/coalmine.ts'
import { MODEL, PATH, STABLE } from './gateway/echo-upstream.ts'
import { processesOf } from './gateway/processes.ts'
import { isPinned, moveTo } from './machine.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral, type Report } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'

/** What those who watch cost those who are served, and how soon they see what changed. */
export const consoles: Benchmark = {
  says: 'what 50 open consoles and 10 scrapes a second cost predictions, and how soon a change is on a page',
  run,
}

const REQUESTS_PER_S = 300
const COST_MAX = 1.02
const ON_THE_PAGE_MS = 1_000
/** The load beside the changes is ended with them. */
const PAGE_MAX_MS = 3_600_000
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
type Looks = 'nobody' | 'watched'

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
  })
  await gateway.ready(`http://127.0.0.1:${port}/readyz`)
  await startRollout(adminPort)
  const pids = {
    data: processesOf(gateway.pid, 'gateway/data/main.ts'),
    control: processesOf(gateway.pid, 'gateway/control/main.ts'),
  }
  const [rounds, durationMs] = quick ? [3, 5_000] : [9, 10_000]
  const audience = (what: Looks) =>
    what === 'watched' ? startAudience({ adminPort, metricsPort }, MODEL) : undefined
  const once = async (what: Looks, round: number): Promise<Measured> => {
    const watching = audience(what)
    // They come before the measurement, as a morning's consoles do.
    await delay(2_000)
    const before = { data: hostUse(pids.data).cpuSeconds, control: hostUse(pids.control).cpuSeconds }
    const measured = await load(port, lines, durationMs, `${seed} ${round}`)
    const used = {
      data: hostUse(pids.data).cpuSeconds - before.data,
      control: hostUse(pids.control).cpuSeconds - before.control,
    }
    const seen = await watching?.stop()
    if (seen) checkTold(seen, durationMs / 1000)
    return {
      dataUs: (used.data * 1e6) / measured.answered,
      controlShare: (used.control * 1000) / durationMs,
      p50: measured.p50,
      p99: measured.p99,
    }
  }
  console.log(`${rounds} rounds of ${durationMs / 1000} s with and without`)
  // Where the gateway runs nobody else works: clients and consoles are on other machines.
  moveTo('load')
  await once('nobody', -1)
  const measured = await alternate<Looks, Measured>(['nobody', 'watched'], rounds, once)
  moveTo('anywhere')
  const changes = quick ? 20 : 60
  console.log(`${changes} changes on the page of a browser, twice`)
  const delays = new Map<Looks, number[]>()
  for (const what of ['nobody', 'watched'] as const) {
    const over = new AbortController()
    const watching = audience(what)
    const loading = requests(port, lines, PAGE_MAX_MS, `${seed} page ${what}`, over.signal)
    delays.set(what, await pageDelays(adminPort, MODEL, changes))
    over.abort()
    await Promise.all([watching?.stop(), loading])
  }
  return report(measured, delays)
}

async function startRollout(adminPort: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/api/v1/models/${MODEL}/rollout`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ canary: '1.1.0', policy: 'slow', force: true, reason: 'a benchmark' }),
  })
  if (response.status !== 201) throw new NoVerdict(`no rollout was started: ${await response.text()}`)
  // Until the workers of its arms are up they have the cores.
  for (let kind = ''; kind !== 'stepping'; ) {
    await delay(200)
    const traffic = await fetch(`http://127.0.0.1:${adminPort}/api/v1/models/${MODEL}/rollout`)
    kind = ((await traffic.json()) as { rollout: { phase: { kind: string } } }).rollout.phase.kind
  }
}

async function load(port: number, lines: readonly string[], durationMs: number, seed: string) {
  const { byStatus, due, answered, latencyMs } = await requests(port, lines, durationMs, seed)
  if (byStatus['200'] !== due)
    throw new NoVerdict(`not every request was answered with 200: ${JSON.stringify(byStatus)}`)
  return { answered, p50: latencyMs!.p50, p99: latencyMs!.p99 }
}

function requests(
  port: number,
  lines: readonly string[],
  durationMs: number,
  seed: string,
  signal = new AbortController().signal,
) {
  let next = 0
  return openLoop({
    url: `http://127.0.0.1:${port}${PATH}`,
    requestsPerS: REQUESTS_PER_S,
    durationMs,
    arrivals: 'poisson',
    seed,
    inFlightMax: 1_000,
    timeoutMs: 10_000,
    next: () => ({ body: lines[next++ % lines.length]! }),
    signal,
  })
}

function report(
  measured: ReadonlyMap<Looks, readonly Measured[]>,
  delays: ReadonlyMap<Looks, readonly number[]>,
): Report {
  const of = (what: Looks, figure: keyof Measured) => measured.get(what)!.map((one) => one[figure])
  const row = (what: Looks, name: string) => [
    name,
    numeral(median(of(what, 'dataUs'))),
    numeral(median(of(what, 'p50'))),
    numeral(median(of(what, 'p99'))),
    (median(of(what, 'controlShare')) * 100).toFixed(1),
    numeral(median(delays.get(what)!)),
    numeral(Math.max(...delays.get(what)!)),
  ]
  return {
    table: [
      [
        '',
        'data process, CPU us a request',
        'p50 ms',
        'p99 ms',
        'control, % of a core',
        'on the page: median ms',
        'worst ms',
      ],
      row('nobody', 'nobody watches'),
      row('watched', `${CONSOLES} consoles, ${SCRAPES_PER_S} scrapes a second`),
    ],
    notes: [
      `${REQUESTS_PER_S} requests a second, open loop, a rollout that is evaluated each second; rounds in turn, medians`,
      `each console reads three resources at every event, a fourth at every decision; ${
        isPinned()
          ? 'the gateway and its workers on core 0, consoles and clients on core 1'
          : 'not pinned: one core or no taskset'
      }`,
      `on the page: from the decision about a change, before its commit, until the DOM of a real browser has it, ${delays.get('nobody')!.length} changes each`,
    ],
    rows: [
      judged(
        'CPU of a request in the data process: watched / not',
        medianRatio(of('watched', 'dataUs'), of('nobody', 'dataUs')),
        '<',
        COST_MAX,
      ),
      judged('a change on the page: the worst, ms', Math.max(...delays.get('nobody')!), '<', ON_THE_PAGE_MS),
      judged(
        `the same with ${CONSOLES} consoles more, ms`,
        Math.max(...delays.get('watched')!),
        '<',
        ON_THE_PAGE_MS,
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
