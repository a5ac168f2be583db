import { isDeepStrictEqual } from 'node:util'
import { replay } from '@coalmine/core/rollout/tick.ts'
import type { Experiment, Outcome } from '../experiment.ts'
import { live } from '../live.ts'
import { errorRate, latency, policyOf, referencesOf, scores } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { shuffledThrough } from '../shards.ts'
import type { World } from '../stream.ts'
import { changingWorld, type Generated, MEAN_MOVED, type Quality, steadyWorld, truthOf } from '../worlds.ts'

/** Whole rollouts through the controller's own functions: 5, 10, 25, 50 %, a minute each at least. */
const RATE = 100
const MOST_SECONDS = 2500
const ALL: Generated = { latency: true, scores: true }
const STABLE: Quality = { errorRate: 0.002 }

const POLICY = policyOf([errorRate(0.001, 0.005, 0.4), latency(0.05, 0.1, 0.4), scores('ks', 0.02, 0.1, 0.2)])

interface Case {
  readonly key: string
  readonly name: string
  readonly world: World
}

const against = (canary: Quality): World => steadyWorld(RATE, STABLE, canary, ALL)

export const ROLLOUT_CASES: readonly Case[] = [
  { key: 'same', name: 'the same version', world: against(STABLE) },
  {
    key: 'drift',
    name: 'the same version, errors x 10 and latency + 60 % drift',
    world: drifting(),
  },
  { key: 'faster', name: 'a canary 10 % faster', world: against({ ...STABLE, slowdown: 0.9 }) },
  { key: 'errors', name: 'errors 0.2 to 1 %', world: against({ errorRate: 0.01 }) },
  { key: 'margin', name: 'errors 0.2 to 0.7 % (the margin)', world: against({ errorRate: 0.007 }) },
  { key: 'slow', name: 'latency x 1.2', world: against({ ...STABLE, slowdown: 1.2 }) },
  { key: 'slow-margin', name: 'latency x 1.10 (the margin)', world: against({ ...STABLE, slowdown: 1.1 }) },
  { key: 'scores', name: 'mean score + 0.05', world: against({ ...STABLE, scoreCdf: MEAN_MOVED }) },
]

function drifting(): World {
  const truth = (second: number) =>
    truthOf(
      {
        errorRate: 0.002 * 10 ** Math.min(1, second / 1000),
        slowdown: 1 + Math.round(12 * Math.min(1, second / 1000)) / 20,
      },
      ALL,
    )
  return changingWorld(RATE, truth, truth, ALL)
}

export const rolloutName = (key: string): string => `rollout: ${key}`

export const ROLLOUTS: readonly Experiment[] = ROLLOUT_CASES.map(({ key, world }) => ({
  name: rolloutName(key),
  run: (seed) => {
    const sampler = new Sampler(seedBytes(seed))
    const { end, records, requests, canaryRequests, seconds } = live(
      sampler,
      POLICY,
      referencesOf(0.002),
      world,
      MOST_SECONDS,
    )
    const outcome = end.phase.kind === 'finished' ? end.phase.outcome : 'undecided'
    return {
      promoted: outcome === 'promoted' ? 1 : 0,
      rolledBack: outcome === 'rolled-back' ? 1 : 0,
      requests,
      canaryRequests,
      seconds,
      decisions: records.length,
      replayedOtherwise: records.filter(
        (record) => !isDeepStrictEqual(replay(record, POLICY), record.decision),
      ).length,
    }
  },
}))

/** The same requests counted by 1, 4 and 16 processes: the rollouts must not differ in anything. */
export const SHARDS: Experiment = {
  name: 'shards',
  run: (seed): Outcome => {
    const lives = [1, 4, 16].map((processes) => {
      const shuffler = new Sampler(seedBytes(`${seed}/${processes}`))
      const world = ROLLOUT_CASES[Number.parseInt(seed.split('/').at(-1)!, 10) % ROLLOUT_CASES.length]!.world
      return live(new Sampler(seedBytes(seed)), POLICY, referencesOf(0.002), world, 400, (released) =>
        processes === 1 ? released : shuffledThrough(shuffler, released, processes),
      )
    })
    const [one, ...others] = lives
    return {
      verdictsDiffer: others.filter(({ records }) => !isDeepStrictEqual(records, one!.records)).length,
      wealthDiffers: others.filter(
        ({ end }) => !isDeepStrictEqual(end.evidence.wealth, one!.end.evidence.wealth),
      ).length,
    }
  },
}
