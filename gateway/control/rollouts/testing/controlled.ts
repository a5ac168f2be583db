import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { weightOf } from '@coalmine/core/rollout/phase.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { around } from '@coalmine/core/rollout/testing/deployments.ts'
import { POLICY, step } from '@coalmine/core/rollout/testing/policies.ts'
import { START_MS, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import type { FencedMessage } from '../../../messages.ts'
import { MemoryStore } from '../../../store/memory.ts'
import { type Commit, type Outcome, StoreError } from '../../../store/rollout-store.ts'
import { Deployments } from '../../deployments.ts'
import { RolloutController } from '../controller.ts'
import type { KnownVersion } from '../foundations.ts'
import type { StableFacts } from '../stable-facts.ts'
import { trialOf } from '../trial.ts'
import { delta, type Told } from './deltas.ts'

const UNSCORED: KnownVersion = { manifest: { outputs: [] } }
/** Stable answers in 8 ms, and one in a hundred requests fails. */
export const FACTS: StableFacts = {
  requests: 999,
  requestsPerSecond: 100,
  errorRate: 0.01,
  unfinishedRate: 0.01,
  rejectedRate: 0,
  latency: Float64Array.from({ length: LATENCY_BINS }, (_, bin) => Number(bin === latencyBin(8))),
  p99Ms: 100,
  p999Ms: 1000,
}
/** Steps of five seconds that ask for no proof but the last. */
export const QUICK: Policy = {
  ...POLICY,
  steps: [500, 1000, 2500].map((weightBp) => step(weightBp, 1, { minDurationMs: 5000 })),
}

/** A store whose commits fail: before they are made, or when they were and nobody hears of it. */
export class FragileStore extends MemoryStore {
  fails: 'before' | 'after' | undefined
  readonly made: Commit[] = []

  override async commit(commits: readonly Commit[]): Promise<Outcome[]> {
    if (this.fails === 'before') throw new StoreError('the disk is full')
    const outcomes = await super.commit(commits)
    this.made.push(...commits.filter((_, i) => outcomes[i] === 'committed'))
    if (this.fails === 'after') throw new StoreError('the connection broke')
    return outcomes
  }
}

interface Process {
  incarnation: string
  recording?: string
  sequence: number
  told: number
}

/** What one second of a process is like. */
export type Second = Pick<Told, 'requests' | 'failing'>

/**
 * The controller of one control process, beside data processes that tell each second, two seconds later, of a
 * hundred requests, and a person who has a process of their own over the same store.
 */
export async function controlled({
  rollouts = [started({ policy: QUICK })],
  processes = 1,
  store: kept,
}: {
  rollouts?: readonly Rollout[]
  processes?: number
  /** Of a process before: its rollouts go on. */
  store?: FragileStore
} = {}) {
  const store = kept ?? new FragileStore()
  if (kept === undefined)
    await store.commit(
      rollouts.map((rollout) => ({ parent: { revision: 0, evaluation: 0 }, next: around(rollout) })),
    )
  store.made.length = 0
  const world = {
    processes,
    facts: FACTS as StableFacts | undefined,
    ready: true,
    withheld: false,
    version: () => UNSCORED,
    stableFacts: () => world.facts,
    timeoutMs: () => 500,
  }
  const clock = { nowMs: START_MS }
  const sent: FencedMessage[] = []
  const deployments = new Deployments(store, () => {})
  const person = new Deployments(store, () => {})
  await deployments.load()
  const controller = new RolloutController({
    deployments,
    now: () => clock.nowMs,
    send: (message) => sent.push(message),
    world: {
      ...world,
      stableFacts: () => world.facts,
      ready: () => world.ready,
      withheld: () => world.withheld,
    },
  })
  const living: Process[] = Array.from({ length: processes }, (_, i) => ({
    incarnation: `${i}`,
    sequence: 0,
    told: START_MS / 1000 - 3,
  }))
  let lives = processes

  const rollout = (): Rollout | undefined => deployments.get('churn').rollout
  const anew = (process: Process, recording: string | undefined) => {
    process.incarnation = `${lives++}`
    process.sequence = 0
    if (recording !== undefined) process.recording = recording
  }
  /** A process says what closed since it last did; it follows the table, and hears that it is fenced. */
  function tell(process: Process, told: Second = {}, lost = false): void {
    const running = rollout()
    if (running === undefined) return
    const { recording } = trialOf(running, UNSCORED.manifest)
    const isFenced = sent.some(({ incarnations }) => incarnations.includes(process.incarnation))
    const through = Math.floor(clock.nowMs / 1000) - 2
    if (process.recording !== recording || isFenced) {
      anew(process, recording)
      process.told = through
    }
    const seconds = Array.from(
      { length: Math.max(0, through - process.told) },
      (_, i) => process.told + 1 + i,
    )
    const { incarnation, sequence } = process
    process.sequence++
    process.told = through
    if (lost) return
    const weightBp = weightOf(running.phase)
    controller.accept(
      delta({ requests: 100, ...told, recording, incarnation, sequence, through, seconds, weightBp }),
    )
  }

  return {
    store,
    deployments,
    controller,
    world,
    clock,
    sent,
    processes: living,
    rollout,
    tell,
    /** The process ends without a word, and another one comes in its place. */
    replace: (process: Process) => {
      anew(process, undefined)
      process.told = Math.floor(clock.nowMs / 1000) - 2
    },
    /** So many seconds in which every process tells and the controller has a turn. */
    async seconds(count: number, told: Second = {}) {
      for (let i = 0; i < count; i++) {
        clock.nowMs += 1000
        for (const process of living) tell(process, told)
        await controller.tick()
      }
    },
    /** What a person does, who sees what is stored. */
    act: (intent: Intent) =>
      person.change('churn', () => intent, { actor: 'ann', reason: 'test', nowMs: clock.nowMs }),
    stored: async () => (await store.read('churn')) as Deployment,
    events: async () =>
      (await store.events({ model: 'churn', limit: 1000 })).reverse().map(({ kind }) => kind),
  }
}
