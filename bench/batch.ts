import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Benchmark } from './main.ts'
import { benchPython, pythonLine } from './python.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { alternate, median, medianRatio } from './rounds.ts'
import { scratchFolder } from './scratch.ts'

/** Whole programs, from their start to their end: what a nightly job takes. */
export const batch: Benchmark = {
  says: 'a Parquet file scored into Parquet, beside pandas + onnxruntime on the same file',
  run,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PEER = fileURLToPath(new URL('./peers/batch_peer.py', import.meta.url))
const [MODEL, VERSION] = ['churn', '1.1.0']
const LOOK_MS = 100

interface Taken {
  rowsPerS: number
  /** Largest resident memory of the process. */
  peakMb: number
}

async function run(quick: boolean) {
  const python = await benchPython()
  const folder = scratchFolder()
  const { path } = await loadModelFolder(join(ROOT, 'models'), MODEL, VERSION)
  const rows = quick ? 500_000 : 5_000_000
  const file = join(folder, 'customers.parquet')
  console.log(`drawing ${rows} rows`)
  await promisify(execFile)(python, [PEER, 'generate', path, `${rows}`, file]).catch((error) => {
    throw new NoVerdict(`${PEER} failed:\n${error.stderr || error.message}`)
  })
  const out = join(folder, 'scored')
  const flags = ['--model', MODEL, '--version', VERSION, '--in', file, '--out', out]
  const peers = [
    {
      name: 'Coalmine',
      command: [process.execPath, 'cli/main.ts', 'batch', 'predict', ...flags],
    },
    {
      name: 'pandas + onnxruntime',
      command: [python, PEER, 'score', path, file, join(folder, 'scored.parquet')],
    },
  ]
  const rounds = quick ? 2 : 3
  const measured = await alternate(peers, rounds, async ({ command }) => {
    await rm(out, { recursive: true, force: true })
    return timed(command, rows)
  })
  const [own, peer] = peers.map((one) => measured.get(one)!) as [Taken[], Taken[]]
  const rate = (some: readonly Taken[]) => some.map(({ rowsPerS }) => rowsPerS)
  const peak = (some: readonly Taken[]) => Math.max(...some.map(({ peakMb }) => peakMb))
  return {
    table: [
      ['', 'rows/s', 'lowest - highest', 'peak memory MB'],
      ...peers.map((one) => {
        const taken = measured.get(one)!
        const rates = rate(taken)
        return [
          one.name,
          numeral(median(rates)),
          `${numeral(Math.min(...rates))} - ${numeral(Math.max(...rates))}`,
          numeral(peak(taken)),
        ]
      }),
    ],
    notes: [
      `${rows} rows of ${MODEL} ${VERSION}, ${rounds} rounds in turn, start and end of the program included, on all cores`,
      `the peer reads the whole file, lets onnxruntime use all cores, and runs under ${pythonLine(python)}`,
    ],
    rows: [
      judged('rows a second, Parquet to Parquet', median(rate(own)), '>=', 150_000),
      judged('peak resident memory, MB', peak(own), '<', 600),
      judged('rows a second: Coalmine / pandas + onnxruntime', medianRatio(rate(own), rate(peer)), '>=', 1),
    ],
    information: [],
  }
}

async function timed([program, ...args]: string[], rows: number): Promise<Taken> {
  const startMs = performance.now()
  const child = spawn(program!, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  let peakMb = 0
  const looking = setInterval(() => {
    peakMb = Math.max(peakMb, residentPeakMb(child.pid!))
  }, LOOK_MS)
  const [code] = await once(child, 'exit')
  clearInterval(looking)
  if (code !== 0) throw new NoVerdict(`${program} ${args.join(' ')} ended with ${code}:\n${said}`)
  return { rowsPerS: rows / ((performance.now() - startMs) / 1000), peakMb }
}

/** The kernel's own high-water mark, so that nothing between two looks is missed. */
function residentPeakMb(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
