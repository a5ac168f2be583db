import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { idKey, sign, versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import { children, freePort } from './children.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { cpuMs, isPinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { startUpstream } from './peers/nginx.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** How many truths a data process takes, and what predictions lose beside them. */
export const feedback: Benchmark = {
  says: 'truths a second that a data process takes, and predictions beside them',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODEL = 'churn'
const LIST = 100
const CALLERS = 4
/** Beside predictions: a twentieth to a fiftieth of what a process predicts in a second. */
const BESIDE_A_SECOND = 500
const WARM_UP_S = 3
/** As bench/peers/data-plane.ts has it. */
const KEY = idKey(1, Buffer.alloc(32, 1))

/** Whoever sends truths shares a core with whoever asks for predictions: they are sent in both modes, to another server in one. */
type Mode = 'predictions alone' | 'beside truths'
const MODES: readonly Mode[] = ['predictions alone', 'beside truths']

async function run(quick: boolean) {
  tool('wrk')
  const [rounds, durationS, lists] = quick ? [12, 1, 300] : [60, 1, 2_000]
  const folder = scratchFolder()
  const bodiesFile = join(folder, 'bodies.jsonl')
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, '1.0.0')
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, 1_000, 1), 1))
  const truths = truthsOf(versionFingerprint(MODEL, '1.0.0', `sha256:${manifest.sha256}`))
  const server = await startServer(folder)
  const { origin } = server
  // The first lists compile what takes them.
  await sendAll(origin, truths, lists / 4)
  const taken = await measured(server.pid, () => sendAll(origin, truths, lists))
  const once = (mode: Mode, seconds = durationS) =>
    beside(
      mode === 'beside truths' ? (body) => give(origin, body) : (body) => send(server.elsewhere, body),
      truths,
      () =>
        load({
          url: `${origin}/v1/models/${MODEL}:predict`,
          bodiesFile,
          connections: 32,
          durationS: seconds,
          serverGroup: server.pid,
        }),
    )
  for (const mode of MODES) await once(mode, WARM_UP_S)
  const loads = await alternate(MODES, rounds, (mode) => once(mode))
  return report(loads, rounds, durationS, lists * LIST, taken)
}

async function startServer(folder: string) {
  const ports = [await freePort(), await freePort()]
  const versions = ['1.0.0', '1.1.0'].map((version, i) => ({ port: ports[i]!, body: answer(version) }))
  const upstream = await startUpstream(folder, versions)
  const origins = ports.map((port) => `http://127.0.0.1:${port}`)
  await upstream.ready(`${origins[0]}/v2/health/ready`)
  const script = fileURLToPath(new URL('./peers/data-plane.ts', import.meta.url))
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const command = [process.execPath, script, `${port}`, ...origins, 'rollout']
  const { pid, ready } = children.spawn('data process', command, 'server')
  await ready(`${origin}/v2/health/ready`)
  return { pid, origin, elsewhere: origins[0]! }
}

/** An answer of a worker. */
function answer(version: string): string {
  return JSON.stringify({
    predictions: [{ label: 1, probabilities: [0.33388781547546387, 0.6661121845245361] }],
    model_name: MODEL,
    model_version: version,
  })
}

/** Bodies of lists, no id of which comes twice; each is evidence of the rollout. */
function truthsOf(fingerprint: bigint): () => string {
  let nonce = 0
  const one = () => ({
    prediction_id: sign(
      {
        ...{ arm: 'stable', counts: true, shielded: false, pickedRow: true, fingerprint, rollout: 1 },
        // The clock of evidence is the machine's monotonic one there.
        ...{ weightBp: 500, timeMs: Math.round(performance.now()), score: 0.5, class: 1 },
        ...{ nonce: nonce++, row: 0, rows: 1 },
      },
      KEY,
    ),
    truth: nonce & 1,
  })
  return () => JSON.stringify(Array.from({ length: LIST }, one))
}

async function send(origin: string, body: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${origin}/v1/models/${MODEL}:feedback`, { method: 'POST', body })
  return { status: response.status, text: await response.text() }
}

/** Sends truths that are all to be taken. */
async function give(origin: string, body: string): Promise<void> {
  const { status, text } = await send(origin, body)
  if (status !== 202 || JSON.parse(text).accepted !== LIST)
    throw new NoVerdict(`truths were not taken: ${status} ${text.slice(0, 200)}`)
}

/** The bodies are made before the clock starts. */
async function sendAll(origin: string, truths: () => string, lists: number): Promise<number> {
  const bodies = Array.from({ length: lists }, truths)
  const startMs = performance.now()
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) await give(origin, body)
    }),
  )
  return (lists * LIST * 1000) / (performance.now() - startMs)
}

async function measured(pid: number, work: () => Promise<number>) {
  const before = cpuMs(pid)
  const perSecond = await work()
  return { perSecond, cpuMs: cpuMs(pid) - before }
}

/** Lists go out at an even pace while something else is measured. */
async function beside<T>(
  sent: (body: string) => Promise<unknown>,
  truths: () => string,
  work: () => Promise<T>,
) {
  let over = false
  const sending = (async () => {
    while (!over) {
      await Promise.all([sent(truths()), wait((1000 * LIST) / BESIDE_A_SECOND)])
    }
  })()
  const result = await work()
  over = true
  await sending
  return result
}

function report(
  loads: Map<Mode, Load[]>,
  rounds: number,
  durationS: number,
  labels: number,
  taken: { perSecond: number; cpuMs: number },
) {
  const of = (mode: Mode, figure: keyof Load) => loads.get(mode)!.map((one) => one[figure])
  const [alone, both] = MODES as [Mode, Mode]
  return {
    table: [
      ['', 'requests/s', 'p99 ms', 'CPU us a request', 'others %'],
      ...MODES.map((mode) => [
        mode,
        numeral(median(of(mode, 'requestsPerS'))),
        numeral(median(of(mode, 'p99Ms'))),
        numeral(median(of(mode, 'cpuUsPerRequest'))),
        median(of(mode, 'othersPercent')).toFixed(0),
      ]),
    ],
    notes: [
      `truths in lists of ${LIST}, ${CALLERS} callers; predictions: medians of ${rounds} rounds of ${durationS} s, in turn, 32 in flight`,
      `${BESIDE_A_SECOND} truths a second go to the data process, or to the upstream, which knows nothing of them, where predictions are alone`,
      isPinned() ? 'the data process on core 0; the callers elsewhere' : 'not pinned: one core or no taskset',
      neighbourNote(MODES.map((mode) => loads.get(mode)!)),
    ],
    rows: [
      judged('truths a second, one data process', taken.perSecond, '>=', 10_000),
      judged(
        `predictions a second: beside ${BESIDE_A_SECOND} truths a second / alone`,
        medianRatio(of(both, 'requestsPerS'), of(alone, 'requestsPerS')),
        '>=',
        0.97,
      ),
      judged(
        `processor time of ${BESIDE_A_SECOND} truths a second, %`,
        (taken.cpuMs / labels) * BESIDE_A_SECOND * 0.1,
        '<=',
        3,
      ),
    ],
    information: [
      { name: 'CPU time a truth', figure: (taken.cpuMs * 1000) / labels, unit: 'us' },
      {
        name: 'CPU time a prediction: beside truths / alone',
        figure: medianRatio(of(both, 'cpuUsPerRequest'), of(alone, 'cpuUsPerRequest')),
        unit: 'times',
      },
    ],
  }
}
