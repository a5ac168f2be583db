import { assess, loudestGroup } from '@coalmine/core/evidence/assessment.ts'
import type { EarlyCounts, Released } from '@coalmine/core/evidence/counts.ts'
import { beginStep, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import { argo } from '../baselines/argo.ts'
import { flagger } from '../baselines/flagger.ts'
import { growthbook } from '../baselines/growthbook.ts'
import { kayenta } from '../baselines/kayenta.ts'
import { kolmogorovSmirnov } from '../baselines/kolmogorov-smirnov.ts'
import { mannWhitney } from '../baselines/mann-whitney.ts'
import { oracleSprt } from '../baselines/oracle-sprt.ts'
import { peekingZ } from '../baselines/peeking-z.ts'
import { pooled } from '../baselines/pooled.ts'
import { psi } from '../baselines/psi.ts'
import type { Experiment } from '../experiment.ts'
import { normalCdf } from '../latency-shape.ts'
import { ALPHA, policyOf, production, referencesOf } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { secondOf, type World } from '../stream.ts'
import type { ArmTick, Baseline, Tick } from '../tick.ts'
import { CONSTANT, type Leg, ramped } from '../watch-evidence.ts'
import {
  changingWorld,
  type Generated,
  MEAN_MOVED,
  MEDIAN_MS,
  type Quality,
  SIGMA,
  steadyWorld,
  truthOf,
} from '../worlds.ts'

/** Every method sees the same requests: 500 looks of 500 requests. */
const RATE = 500
const LOOKS = 500
const ALL: Generated = { latency: true, scores: true }
const GOOD: Quality = { errorRate: 0.001 }

interface Scene {
  readonly key: string
  readonly name: string
  readonly world: World
  readonly legs: readonly Leg[]
  readonly isHealthy: boolean
  readonly truth?: { readonly stable: number; readonly canary: number }
}

function scene(key: string, name: string, stable: Quality, canary: Quality): Scene {
  const differ = stable.errorRate !== canary.errorRate
  return {
    key,
    name,
    world: { ...steadyWorld(RATE, stable, canary, ALL), latencyOfStable: true },
    legs: CONSTANT,
    isHealthy: stable === canary,
    ...(differ && { truth: { stable: stable.errorRate, canary: canary.errorRate } }),
  }
}

function drifting(key: string, name: string, from: number, to: number, legs: readonly Leg[]): Scene {
  const truth = (second: number) => truthOf({ errorRate: from * (to / from) ** (second / LOOKS) }, ALL)
  return {
    key,
    name,
    world: { ...changingWorld(RATE, truth, truth, ALL), latencyOfStable: true },
    legs,
    isHealthy: true,
  }
}

const half: Quality = { errorRate: 0.005 }
const one: Quality = { errorRate: 0.01 }

export const SCENES: readonly Scene[] = [
  scene('aa1', 'A/A, 0.1 %', GOOD, GOOD),
  scene('aa5', 'A/A, 0.5 %', half, half),
  scene('aa10', 'A/A, 1 %', one, one),
  drifting('drift', 'A/A, 0.1 to 2 %', 0.001, 0.02, CONSTANT),
  drifting('ramp', 'A/A, 0.2 to 2 %, ramp', 0.002, 0.02, ramped(LOOKS)),
  scene('e1', 'errors 0.1 to 0.3 %', GOOD, { errorRate: 0.003 }),
  scene('e2', 'errors 0.1 to 1 %', GOOD, { errorRate: 0.01 }),
  scene('l2', 'latency x 1.2', GOOD, { ...GOOD, slowdown: 1.2 }),
  scene('c1', 'mean score + 0.05', GOOD, { ...GOOD, scoreCdf: MEAN_MOVED }),
]

export const OURS = 'Coalmine'

/** The 99th percentile of the benchmark's service times. */
const P99_MS = MEDIAN_MS * Math.exp(SIGMA * 2.3263478740408408)
if (Math.abs(normalCdf(2.3263478740408408) - 0.99) > 1e-12) throw new Error('not the 99th percentile')

/** Checks are a minute of twelve looks each; all 41 minutes may pass. */
const METHODS: readonly Baseline[] = [
  flagger(P99_MS, 36),
  argo(P99_MS, 41),
  kayenta,
  peekingZ,
  mannWhitney,
  kolmogorovSmirnov,
  psi,
  pooled,
  growthbook,
]
export const METHOD_NAMES: readonly string[] = [
  OURS,
  ...METHODS.map(({ name }) => name),
  'SPRT that knows the rates',
]

export const sceneName = (key: string): string => `beside others: ${key}`

export const BASELINES: readonly Experiment[] = SCENES.map(({ key, world, legs, truth }) => ({
  name: sceneName(key),
  run: (seed) => {
    const sampler = new Sampler(seedBytes(seed))
    const methods = [ours(legs, world), ...METHODS, ...(truth ? [oracleSprt(truth)] : [])].map((method) => ({
      name: method.name,
      see: method.start().see,
      at: Number.POSITIVE_INFINITY,
      done: false,
    }))
    for (let look = 0; look < LOOKS; look++) {
      const { weightBp } = legs.findLast(({ fromSecond }) => fromSecond <= look)!
      const released = secondOf(sampler, world, look, weightBp, weightBp)
      const tick = asTick(released)
      for (const method of methods) {
        if (method.done) continue
        const verdict = method.see({ ...tick, released } as Tick)
        if (verdict === 'continue') continue
        method.done = true
        if (verdict === 'rollback') method.at = (look + 1) * RATE
      }
      if (methods.every(({ done }) => done)) break
    }
    return Object.fromEntries(methods.map(({ name, at }) => [name, at]))
  },
}))

/** The real evidence on the same windows. */
function ours(legs: readonly Leg[], world: World): Baseline {
  const policy = policyOf(production({ errors: 0, latency: 0.05, ks: 0.02 }))
  return {
    name: OURS,
    start: () => {
      let evidence = startEvidence(policy, referencesOf(world.stable(0, 500).errorRate), legs.length)
      let second = 0
      return {
        see: (tick) => {
          const { released } = tick as Tick & { released: Released }
          if (legs.some(({ fromSecond }) => fromSecond === second))
            evidence = beginStep(policy, evidence, second)
          second++
          evidence = observe(policy, evidence, released)
          return loudestGroup(assess(policy, evidence)).log >= Math.log(1 / ALPHA) ? 'rollback' : 'continue'
        },
      }
    },
  }
}

/** What other methods see of a second: canary beside all of stable. */
function asTick({ early }: Required<Released>): Tick {
  const { stratum, arms } = early[0]!.strata[0]!
  const arm = (parts: readonly EarlyCounts[]): ArmTick => ({
    requests: parts.reduce((sum, { requests }) => sum + requests, 0),
    errors: parts.reduce((sum, { errors }) => sum + errors, 0),
    latency: summed(parts.map(({ latency }) => latency)),
    scores: summed(parts.map(({ scores }) => scores)),
  })
  return { pi: stratum.canary, canary: arm([arms.canary]), stable: arm([arms.stable, arms.baseline]) }
}

function summed(parts: readonly ArrayLike<number>[]): ArrayLike<number> {
  if (parts.length === 1) return parts[0]!
  const out = new Uint32Array(Math.max(...parts.map(({ length }) => length)))
  for (const part of parts) for (let i = 0; i < part.length; i++) out[i]! += part[i]!
  return out
}
