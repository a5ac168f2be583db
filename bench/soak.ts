import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { openLoop } from '../test/demo/open-loop.ts'
import { freePort } from './children.ts'
import { drawBodies } from './gateway/bodies.ts'
import { startCoalmine } from './gateway/coalmine.ts'
import { MODEL, PATH, STABLE } from './gateway/echo-upstream.ts'
import { processesOf } from './gateway/processes.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral, type Report } from './report.ts'
import { scratchFolder } from './scratch.ts'

/** Whether memory stays where it is: an hour at 200 requests a second after ten minutes of warm-up; `--quick`: 3 and 2 minutes. */
export const soak: Benchmark = {
  says: 'memory of each process over an hour at 200 requests a second',
  run,
}

const REQUESTS_PER_S = 200
const MINUTE_MS = 60_000
const SAMPLE_MS = 5_000
const SLOPE_MAX_MB = 1

const PROGRAMS = {
  supervisor: 'gateway/main.ts',
  control: 'gateway/control/main.ts',
  data: 'gateway/data/main.ts',
  worker: 'worker/main.ts',
}
type Part = keyof typeof PROGRAMS
const PARTS = Object.keys(PROGRAMS) as Part[]

interface Sample {
  minutes: number
  mb: number
}

async function run(quick: boolean, seed = 'soak'): Promise<Report> {
  const [warmUpMin, minutes] = quick ? [2, 3] : [10, 60]
  const folder = scratchFolder()
  const { lines } = await drawBodies(folder, 1, [])
  const port = await freePort()
  const gateway = await startCoalmine({
    folder,
    port,
    models: { [MODEL]: { initial: STABLE, runtime: 'process' } },
    place: 'anywhere',
  })
  await gateway.ready(`http://127.0.0.1:${port}/readyz`)
  const over = new AbortController()
  let next = 0
  const load = openLoop({
    url: `http://127.0.0.1:${port}${PATH}`,
    requestsPerS: REQUESTS_PER_S,
    durationMs: 24 * 60 * MINUTE_MS,
    arrivals: 'poisson',
    seed,
    inFlightMax: 1_000,
    timeoutMs: 10_000,
    next: () => ({ body: lines[next++ % lines.length]! }),
    signal: over.signal,
  })
  console.log(`${warmUpMin} minutes of warm-up, ${minutes} minutes measured`)
  const pids = new Map(PARTS.map((part) => [part, processesOf(gateway.pid, PROGRAMS[part])[0]!]))
  const samples = new Map(PARTS.map((part) => [part, [] as Sample[]]))
  await delay(warmUpMin * MINUTE_MS)
  const beganMs = performance.now()
  while (performance.now() - beganMs < minutes * MINUTE_MS) {
    for (const [part, pid] of pids)
      samples
        .get(part)!
        .push({ minutes: (performance.now() - beganMs) / MINUTE_MS, mb: residentMb(pid, part) })
    await delay(SAMPLE_MS)
  }
  over.abort()
  const { byStatus, due } = await load
  // A busy machine makes the gateway refuse some; its memory is judged all the same.
  return report(samples, minutes, 100 - (100 * (byStatus['200'] ?? 0)) / due)
}

function residentMb(pid: number, part: Part): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20
  } catch {
    throw new NoVerdict(`the ${part} process ended`)
  }
}

/** Least squares, MB a minute. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, s) => sum + of(s), 0) / samples.length
  const [x, y] = [mean(({ minutes }) => minutes), mean(({ mb }) => mb)]
  return (
    mean(({ minutes, mb }) => (minutes - x) * (mb - y)) / mean(({ minutes }) => (minutes - x) * (minutes - x))
  )
}

function report(
  samples: ReadonlyMap<Part, readonly Sample[]>,
  minutes: number,
  notGoodPercent: number,
): Report {
  return {
    table: [
      ['', 'at first MB', 'at last MB', 'most MB', 'MB a minute'],
      ...PARTS.map((part) => {
        const all = samples.get(part)!
        return [
          part,
          numeral(all[0]!.mb),
          numeral(all.at(-1)!.mb),
          numeral(Math.max(...all.map(({ mb }) => mb))),
          slope(all).toFixed(3),
        ]
      }),
    ],
    notes: [
      `resident memory each ${SAMPLE_MS / 1000} s of ${minutes} minutes after the warm-up; ${REQUESTS_PER_S} requests a second, open loop`,
    ],
    rows: PARTS.map((part) => judged(`${part}: MB a minute`, slope(samples.get(part)!), '<', SLOPE_MAX_MB)),
    information: [{ name: 'requests without a good answer', figure: notGoodPercent, unit: '%' }],
  }
}
