import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Stage, startStage, TWIN } from '../test/stage/stage.ts'
import { type Child, children } from './children.ts'
import type { Benchmark } from './main.ts'
import { judged, NoVerdict, numeral, type Row } from './report.ts'
import { policyOf, SCENARIOS, type Scenario } from './rollbacks/scenarios.ts'
import { median } from './rounds.ts'

/** The real gateway, real workers, faults by proxies beside them, requests that come whatever the answers do. */
export const rollbacks: Benchmark = {
  says: 'from a fault of the canary to a weight of 0, and what clients saw of it',
  run,
}

const RPS = 500
const ROUNDS = { full: 11, quick: 3 }
const LOAD = fileURLToPath(new URL('../test/demo/load.ts', import.meta.url))
/** No round waits longer: a fault that is not found is a figure too. */
const ROUND_MOST_S = 180
const LOOK_MS = 50
const COUNTED_MS = 2_500

interface Round {
  seconds: number
  /** What the canary's worker gave instead of good answers. */
  harmed: number
  /** What clients got of the canary that was not 200. */
  seen: number
  because: string
}

async function run(quick: boolean) {
  const table = [['fault at a weight of 5 %', 'rounds', 'median s', 'slowest s', 'harmed', 'seen']]
  const rows: Row[] = []
  const reasons: string[] = []
  for (const scenario of SCENARIOS) {
    const rounds = await roundsOf(scenario, quick ? ROUNDS.quick : ROUNDS.full)
    const seconds = rounds.map((round) => round.seconds)
    const sum = (of: (round: Round) => number) => rounds.reduce((total, round) => total + of(round), 0)
    const seen = sum((round) => round.seen)
    table.push([
      scenario.name,
      `${rounds.length}`,
      numeral(median(seconds)),
      numeral(Math.max(...seconds)),
      numeral(sum((round) => round.harmed)),
      numeral(seen),
    ])
    const name = `${scenario.name}: median s to a weight of 0`
    rows.push(judged(name, median(seconds), '<=', scenario.limitSeconds))
    rows.push(judged(`${scenario.name}: bad answers of the canary's seen by clients`, seen, '<=', 0))
    reasons.push(`${scenario.name}: "${rounds[0]!.because}"`)
  }
  return {
    table,
    notes: [
      `${RPS} requests a second, Poisson, one data process; workers of churn 1.0.0 (stable, baseline) and of a version with the same model (canary), each behind a proxy`,
      'seen: of the canary; where stable itself fails, clients see that: with one endpoint there is nobody else to ask',
      ...reasons,
    ],
    rows,
    information: [],
  }
}

async function roundsOf(scenario: Scenario, count: number): Promise<Round[]> {
  const stage = await startStage({ canary: TWIN, policy: policyOf(scenario) })
  try {
    const rounds: Round[] = []
    for (let i = 0; i < count; i++) rounds.push(await roundOf(scenario, stage, i === 0))
    return rounds
  } finally {
    await stage.close()
  }
}

async function roundOf(
  scenario: Scenario,
  { gateway, proxies, startRollout }: Stage,
  first: boolean,
): Promise<Round> {
  for (const proxy of Object.values(proxies)) proxy.fault = scenario.before
  const load = startLoad(`http://127.0.0.1:${gateway.ports.data}/v1/models/churn:predict`)
  try {
    await delay(3_000)
    if (first) await startRollout('a fault is coming')
    else await act(gateway, 'retry')
    await until(gateway, 'begun')
    await delay(scenario.settleSeconds * 1000)
    const { harmed } = proxies.canary.counts
    const seenBefore = await badAnswers(gateway)
    const beganMs = performance.now()
    proxies.canary.fault = scenario.after
    const row = await until(gateway, 'rolled-back')
    const seconds = (performance.now() - beganMs) / 1000
    // Data processes tell what they counted each second.
    await delay(COUNTED_MS)
    return {
      seconds,
      harmed: proxies.canary.counts.harmed - harmed,
      seen: (await badAnswers(gateway)) - seenBefore,
      because: row.because,
    }
  } finally {
    await load.stop()
  }
}

type Gateway = Stage['gateway']
interface Decided {
  kind: string
  because: string
}

async function act(gateway: Gateway, verb: string): Promise<void> {
  const answer = await gateway.admin(`/api/v1/models/churn/rollout/${verb}`, {
    method: 'POST',
    json: { reason: 'another round' },
  })
  if (!answer.ok) throw new NoVerdict(`${verb} was refused: ${await answer.text()}`)
}

/** Waits until the newest row of the decision record is of this kind. */
async function until(gateway: Gateway, kind: string): Promise<Decided> {
  const endMs = performance.now() + ROUND_MOST_S * 1000
  while (performance.now() < endMs) {
    const answer = await gateway.admin('/api/v1/models/churn/decisions?limit=1')
    const { decisions } = (await answer.json()) as { decisions: Decided[] }
    if (decisions[0]?.kind === kind) return decisions[0]
    await delay(LOOK_MS)
  }
  throw new NoVerdict(`no decision "${kind}" came within ${ROUND_MOST_S} s:\n${gateway.output.slice(-2000)}`)
}

function startLoad(url: string): Child {
  return children.spawn('the load', [
    process.execPath,
    ...[LOAD, '--url', url, '--rps', `${RPS}`, '--seconds', '600'],
  ])
}

/** Since the gateway began: answers by the canary's version other than 200, as the gateway counts what it sends. */
async function badAnswers(gateway: Gateway): Promise<number> {
  const counts = [...(await gateway.metrics()).matchAll(/^coalmine_responses_total\{([^}]*)\} (\d+)$/gm)]
  return counts
    .filter(([, labels]) => labels!.includes(`version="${TWIN}"`) && !labels!.includes('code="200"'))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}
