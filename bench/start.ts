import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseGolden } from '@coalmine/contract/golden.ts'
import { children, freePort } from './children.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { median } from './rounds.ts'
import { scratchFolder } from './scratch.ts'

/** From the command to a prediction: config/ as it is, with free ports and a store of its own. */
export const start: Benchmark = { says: 'from `npm start` to the first good answer', run }

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const GOLDEN = join(ROOT, 'models', 'churn', '1.0.0', 'golden.jsonl')
const RUNS = 3
const POLL_MS = 20
const GIVE_UP_MS = 60_000

/** @param quick makes no difference: a run takes a second or two */
async function run() {
  const [{ record }] = parseGolden(await readFile(GOLDEN, 'utf8'), GOLDEN) as [
    ReturnType<typeof parseGolden>[number],
  ]
  const body = JSON.stringify({ instances: [record] })
  const seconds: number[] = []
  for (let i = 0; i < RUNS; i++) seconds.push(await firstAnswerS(body))
  return {
    table: [['npm start to first answer', 'seconds'], ...seconds.map((s, i) => [`run ${i + 1}`, numeral(s)])],
    notes: [
      `POST /v1/models/churn:predict every ${POLL_MS} ms until it is answered with 200; dependencies are installed; not pinned`,
    ],
    rows: [judged(`median of ${RUNS} starts to the first good answer, s`, median(seconds), '<=', 5)],
    information: [{ name: 'slowest start', figure: Math.max(...seconds), unit: 's' }],
  }
}

async function firstAnswerS(body: string): Promise<number> {
  const [data, admin, metrics] = [await freePort(), await freePort(), await freePort()]
  const env = {
    ...process.env,
    COALMINE_LISTEN_DATA: `127.0.0.1:${data}`,
    COALMINE_LISTEN_ADMIN: `127.0.0.1:${admin}`,
    COALMINE_LISTEN_METRICS: `127.0.0.1:${metrics}`,
    COALMINE_STORE: `sqlite:${join(scratchFolder(), 'coalmine.db')}`,
  }
  const startMs = performance.now()
  const child = children.spawn('npm start', ['npm', 'start'], undefined, { cwd: ROOT, env })
  try {
    while (performance.now() - startMs < GIVE_UP_MS) {
      if (await answers(`http://127.0.0.1:${data}/v1/models/churn:predict`, body))
        return (performance.now() - startMs) / 1000
      if (!child.alive()) throw new NoVerdict(`npm start ended before it answered:\n${child.output()}`)
      await delay(POLL_MS)
    }
    throw new NoVerdict(`npm start did not answer within ${GIVE_UP_MS / 1000} s:\n${child.output()}`)
  } finally {
    await child.stop()
  }
}

async function answers(url: string, body: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const { predictions } = (await answer.json()) as { predictions?: unknown[] }
    return answer.status === 200 && predictions?.length === 1
  } catch {
    return false
  }
}
