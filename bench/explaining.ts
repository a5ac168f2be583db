import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { children, freePort } from './children.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { isPinned, moveTo } from './machine.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** What predictions lose while the same worker, on the same core, explains as much as it is asked to. */
export const explaining: Benchmark = {
  says: 'predictions of a worker beside explanations on the same core',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const [MODEL, VERSION] = ['churn', '1.1.0']
const WARM_UP_S = 4
/** As many as a gateway process lets through. */
const IN_FLIGHT = 8
/** Until one of those that wait is looked for again. */
const LOOK_MS = 50

/** Keeps a worker explaining until the promise it is given is settled. Resolves to how many were explained. */
type Asking = (origin: string, until: () => boolean) => Promise<number>

interface Mode {
  name: string
  asking: Asking
}

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS] = quick ? [6, 2] : [20, 2]
  const folder = scratchFolder()
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  const bodiesFile = join(folder, 'bodies.jsonl')
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_024, 1), 1))
  // More than a worker keeps answers to.
  const bodies = drawRecords(manifest, 40_000, 2).map((record) => ({ instances: [record] }))
  let next = 0
  const body = (more: object = {}) => JSON.stringify({ ...bodies[next++ % bodies.length]!, ...more })
  const modes: Mode[] = [
    { name: 'predictions alone', asking: async () => 0 },
    { name: `beside explanations, ${IN_FLIGHT} in flight`, asking: inFlight(() => body()) },
    {
      name: 'beside interventional ones, all that may wait',
      asking: waiting(() => body({ mode: 'interventional' })),
    },
  ]
  const { pid, origin } = await startWorker()
  moveTo('load')
  const once = async ({ asking }: Mode, seconds = durationS) => {
    let over = false
    const asked = asking(origin, () => over)
    const loaded = await load({
      ...{ url: `${origin}/v1/models/${MODEL}:predict`, bodiesFile, connections: 32 },
      ...{ durationS: seconds, serverGroup: pid },
    }).finally(() => {
      over = true
    })
    return { ...loaded, explainedPerS: (await asked) / seconds }
  }
  for (const mode of modes) await once(mode, WARM_UP_S)
  const taken = await alternate(modes, rounds, (mode) => once(mode))
  moveTo('anywhere')
  return report(modes, taken, rounds, durationS)
}

async function startWorker() {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const flags = ['--models', 'models', '--model', MODEL, '--version', VERSION, '--host', '127.0.0.1']
  const command = [process.execPath, 'worker/main.ts', ...flags, '--port', `${port}`]
  const { pid, ready } = children.spawn('worker', command, 'server', { cwd: ROOT })
  await ready(`${origin}/readyz`)
  return { pid, origin }
}

function explain(origin: string, body: string): Promise<Response> {
  return fetch(`${origin}/v1/models/${MODEL}:explain`, { method: 'POST', body })
}

/** Each answer is followed by the next question. */
function inFlight(body: () => string): Asking {
  return async (origin, until) => {
    let explained = 0
    const one = async () => {
      while (!until()) {
        const response = await explain(origin, body())
        const text = await response.text()
        if (response.status === 200) explained++
        else if (response.status !== 503) throw new NoVerdict(`no explanation: ${response.status} ${text}`)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, one))
    return explained
  }
}

/** As many as are taken wait at every instant. */
function waiting(body: () => string): Asking {
  return async (origin, until) => {
    const before = await laterExplained(origin)
    while (!until()) {
      const response = await explain(origin, body())
      await response.text()
      if (response.status === 503) await wait(LOOK_MS)
      else if (response.status !== 202) throw new NoVerdict(`not taken: ${response.status}`)
    }
    return (await laterExplained(origin)) - before
  }
}

async function laterExplained(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Number(
    /^coalmine_worker_explain_deferred_total\{[^}]*result="answered"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0,
  )
}

type Taken = Load & { explainedPerS: number }

function report(modes: readonly Mode[], taken: Map<Mode, Taken[]>, rounds: number, durationS: number) {
  const of = (mode: Mode, figure: keyof Taken) => taken.get(mode)!.map((one) => one[figure])
  const [alone, beside, later] = modes as [Mode, Mode, Mode]
  const ratio = (mode: Mode) => medianRatio(of(mode, 'requestsPerS'), of(alone, 'requestsPerS'))
  return {
    table: [
      ['', 'predictions/s', 'p50 ms', 'p99 ms', 'explained/s', 'others %'],
      ...modes.map((mode) => [
        mode.name,
        ...(['requestsPerS', 'p50Ms', 'p99Ms', 'explainedPerS'] as const).map((figure) =>
          numeral(median(of(mode, figure))),
        ),
        median(of(mode, 'othersPercent')).toFixed(0),
      ]),
    ],
    notes: [
      `${MODEL} ${VERSION}, one record a request, 32 predictions in flight; medians of ${rounds} rounds of ${durationS} s, in turn`,
      isPinned() ? 'the worker on core 0, callers on core 1' : 'not pinned: one core or no taskset',
      neighbourNote(modes.map((mode) => taken.get(mode)!)),
    ],
    rows: [
      judged('predictions a second: beside explanations / alone', ratio(beside), '>=', 0.97),
      judged('predictions a second: beside interventional ones / alone', ratio(later), '>=', 0.97),
    ],
    information: [],
  }
}
