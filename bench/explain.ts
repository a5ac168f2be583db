import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { type ExplainerSettings, openExplainer } from '../worker/explain/explainer.ts'
import { openThreadExplainer } from '../worker/explain/thread-explainer.ts'
import { pinned } from './machine.ts'
import type { Benchmark } from './main.ts'
import { benchPython, pythonLine } from './python.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { median } from './rounds.ts'
import { scratchFolder } from './scratch.ts'

/** Our explanations beside the shap package on the same trees and rows; what was timed there is in peers/. */
export const explain: Benchmark = {
  says: 'exact explanations of boosted trees beside the shap package',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PEER = fileURLToPath(new URL('./peers/shap_explain.py', import.meta.url))
/** Trees, and the median in ms that an explanation of one row may take on one core. */
const TARGETS = [
  [100, 0.5],
  [300, 1],
  [500, 2],
] as const
/** V8 compiles during the first explanations. */
const WARM_UP = 400

/** What the peer wrote. */
interface Said {
  shap: string
  rows: number[][]
  base: number
  contributions: number[][]
  p50Ms: number
  depth: number
  innerNodes: number
}

interface Measured {
  trees: number
  said: Said
  p50Ms: number
  p99Ms: number
  threadP50Ms: number
  /** The worst over all rows. */
  gap: number
  difference: number
}

async function run(quick: boolean) {
  const python = await benchPython()
  const folder = scratchFolder()
  console.log('training and explaining with the shap package')
  const [program, ...args] = [...pinned('server'), python, PEER, folder]
  await promisify(execFile)(program!, args).catch((error) => {
    throw new NoVerdict(`${PEER} failed:\n${error.stderr || error.message}`)
  })
  const measured: Measured[] = []
  for (const [trees] of TARGETS)
    measured.push(await measure(join(folder, `${trees}`), trees, quick ? 1_000 : 5_000))
  const way = await wholeWay(folder, quick ? 1_000 : 5_000)
  return report(measured, way, python)
}

async function measure(folder: string, trees: number, times: number): Promise<Measured> {
  const said: Said = JSON.parse(await readFile(join(folder, 'shap.json'), 'utf8'))
  const records = said.rows.map((x) => ({ x }))
  const settings = settingsOf(folder, said.rows[0]!.length, records)
  const explainer = await openExplainer(settings)
  let [gap, difference] = [0, 0]
  for (const [i, record] of records.entries()) {
    const { base, contributions, gap: own } = await explainer.explain(record)
    gap = Math.max(gap, own)
    difference = Math.max(difference, Math.abs(base - said.base))
    for (const [j, each] of said.contributions[i]!.entries())
      difference = Math.max(difference, Math.abs(contributions[j]! - each))
  }
  const own = await timed(times, (i) => explainer.explain(records[i % records.length]!))
  const thread = await openThreadExplainer(settings, (reason) => {
    throw new Error(reason)
  })
  const asked = await timed(times, (i) => thread.explain([records[i % records.length]!]))
  await thread.close()
  return {
    ...{ trees, said, gap, difference },
    p50Ms: median(own),
    p99Ms: own[Math.floor(own.length * 0.99)]!,
    threadP50Ms: median(asked),
  }
}

/** From a record of churn 1.1.0 to its contributions, both with everything that takes. */
async function wholeWay(folder: string, times: number): Promise<{ p50Ms: number; shapP50Ms: number }> {
  const said = JSON.parse(await readFile(join(folder, 'churn.json'), 'utf8'))
  const { path, manifest, golden } = await loadModelFolder(join(ROOT, 'models'), 'churn', '1.1.0')
  const records = golden.map(({ record }) => record)
  const background = { file: 'none', records }
  const explainer = await openExplainer({
    path: join(path, manifest.file),
    manifest,
    background,
    probes: records,
  })
  const ms = await timed(times, (i) => explainer.explain(records[i % records.length]!))
  return { p50Ms: median(ms), shapP50Ms: said.p50Ms }
}

/** @returns ms, rising */
async function timed(times: number, explain: (i: number) => Promise<unknown>): Promise<number[]> {
  const ms: number[] = []
  for (let i = 0; i < WARM_UP + times; i++) {
    const begin = performance.now()
    await explain(i)
    if (i >= WARM_UP) ms.push(performance.now() - begin)
  }
  return ms.toSorted((a, b) => a - b)
}

function settingsOf(folder: string, features: number, records: { x: number[] }[]): ExplainerSettings {
  const manifest: Manifest = {
    ...{ name: 'boosted', version: '1.0.0', platform: 'onnxruntime_onnx', file: 'model.onnx' },
    sha256: '0'.repeat(64),
    inputs: [{ name: 'x', type: 'float32', shape: [features] }],
    outputs: [{ name: 'variable', type: 'float32' }],
    batching: { maxBatchSize: 64 },
    explain: { method: 'tree-shap' },
  }
  return {
    ...{ path: join(folder, 'model.onnx'), manifest, probes: records },
    background: { file: 'none', records },
  }
}

function report(measured: Measured[], way: { p50Ms: number; shapP50Ms: number }, python: string) {
  const worst = (of: (one: Measured) => number) => Math.max(...measured.map(of))
  return {
    table: [
      ['trees', 'inner nodes', 'p50 ms', 'p99 ms', 'in the thread, p50 ms', 'shap p50 ms', 'ratio'],
      ...measured.map(({ trees, said, p50Ms, p99Ms, threadP50Ms }) => [
        `${trees}`,
        numeral(said.innerNodes),
        ...[p50Ms, p99Ms, threadP50Ms, said.p50Ms, said.p50Ms / p50Ms].map(numeral),
      ]),
    ],
    notes: [
      `boosted trees of depth ${worst(({ said }) => said.depth)} over ${measured[0]!.said.rows[0]!.length} features, ${measured[0]!.said.rows.length} rows`,
      'p50: one record to its contributions, in one thread: encoding, a run of the model, TreeSHAP, the check that it adds up',
      `shap ${measured[0]!.said.shap}: shap_values of one row that lies ready, no check, under ${pythonLine(python)}`,
    ],
    rows: [
      ...measured.map(({ p50Ms }, i) =>
        judged(`median of an explanation, ${TARGETS[i]![0]} trees, ms`, p50Ms, '<', TARGETS[i]![1]),
      ),
      judged(
        'one record of churn 1.1.0 to its contributions: scikit-learn and shap / Coalmine',
        way.shapP50Ms / way.p50Ms,
        '>=',
        20,
      ),
      judged(
        'largest gap between parts and answer, relative',
        worst(({ gap }) => gap),
        '<=',
        1e-4,
      ),
      judged(
        'largest difference from shap',
        worst(({ difference }) => difference),
        '<',
        1e-6,
      ),
    ],
    information: [
      { name: 'one record of churn 1.1.0 to its contributions', figure: way.p50Ms, unit: 'ms' },
      ...measured.map(({ trees, p50Ms, said }) => ({
        name: `${trees} trees, a row that lies ready: shap alone / Coalmine with all that it does`,
        figure: said.p50Ms / p50Ms,
        unit: 'times',
      })),
    ],
  }
}
