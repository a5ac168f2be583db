import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEvidence } from '@coalmine/core/evidence/evidence-bytes.ts'
import { WIDEST_POLICY } from '@coalmine/core/evidence/testing/traffic.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Benchmark } from './main.ts'
import { judged, numeral } from './report.ts'
import { scratchFolder } from './scratch.ts'
import { type ControlHost, controlHost, examplePolicy, REQUESTS_A_SECOND } from './ticks/control-host.ts'

/** What many rollouts cost the control process: everything between a delta's arrival and the commit, on a real file. */
export const ticks: Benchmark = {
  says: 'a turn of the control process that decides on a hundred rollouts, and what it writes',
  run,
}

const MODELS = 100
/** Until the baseline's latency has been learned, and code is compiled. */
const WARM_UP_S = 80
/** How long a rollout starts after the one before, so that about ten of them are due in a tenth of a second. */
const SPREAD_MS = 10

/** As often as the control process looks which rollouts are due. */
const TURNS_A_SECOND = 10
/** A turn that finds nothing due takes less, and is none. */
const IDLE_MS = 0.2

interface Course {
  name: string
  policy: Policy
  seconds: number
  spreadMs: number
}

interface Measured {
  turnsMs: number[]
  /** All turns of a second together. */
  secondsMs: number[]
  /** How long an event waited that came as a turn began. */
  waitsMs: number[]
  acceptMs: number[]
  /** Of turns, a second. */
  cpuMs: number
  /** A second. */
  writtenBytes: number
  evidenceBytes: number
  /** Growth of the file and its log within the second half. */
  grownBytes: number
  sizeBytes: number
  running: number
  warmUpMaxMs: number
}

async function run(quick: boolean) {
  const folder = scratchFolder()
  const policy = await examplePolicy()
  const { guardrails, signals } = WIDEST_POLICY
  const wide = { ...policy, name: 'wide', hash: 'sha256:wide', guardrails, signals }
  const [long, short] = quick ? [120, 100] : [600, 200]
  const courses: Course[] = [
    { name: 'all begun at once, as after a restart', policy, seconds: long, spreadMs: 0 },
    { name: 'begun one after the other', policy, seconds: short, spreadMs: SPREAD_MS },
    { name: 'every metric, all begun at once', policy: wide, seconds: short, spreadMs: 0 },
  ]
  const measured: Measured[] = []
  for (const [i, course] of courses.entries()) measured.push(await measure(join(folder, `${i}.db`), course))
  const [together] = measured as [Measured, ...Measured[]]
  const cells = (m: Measured) => [
    quantile(m.turnsMs, 0.5),
    quantile(m.turnsMs, 0.99),
    quantile(m.secondsMs, 0.5),
    quantile(m.waitsMs, 0.99),
    m.cpuMs,
    quantile(m.acceptMs, 0.5),
    m.writtenBytes / 1024,
    m.evidenceBytes / 1024,
    m.sizeBytes / 2 ** 20,
  ]
  return {
    table: [
      [
        `${MODELS} rollouts at ${REQUESTS_A_SECOND} requests/s`,
        ...[
          'turn p50 ms',
          'p99',
          'all turns ms/s',
          'wait p99',
          'CPU ms/s',
          'deltas ms/s',
          'kB written/s',
          'kB each',
          'MB on disk',
        ],
      ],
      ...measured.map((m, i) => [courses[i]!.name, ...cells(m).map(numeral)]),
    ],
    notes: [
      'turn: one that had work; at most 25 rollouts have theirs at once, and all of them have one a second',
      'wait: of an event that comes as a turn begins, such as a request to the admin API',
      'deltas: what the data processes send is unpacked and merged, before a turn',
      'CPU: processor time of the turns alone; what other programs take away is in the times, not in it',
    ],
    rows: [
      judged(`turn with ${MODELS} active rollouts, median ms`, quantile(together.turnsMs, 0.5), '<', 20),
      judged(`turn with ${MODELS} active rollouts, p99 ms`, quantile(together.turnsMs, 0.99), '<', 20),
      judged('growth of the file in the second half, MB', together.grownBytes / 2 ** 20, '<=', 1),
      judged('rollouts that ended', MODELS - together.running, '<=', 1),
    ],
    information: [
      {
        name: `all turns of a second, ${MODELS} rollouts evaluated and committed`,
        figure: quantile(together.secondsMs, 0.5),
        unit: 'ms',
      },
      { name: 'longest turn while rollouts began and learned', figure: together.warmUpMaxMs, unit: 'ms' },
    ],
  }
}

async function measure(path: string, { policy, seconds, spreadMs }: Course): Promise<Measured> {
  const host = await controlHost(path, policy, { models: MODELS, spreadMs })
  try {
    const warmUp = await course(host, WARM_UP_S)
    const writtenBefore = bytesWritten()
    const first = await course(host, seconds / 2)
    const halfBytes = sizeOf(path)
    const second = await course(host, seconds / 2)
    const both = (of: (part: Part) => number[]) => [...of(first), ...of(second)]
    const sizeBytes = sizeOf(path)
    const running = host.deployments.all().flatMap(({ rollout }) => rollout ?? [])
    return {
      turnsMs: both((part) => part.turnsMs),
      secondsMs: both((part) => part.secondsMs),
      waitsMs: both((part) => part.waitsMs),
      acceptMs: both((part) => part.acceptMs),
      cpuMs: (first.cpuMs + second.cpuMs) / seconds,
      writtenBytes: (bytesWritten() - writtenBefore) / seconds,
      evidenceBytes: running[0] === undefined ? Number.NaN : encodeEvidence(running[0].evidence).length,
      grownBytes: sizeBytes - halfBytes,
      sizeBytes,
      running: running.length,
      warmUpMaxMs: Math.max(...warmUp.turnsMs),
    }
  } finally {
    await host.store.close()
  }
}

interface Part {
  turnsMs: number[]
  secondsMs: number[]
  waitsMs: number[]
  acceptMs: number[]
  cpuMs: number
}

async function course(host: ControlHost, seconds: number): Promise<Part> {
  const part: Part = { turnsMs: [], secondsMs: [], waitsMs: [], acceptMs: [], cpuMs: 0 }
  for (let second = 0; second < seconds; second++) {
    part.acceptMs.push(host.record())
    const beginMs = host.nowMs
    let allMs = 0
    for (let turn = 0; turn < TURNS_A_SECOND; turn++) {
      host.nowMs = beginMs + (1000 * turn) / TURNS_A_SECOND
      const cpuBefore = process.threadCpuUsage()
      const beganMs = performance.now()
      const heard = new Promise<number>((resolve) => setImmediate(() => resolve(performance.now())))
      await host.controller.tick()
      const tookMs = performance.now() - beganMs
      const { user, system } = process.threadCpuUsage(cpuBefore)
      part.cpuMs += (user + system) / 1000
      const waitedMs = (await heard) - beganMs
      allMs += tookMs
      if (tookMs < IDLE_MS) continue
      part.turnsMs.push(tookMs)
      part.waitsMs.push(waitedMs)
    }
    part.secondsMs.push(allMs)
    host.nowMs = beginMs
  }
  return part
}

function sizeOf(path: string): number {
  return [path, `${path}-wal`].reduce(
    (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

/** What this process has written to files so far; NaN where there is no /proc. */
function bytesWritten(): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])
  } catch {
    return Number.NaN
  }
}

function quantile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(p * (values.length - 1))]!
}
