import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Child, children, freePort } from '../children.ts'
import { hostUse } from '../fleet/host-use.ts'
import { publishCopies } from '../fleet/models.ts'
import { type Load, load } from '../load/wrk.ts'
import type { Benchmark } from '../main.ts'
import { judged, numeral, type Report } from '../report.ts'
import { alternate, median, medianRatio } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { tool } from '../tools.ts'
import { type Bodies, drawBodies } from './bodies.ts'
import { startCoalmine } from './coalmine.ts'
import { MODEL, PATH, STABLE, startEchoUpstream } from './echo-upstream.ts'
import { processesOf } from './processes.ts'

/** What a request costs beside models, and beside rollouts, that it has nothing to do with. */
export const growth: Benchmark = {
  says: 'CPU of a request beside 1 to 1,000 models, and beside 0 to 1,000 active rollouts of others',
  run,
}

const MODEL_COUNTS = [1, 10, 100, 1_000]
const ROLLOUT_COUNTS = [0, 10, 100, 1_000]
const CONNECTIONS = 32
/** A thousand models are read and a thousand endpoints verified on one core. */
const PATIENCE_MS = 180_000
/** Several rounds of the health checks. */
const IDLE_MS = { full: 20_000, quick: 5_000 }
const GROWTH_MAX = 1.05

/** A gateway, or a data process alone, with so many models or rollouts beside the one that is loaded. */
interface Arm {
  count: number
  url: string
  server: Child
  /** Those that answer predictions. */
  pids: readonly number[]
}

/** What the processes of an idle gateway use, in shares of a core. */
interface IdleUse {
  control: number
  data: number
}

interface Series {
  arms: readonly Arm[]
  loads: ReadonlyMap<Arm, readonly Load[]>
}

async function run(quick: boolean): Promise<Report> {
  tool('wrk')
  const folder = scratchFolder()
  const bodies = await drawBodies(folder, 1, [])
  await mkdir(join(folder, 'upstream'))
  const upstream = await startEchoUpstream(join(folder, 'upstream'))
  const gateways = await startGateways(folder, upstream.ports[0])
  const models = await measured(gateways, bodies, quick)
  const idle = await idleUse(gateways, quick ? IDLE_MS.quick : IDLE_MS.full)
  for (const { server } of gateways) await server.stop()
  const planes = await startPlanes(upstream.ports)
  const rollouts = await measured(planes, bodies, quick)
  for (const { server } of [...planes, upstream]) await server.stop()
  return report(models, rollouts, idle)
}

/** Every model is served by the same upstream. */
async function startGateways(folder: string, upstreamPort: number): Promise<Arm[]> {
  const modelsFolder = join(folder, 'models')
  await mkdir(modelsFolder)
  const names = Array.from({ length: Math.max(...MODEL_COUNTS) - 1 }, (_, i) => `other-${i}`)
  publishCopies(modelsFolder, [MODEL, ...names])
  const settings = {
    initial: STABLE,
    runtime: { static: { [STABLE]: [`http://127.0.0.1:${upstreamPort}`] } },
  }
  const arms: Arm[] = []
  for (const count of MODEL_COUNTS) {
    const port = await freePort()
    const models = Object.fromEntries([MODEL, ...names.slice(0, count - 1)].map((name) => [name, settings]))
    const own = join(folder, `gateway-${count}`)
    const server = await startCoalmine({ folder: own, port, models, modelsFolder })
    for (const name of [MODEL, ...names.slice(0, count - 1)].toReversed())
      await server.ready(`http://127.0.0.1:${port}/v2/models/${name}/ready`, PATIENCE_MS)
    const pids = processesOf(server.pid, 'gateway/data/main.ts')
    arms.push({ count, url: `http://127.0.0.1:${port}${PATH}`, server, pids })
  }
  return arms
}

/** A data process that is told by hand what it would be told of so many rollouts; their models get no requests. */
async function startPlanes(upstreamPorts: readonly [number, number]): Promise<Arm[]> {
  const script = fileURLToPath(new URL('../peers/data-plane.ts', import.meta.url))
  const origins = upstreamPorts.map((port) => `http://127.0.0.1:${port}`)
  const arms: Arm[] = []
  for (const count of ROLLOUT_COUNTS) {
    const port = await freePort()
    const command = [process.execPath, script, `${port}`, ...origins, 'split', `${count}`]
    const server = children.spawn(`${count} rollouts`, command, 'server')
    await server.ready(`http://127.0.0.1:${port}/v2/health/ready`)
    arms.push({ count, url: `http://127.0.0.1:${port}${PATH}`, server, pids: [server.pid] })
  }
  return arms
}

async function measured(arms: readonly Arm[], bodies: Bodies, quick: boolean): Promise<Series> {
  const [rounds, durationS] = quick ? [3, 1] : [9, 2]
  console.log(`${CONNECTIONS} in flight: ${rounds} rounds of ${durationS} s for each of ${arms.length}`)
  const once = ({ url, pids }: Arm, seconds: number) =>
    load({
      url,
      bodiesFile: bodies.fileFor({ name: '' }),
      connections: CONNECTIONS,
      durationS: seconds,
      serverPids: pids,
    })
  for (const arm of arms) await once(arm, quick ? 2 : 4)
  return { arms, loads: await alternate(arms, rounds, (arm) => once(arm, durationS)) }
}

/** What it costs to have a gateway that nobody asks: health checks above all. */
async function idleUse(gateways: readonly Arm[], durationMs: number): Promise<Map<Arm, IdleUse>> {
  const spent = (pids: readonly number[]) => hostUse(pids).cpuSeconds
  const both = gateways.map((arm) => ({
    arm,
    control: processesOf(arm.server.pid, 'gateway/control/main.ts'),
  }))
  const before = both.map(({ arm, control }) => ({ control: spent(control), data: spent(arm.pids) }))
  await delay(durationMs)
  const share = (seconds: number) => (seconds * 1000) / durationMs
  return new Map(
    both.map(({ arm, control }, i) => [
      arm,
      {
        control: share(spent(control) - before[i]!.control),
        data: share(spent(arm.pids) - before[i]!.data),
      },
    ]),
  )
}

function report(models: Series, rollouts: Series, idle: ReadonlyMap<Arm, IdleUse>): Report {
  const cpu = ({ loads }: Series, arm: Arm) => loads.get(arm)!.map(({ cpuUsPerRequest }) => cpuUsPerRequest)
  const grown = (series: Series) =>
    medianRatio(cpu(series, series.arms.at(-1)!), cpu(series, series.arms[0]!))
  const line = (what: string, series: Series) => (arm: Arm) => {
    const all = cpu(series, arm)
    const use = idle.get(arm)
    return [
      what,
      numeral(arm.count),
      numeral(median(all)),
      `${numeral(Math.min(...all))} - ${numeral(Math.max(...all))}`,
      numeral(median(series.loads.get(arm)!.map(({ requestsPerS }) => requestsPerS))),
      use ? (use.data * 100).toFixed(1) : '',
      use ? (use.control * 100).toFixed(1) : '',
    ]
  }
  return {
    table: [
      [
        '',
        'beside',
        'CPU us a request',
        'lowest - highest',
        'requests/s',
        'idle: data, % of a core',
        'idle: control',
      ],
      ...models.arms.map(line('models', models)),
      ...rollouts.arms.map(line('active rollouts', rollouts)),
    ],
    notes: [
      `${CONNECTIONS} in flight on one model, echo upstream; all arms of a series run at once on core 0 and are loaded in turn`,
      'CPU is that of the process that answers; what the others cost, health checks of every endpoint above all, is in the idle columns',
      'models: whole gateways; rollouts: one data process each, told what a supervisor would tell it; their models get no requests',
    ],
    rows: [
      judged('CPU of a request: 1,000 models / 1', grown(models), '<', GROWTH_MAX),
      judged('CPU of a request: 1,000 active rollouts of other models / 0', grown(rollouts), '<', GROWTH_MAX),
    ],
    information: [],
  }
}
