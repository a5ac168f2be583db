import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { totalOf } from '@coalmine/core/evidence/tally.ts'
import { SqliteStore } from '@coalmine/gateway/store/sqlite.ts'
import { customers } from '../test/demo/customers.ts'
import { openLoop } from '../test/demo/open-loop.ts'
import { type Ended, newTally } from '../test/demo/tally.ts'
import { freePorts, Gateway } from '../test/e2e/gateway-process.ts'
import { hostUse } from './fleet/host-use.ts'
import { publishCopies } from './fleet/models.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral } from './report.ts'
import { scratchFolder } from './scratch.ts'

/** Twenty models, each compared with itself at once: nothing differs, so nothing may be found. */
export const fleet: Benchmark = {
  says: 'twenty rollouts of versions beside themselves on one host: no false alarm, no failed request',
  run,
}

const NAMES = Array.from({ length: 20 }, (_, i) => `churn-${String(i + 1).padStart(2, '0')}`)
const RPS_EACH = 5
const SECONDS = { full: 600, quick: 120 }
/** For what has to happen at some time, however slow the machine is; nothing is judged by it. */
const PATIENCE_MS = 10 * 60_000
/** So long that a machine that stands still for a while loses no request. */
const TIMEOUT_S = 60
const LOOK_MS = 100

/** Chance alone raises a false alarm in 1 of 500 runs at most, all twenty together. */
const POLICY = `
steps: [{ setWeight: 40, minDuration: 1h }]
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 0.1pp, margin: 0.5pp, share: 0.4 }
  - metric: latency
    quantiles: [p50, p95]
    tolerate: { relative: 5%, atLeast: 1ms }
    margin: { relative: 10%, atLeast: 2ms }
    share: 0.4
  - { metric: score_distribution, distance: ks, tolerate: 0.2, margin: 0.3, share: 0.2 }
`

async function run(quick: boolean) {
  const seconds = quick ? SECONDS.quick : SECONDS.full
  const gateway = await spawnGateway()
  // However this process ends: workers and all end with the gateway.
  process.once('exit', () => gateway.child.kill('SIGTERM'))
  const over = new AbortController()
  let load: Promise<void> | undefined
  try {
    // The gateway is ready once one model is.
    for (const name of NAMES) await until(gateway, `${name} answers`, () => answers(gateway, name))
    const tally = newTally()
    load = loads(gateway, (ended) => tally.add(ended), over.signal)
    const beganMs = performance.now()
    for (const name of NAMES) await startRollout(gateway, name)
    const startedS = (performance.now() - beganMs) / 1000
    const before = hostUse(allOf(gateway))
    await delay(seconds * 1000)
    const after = hostUse(allOf(gateway))
    over.abort()
    await load
    await gateway.stop()
    return report(await found(gateway), tally.summary(), {
      startedS,
      processes: after.processes,
      memoryMb: after.memoryMb,
      cores: (after.cpuSeconds - before.cpuSeconds) / seconds,
      seconds,
    })
  } finally {
    over.abort()
    await load
    await gateway.dispose()
  }
}

async function spawnGateway(): Promise<Gateway> {
  const modelsFolder = join(scratchFolder(), 'models')
  mkdirSync(modelsFolder)
  publishCopies(modelsFolder, NAMES)
  const gateway = new Gateway({ modelsFolder, policies: { fleet: POLICY } })
  const [data, admin, metrics] = await freePorts(3)
  gateway.ports = { data: data!, admin: admin!, metrics: metrics! }
  const settings = `{ initial: 1.0.0, policy: fleet, runtime: process, limits: { timeout: ${TIMEOUT_S}s } }`
  gateway.configure(NAMES.map((name) => `  ${name}: ${settings}`).join('\n'))
  gateway.spawn()
  return gateway
}

async function answers(gateway: Gateway, name: string): Promise<boolean> {
  return gateway.predict(undefined, {}, `/v1/models/${name}:predict`).then(
    ({ ok }) => ok,
    () => false,
  )
}

/** Requests to every model at once, until they are told to end. */
async function loads(gateway: Gateway, onEnd: (ended: Ended) => void, signal: AbortSignal): Promise<void> {
  await Promise.all(
    NAMES.map((name) => {
      const customer = customers(name)
      return openLoop({
        url: `http://127.0.0.1:${gateway.ports.data}/v1/models/${name}:predict`,
        requestsPerS: RPS_EACH,
        durationMs: Number.MAX_SAFE_INTEGER,
        arrivals: 'poisson',
        seed: name,
        inFlightMax: Number.POSITIVE_INFINITY,
        timeoutMs: 2 * TIMEOUT_S * 1000,
        next: () => ({ body: JSON.stringify({ instances: [customer().record] }) }),
        onEnd,
        signal,
      })
    }),
  )
}

/** One after the other: each brings two more workers, and they start in a crowd on few cores. */
async function startRollout(gateway: Gateway, name: string): Promise<void> {
  const answer = await gateway.admin(`/api/v1/models/${name}/rollout`, {
    method: 'POST',
    json: { canary: '1.0.0', measure: true, force: true, reason: 'twenty at once' },
  })
  if (!answer.ok) throw new NoVerdict(`the rollout of ${name} was refused: ${await answer.text()}`)
  await until(gateway, `${name} is beside itself`, async () => {
    const { rollout } = (await gateway.model(name)) as { rollout: { phase: { kind: string } } | null }
    return rollout?.phase.kind !== 'preparing'
  })
}

async function until(gateway: Gateway, what: string, fact: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!(await fact())) {
    if (gateway.child.exitCode !== null || performance.now() > endMs)
      throw new NoVerdict(`waited in vain until ${what}:\n${gateway.output.slice(-4000)}`)
    await delay(LOOK_MS)
  }
}

function allOf(gateway: Gateway): number[] {
  return [gateway.child.pid!, ...gateway.children('main.ts')]
}

/** What the record and the evidence say in the end. */
interface Found {
  rolledBack: string[]
  brokenDraws: number
  /** They run or have measured, and their canaries got requests. */
  comparing: number
  requests: number
}

async function found(gateway: Gateway): Promise<Found> {
  const store = new SqliteStore(join(gateway.folder, 'data/coalmine.db'))
  try {
    const rollouts = (await Promise.all(NAMES.map((model) => store.rollouts({ model, limit: 1 })))).flat()
    const events = await store.events({ limit: 1_000 })
    return {
      rolledBack: events.flatMap((event) =>
        event.kind === 'rolled-back' ? [`${event.model}: ${event.because}`] : [],
      ),
      brokenDraws: rollouts.filter(({ evidence }) => evidence.broken.draw).length,
      comparing: rollouts.filter(
        ({ phase, evidence }) =>
          totalOf(evidence.tally, 'canary').requests > 0 &&
          (phase.kind === 'stepping' || (phase.kind === 'finished' && phase.outcome === 'measured')),
      ).length,
      requests: rollouts
        .flatMap(({ evidence: { tally } }) => [totalOf(tally, 'canary'), totalOf(tally, 'control')])
        .reduce((sum, { requests }) => sum + requests, 0),
    }
  } finally {
    await store.close()
  }
}

interface Use {
  startedS: number
  processes: number
  memoryMb: number
  cores: number
  seconds: number
}

function report(
  { rolledBack, brokenDraws, comparing, requests }: Found,
  { due, byStatus, failed, latencyMs }: ReturnType<ReturnType<typeof newTally>['summary']>,
  { startedS, processes, memoryMb, cores, seconds }: Use,
) {
  return {
    table: [
      ['models', 'seconds', 'requests', 'counted', 'p50 ms', 'p99 ms', 'processes', 'memory MB', 'cores'],
      [
        `${NAMES.length}`,
        ...[seconds, due, requests, latencyMs?.p50 ?? Number.NaN, latencyMs?.p99 ?? Number.NaN].map(numeral),
        ...[processes, memoryMb, cores].map(numeral),
      ],
    ],
    notes: [
      `each model at ${RPS_EACH} requests a second, Poisson, from before its rollout on; 40 % each to two copies of the stable version`,
      'counted: in the evidence of the rollouts; memory: what is shared is counted once; cores: on average',
      `answers by status: ${JSON.stringify(byStatus)}; without one: ${JSON.stringify(failed)}`,
      ...rolledBack,
    ],
    rows: [
      judged('false rollbacks', rolledBack.length, '<=', 0),
      judged('draws that look broken', brokenDraws, '<=', 0),
      // A machine that stands still for seconds takes out a worker that is healthy.
      judged('requests without a good answer, %', (100 * (due - (byStatus['200'] ?? 0))) / due, '<=', 0.1),
      judged('rollouts that compare, or have measured', comparing, '>=', NAMES.length),
    ],
    information: [{ name: 'until all rollouts had begun', figure: startedS, unit: 's' }],
  }
}
