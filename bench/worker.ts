import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder, type ModelFolder } from '@coalmine/contract/model-folder.ts'
import { type Child, children, freePort } from './children.ts'
import { assertGoldenAnswers, assertRefuses } from './load/golden-answers.ts'
import { drawRecords, predictBodies } from './load/records.ts'
import { type Load, load, neighbourNote } from './load/wrk.ts'
import { isPinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { benchPython, pythonLine } from './python.ts'
import { judged, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'
import { tool } from './tools.ts'

/** Our worker beside FastAPI, both serving the same model file; what FastAPI was given is in peers/. */
export const worker: Benchmark = {
  says: 'one worker beside FastAPI with the same model, on one core each',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FASTAPI = fileURLToPath(new URL('./peers/fastapi_worker.py', import.meta.url))
const RECORDS = 1_024
const MODEL = 'churn'
const VERSION = '1.0.0'
/** A tree ensemble: more of the time is the model's, so that the servers differ less. */
const HEAVIER_VERSION = '1.1.0'

/** V8 still compiles during the first seconds, on the core that is measured. */
const WARM_UP_S = 4

interface Peer {
  name: string
  server: Child
  url: string
}

interface Situation {
  name: string
  /** Records in one request. */
  rows: number
  /** Requests in flight. */
  connections: number
  peers: readonly [ours: Peer, theirs: Peer]
}

async function run(quick: boolean) {
  tool('wrk')
  const python = await benchPython()
  const [rounds, durationS] = quick ? [3, 2] : [5, 5]
  const folder = scratchFolder()
  const light = await startPeers(python, VERSION)
  const heavy = await startPeers(python, HEAVIER_VERSION)
  const situations: Situation[] = [
    { name: '1 record, 32 in flight', rows: 1, connections: 32, peers: light },
    { name: '1 record, 1 in flight', rows: 1, connections: 1, peers: light },
    { name: '32 records, 32 in flight', rows: 32, connections: 32, peers: light },
    { name: `${HEAVIER_VERSION}, 1 record, 32 in flight`, rows: 1, connections: 32, peers: heavy },
  ]
  const measured: Measured[] = []
  for (const situation of situations) measured.push(await measure(situation, folder, rounds, durationS))
  return report(measured, python, rounds, durationS)
}

async function startPeers(python: string, version: string): Promise<[Peer, Peer]> {
  const model = await loadModelFolder(join(ROOT, 'models'), MODEL, version)
  const start = async (
    name: string,
    command: (port: number) => string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Peer> => {
    const port = await freePort()
    const server = children.spawn(name, command(port), 'server', {
      cwd: ROOT,
      env: { ...process.env, ...env },
    })
    return { name, server, url: `http://127.0.0.1:${port}/v1/models/${MODEL}:predict` }
  }
  const ours = await start('Coalmine', (port) => [
    ...[process.execPath, 'worker/main.ts', '--models', 'models', '--model', MODEL, '--version', version],
    ...['--host', '127.0.0.1', '--port', `${port}`],
  ])
  const theirs = await start('FastAPI', (port) => [python, FASTAPI, model.path, `${port}`], {
    ORT_DISABLE_TELEMETRY: '1',
  })
  await ours.server.ready(new URL('/readyz', ours.url).href)
  await theirs.server.ready(new URL('/readyz', theirs.url).href)
  for (const peer of [ours, theirs]) await assertAnswers(peer, model)
  return [ours, theirs]
}

async function assertAnswers({ name, url }: Peer, model: ModelFolder): Promise<void> {
  await assertGoldenAnswers(name, url, model)
  await assertRefuses(name, url)
}

type Measured = Situation & { ours: Load[]; theirs: Load[] }

async function measure(
  situation: Situation,
  folder: string,
  rounds: number,
  durationS: number,
): Promise<Measured> {
  const { name, rows, connections, peers } = situation
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  const bodiesFile = join(folder, `bodies-${rows}.jsonl`)
  await writeFile(bodiesFile, predictBodies(drawRecords(manifest, RECORDS * Math.min(rows, 8), 1), rows))
  console.log(`${name}: ${rounds} rounds of ${durationS} s each`)
  const once = (peer: Peer, seconds: number) =>
    load({ url: peer.url, bodiesFile, connections, durationS: seconds, serverGroup: peer.server.pid })
  // A first, uncounted run lets compilers and caches warm up.
  for (const peer of peers) await once(peer, WARM_UP_S)
  const measured = await alternate(peers, rounds, (peer) => once(peer, durationS))
  return { ...situation, ours: measured.get(peers[0])!, theirs: measured.get(peers[1])! }
}

function report(measured: Measured[], python: string, rounds: number, durationS: number) {
  const of = (loads: readonly Load[], figure: keyof Load) => loads.map((load) => load[figure])
  const [busy, single, many, heavier] = measured as [Measured, Measured, Measured, Measured]
  const ratio = ({ ours, theirs }: Measured) =>
    medianRatio(of(ours, 'requestsPerS'), of(theirs, 'requestsPerS'))
  const line = ({ name, rows, peers }: Measured, peer: 0 | 1, loads: Load[]) => [
    `${peers[peer].name}: ${name}`,
    numeral(median(of(loads, 'requestsPerS')) * rows),
    `${numeral(Math.min(...of(loads, 'requestsPerS')) * rows)} - ${numeral(Math.max(...of(loads, 'requestsPerS')) * rows)}`,
    numeral(median(of(loads, 'p50Ms'))),
    numeral(median(of(loads, 'p99Ms'))),
    numeral(median(of(loads, 'cpuUsPerRequest'))),
    median(of(loads, 'othersPercent')).toFixed(0),
  ]
  return {
    table: [
      ['', 'predictions/s', 'lowest - highest', 'p50 ms', 'p99 ms', 'CPU us a request', 'others %'],
      ...measured.flatMap((one) => [line(one, 0, one.ours), line(one, 1, one.theirs)]),
    ],
    notes: [
      `medians of ${rounds} rounds of ${durationS} s, peers in turn; ${isPinned() ? 'servers on core 0, wrk on core 1' : 'not pinned: one core or no taskset'}`,
      neighbourNote(measured.flatMap(({ ours, theirs }) => [ours, theirs])),
      `FastAPI runs under ${pythonLine(python)}; both serve ${MODEL} ${VERSION} unless another version is named`,
    ],
    rows: [
      judged(
        'predictions a second and core, 1 record, 32 in flight: Coalmine / FastAPI',
        ratio(busy),
        '>=',
        4,
      ),
      judged(
        'median latency, 1 record, 1 in flight: Coalmine / FastAPI',
        medianRatio(of(single.ours, 'p50Ms'), of(single.theirs, 'p50Ms')),
        '<',
        1,
      ),
    ],
    information: [
      {
        name: 'predictions a second, 32 records a request: Coalmine / FastAPI',
        figure: ratio(many),
        unit: 'times',
      },
      {
        name: `predictions a second, ${HEAVIER_VERSION}: Coalmine / FastAPI`,
        figure: ratio(heavier),
        unit: 'times',
      },
      {
        name: 'processor time of one request: FastAPI / Coalmine',
        figure: medianRatio(of(busy.theirs, 'cpuUsPerRequest'), of(busy.ours, 'cpuUsPerRequest')),
        unit: 'times',
      },
    ],
  }
}
