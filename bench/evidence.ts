import { getHeapStatistics } from 'node:v8'
import { assess } from '@coalmine/core/evidence/assessment.ts'
import type { Released } from '@coalmine/core/evidence/counts.ts'
import { beginStep, type Evidence, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import { encodeEvidence } from '@coalmine/core/evidence/evidence-bytes.ts'
import { Recorder } from '@coalmine/core/evidence/recorder.ts'
import {
  aSecond,
  HEALTHY,
  healthyReferences,
  stratumOf,
  table,
  uniform,
  WIDEST_POLICY,
} from '@coalmine/core/evidence/testing/traffic.ts'
import { drawArm } from '@coalmine/core/routing/draw.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { Benchmark } from './main.ts'
import { judged } from './report.ts'

/** What a rollout costs: the data processes each request, the control process each second of traffic, for days. */
export const evidence: Benchmark = {
  says: 'one evaluation of a rollout with every metric, the state it keeps, recording a request',
  run,
}

const REQUESTS = 500
const WEIGHT_BP = 500
/** Distinct seconds; they come again and again under later times. */
const SECONDS = 40
const EVALUATIONS = 20_000
const STRATA = 20
const STRATA_IN_TALLY = 12

/** @param quick half of the evaluations */
async function run(quick: boolean) {
  const policy = WIDEST_POLICY
  const random = uniform(1)
  const evaluations = quick ? EVALUATIONS / 2 : EVALUATIONS
  const seconds = traffic(WEIGHT_BP, SECONDS)
  let now = 0
  let state = beginStep(policy, startEvidence(policy, healthyReferences(), 4), now)

  const observeUs: number[] = []
  const assessUs: number[] = []
  // The first fifth warms up: the baseline is learned, and the code is compiled.
  for (let i = 0; i < 1.2 * evaluations; i++) {
    const released = at(seconds[i % SECONDS]!, now++)
    const startMs = performance.now()
    state = observe(policy, state, released)
    const observedMs = performance.now()
    assess(policy, state)
    const assessedMs = performance.now()
    if (i < 0.2 * evaluations) continue
    observeUs.push((observedMs - startMs) * 1000)
    assessUs.push((assessedMs - observedMs) * 1000)
  }
  const bothUs = observeUs.map((us, i) => us + assessUs[i]!)

  const setUpMs = Array.from({ length: STRATA }, (_, i) => {
    const released = at(traffic(WEIGHT_BP + 10 * (i + 1), 1)[0]!, now++)
    const startMs = performance.now()
    state = observe(policy, state, released)
    return performance.now() - startMs
  })

  const recorded = recording(quick ? 20 : 100)
  const bytes = encodeEvidence(longLived(beginStep(policy, state, now))).length

  /** Seconds of traffic with canary and baseline at a weight. */
  function traffic(weightBp: number, count: number) {
    const weights = { canaryBp: weightBp, baselineBp: weightBp }
    return Array.from({ length: count }, () => aSecond(random, 0, weights, REQUESTS, HEALTHY))
  }

  /** With the baseline halfway through being learned anew, and counts of weeks. */
  function longLived(evidence: Evidence): Evidence {
    let learning = evidence
    for (let i = 0; i < 20; i++) learning = observe(policy, learning, at(seconds[i]!, now++))
    const grown = <T extends object>(counts: T) =>
      Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, count * 10_000])) as T
    return {
      ...learning,
      tally: learning.tally.map(({ stratum, canary, control, baseline }) => ({
        stratum,
        canary: grown(canary),
        control: grown(control),
        baseline: grown(baseline),
      })),
    }
  }

  return {
    table: [
      [`a second of ${REQUESTS} requests, us`, 'p10', 'p50', 'p99'],
      ...Object.entries({ observe: observeUs, assess: assessUs, both: bothUs }).map(([name, us]) => [
        name,
        ...[0.1, 0.5, 0.99].map((p) => quantile(us, p).toFixed(1)),
      ]),
    ],
    notes: [
      `${policy.guardrails.length} guardrails and a signal, ${state.wealth.length} bets; canary and baseline at ${WEIGHT_BP / 100} %`,
    ],
    rows: [
      judged('evaluation of one second, median us', quantile(bothUs, 0.5), '<=', 100),
      judged(`first second of a new probability, median ms of ${STRATA}`, quantile(setUpMs, 0.5), '<=', 30),
      judged('recording a request, median ns of seconds', recorded.ns, '<=', 1000),
      judged('recording a request, bytes of heap', recorded.bytes, '<=', 0),
      judged(`state with ${STRATA_IN_TALLY} strata and a baseline being learned, bytes`, bytes, '<=', 16_384),
    ],
    information: [
      { name: 'slowest first second of a probability', figure: Math.max(...setUpMs), unit: 'ms' },
    ],
  }
}

const REQUESTS_A_SECOND = 20_000

/** What the recorder does of a request, drawn and answered: time, and heap that it allocates. */
function recording(seconds: number): { readonly ns: number; readonly bytes: number } {
  const recorder = new Recorder({ horizonMs: 1000, deadlineMs: 5000, scores: 64, knots: 64, classes: 2 })
  const edges = table(WEIGHT_BP)
  const stratum = stratumOf(WEIGHT_BP)
  // Drawn before: what a draw costs is not the recorder's.
  const draw = seededRandom(new Uint8Array(16).fill(7))
  const draws = Array.from({ length: REQUESTS_A_SECOND }, draw)
  const arms = draws.map((u32) => drawArm(edges, u32))
  const places = draws.map((u32) => u32 & 63)
  const second = (nowMs: number) => {
    for (let i = 0; i < REQUESTS_A_SECOND; i++) {
      const place = places[i]!
      const token = recorder.assign(nowMs, arms[i]!, stratum)
      recorder.answered(token, 1 + place, place, place, place & 1)
    }
  }
  const ns: number[] = []
  const allocated: number[] = []
  for (let index = 0; index < 1.2 * seconds; index++) {
    // Reading the heap's statistics closes a page, which is no request's: as much as around nothing is left out.
    const around = bytesOf(() => {})
    const startMs = performance.now()
    const bytes = bytesOf(() => second(index * 1000))
    const tookMs = performance.now() - startMs
    // The first fifth compiles.
    if (index >= 0.2 * seconds) {
      allocated.push((bytes - around) / REQUESTS_A_SECOND)
      ns.push((tookMs * 1e6) / REQUESTS_A_SECOND)
    }
    recorder.drain((index + 1) * 1000)
  }
  return { ns: quantile(ns, 0.5), bytes: Math.max(0, Math.round(quantile(allocated, 0.5))) }
}

function bytesOf(work: () => void): number {
  const before = getHeapStatistics().total_allocated_bytes
  work()
  return getHeapStatistics().total_allocated_bytes - before
}

/** The same counts at another time. */
function at({ early, final, labels }: ReturnType<typeof aSecond>, second: number): Released {
  return {
    early: [{ ...early, second }],
    final: [{ ...final, second }],
    labels: [{ ...labels, second }],
  }
}

function quantile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(p * (values.length - 1))]!
}
