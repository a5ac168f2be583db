import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FAULT_NAMES, type Fault, faultFromText, faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { type Shown, Story } from './story.ts'

const HELP = `The product with live traffic: a version of churn is tried beside 1.0.0 until it is promoted or rolled back.

  npm run demo                             1.1.0, an honest step: promoted
  npm run demo -- --canary 1.2.0           faulty without an error: its scores are others
  npm run demo -- --fault errors           1.1.0, whose worker begins to fail at the first step
  npm run demo -- --fault slow
  npm run demo -- --fault garbage

  --canary VERSION  the version that is tried [1.1.0]
  --fault FAULT     what happens to the canary: ${FAULT_NAMES.slice(1).join(', ')}; or JSON
  --rps N           requests a second [200]

Its store is temporary. It ends by itself, with a summary.
`

/** How hard each fault is where only its name is given: so that evidence has to find it. */
const MILD: Partial<Record<Fault['kind'], object>> = {
  errors: { rate: 0.1 },
  garbage: { rate: 0.1 },
  empty: { rate: 0.1 },
  slow: { factor: 3, addMs: 5 },
  shift: { by: 0.15 },
}

const POLICY = `
steps:
  - { setWeight: 5, minDuration: 10s, proof: 0.3 }
  - { setWeight: 25, minDuration: 10s, proof: 0.15 }
  - { setWeight: 50, minDuration: 10s }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 0.1pp, margin: 2pp, share: 0.3 }
  - { metric: rejected_rate, tolerate: 0.1pp, margin: 2pp, share: 0.1 }
  - metric: latency
    quantiles: [p50]
    tolerate: { relative: 25%, atLeast: 1ms }
    margin: { relative: 75%, atLeast: 4ms }
    share: 0.3
  - { metric: score_distribution, distance: ks, tolerate: 0.2, margin: 0.3, share: 0.3 }
progressDeadline: 5m
onInconclusive: rollback
`

/** Decisions after which there is nothing more to see. */
const OVER = new Set(['promoted', 'rolled-back', 'aborted'])
const TRAFFIC_MS = 5_000
const FAULT_AFTER_MS = 8_000
const LOOK_MS = 250
const MOST_MS = 6 * 60_000
const BAD_SETTINGS = 2

const settings = settingsOrExit()
const story = new Story((line) => process.stdout.write(`${line}\n`))
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

story.tell(`starting three workers and the gateway; churn 1.0.0 is stable, ${settings.canary} will be tried`)
const stage = await startStage({ canary: settings.canary, policy: POLICY })
try {
  await play(stage)
} finally {
  await stage.close()
}

async function play({ gateway, proxies, startRollout }: Stage): Promise<void> {
  story.tell(
    `admin API http://127.0.0.1:${gateway.ports.admin}/api/docs, ${settings.rps} requests a second begin`,
  )
  const load = startLoad(`http://127.0.0.1:${gateway.ports.data}/v1/models/churn:predict`, settings.rps)
  await pause(TRAFFIC_MS)
  const doubt = await startRollout('a demonstration')
  if (doubt) story.tell(`the planner refused, and a person insisted: ${doubt}`)
  let harmedMs: number | undefined
  let beganMs: number | undefined
  const endMs = performance.now() + MOST_MS
  while (performance.now() < endMs && !interrupted.signal.aborted) {
    const seen = (await (await gateway.admin('/api/v1/models/churn/decisions?limit=50')).json()) as Shown
    story.show(seen)
    const kinds = seen.decisions.map(({ kind }) => kind)
    if (kinds.includes('begun')) beganMs ??= performance.now()
    if (kinds.some((kind) => OVER.has(kind))) break
    if (settings.fault && harmedMs === undefined && beganMs && performance.now() > beganMs + FAULT_AFTER_MS) {
      proxies.canary.fault = settings.fault
      harmedMs = performance.now()
      story.tell(`now the canary's worker is harmed: ${JSON.stringify(settings.fault)}`)
    }
    await pause(LOOK_MS)
  }
  const sinceHarmMs = harmedMs === undefined ? undefined : performance.now() - harmedMs
  await pause(1_000)
  story.end(await load.stop(), sinceHarmMs)
}

async function pause(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    interrupted.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** A process of its own, so that the load does not wait for the proxies. */
function startLoad(url: string, rps: number): { stop(): Promise<string> } {
  const program = fileURLToPath(new URL('./load.ts', import.meta.url))
  const load: ChildProcess = spawn(
    process.execPath,
    [program, '--url', url, '--rps', `${rps}`, '--seconds', `${MOST_MS / 1000}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let last = ''
  createInterface({ input: load.stdout! }).on('line', (line) => {
    last = line
  })
  return {
    async stop() {
      if (load.exitCode === null) {
        load.kill('SIGINT')
        await once(load, 'close')
      }
      return last
    },
  }
}

function settingsOrExit(): { canary: string; fault?: Fault; rps: number } {
  try {
    const { values } = parseArgs({
      options: {
        canary: { type: 'string', default: '1.1.0' },
        fault: { type: 'string' },
        rps: { type: 'string', default: '200' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    const rps = Number(values.rps)
    if (!(rps >= 20 && rps <= 2_000)) throw new Error(`--rps: expected 20 to 2000, got "${values.rps}"`)
    return { canary: values.canary, rps, ...(values.fault !== undefined && { fault: mild(values.fault) }) }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
    process.exit(BAD_SETTINGS)
  }
}

function mild(text: string): Fault {
  const fault = faultFromText(text)
  return text.trimStart().startsWith('{') ? fault : faultOf({ kind: text, ...MILD[fault.kind] })
}
