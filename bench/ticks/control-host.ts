import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Deployed, VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { Deployments } from '@coalmine/gateway/control/deployments.ts'
import { RolloutController } from '@coalmine/gateway/control/rollouts/controller.ts'
import type { StableFacts } from '@coalmine/gateway/control/rollouts/stable-facts.ts'
import { startedFor } from '@coalmine/gateway/control/rollouts/start.ts'
import { SqliteStore } from '@coalmine/gateway/store/sqlite.ts'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { type Known, ModelTraffic } from './traffic.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const REQUESTS_A_SECOND = 100
const TIMEOUT_MS = 10_000
const VERSIONS = ['1.0.0', '1.1.0'] as const

/** What a control process has of many rollouts, over a file of its own, in a time that only moves when it is told to. */
export interface ControlHost {
  /** The time of the evidence, in ms; always a whole second's beginning when `record` is called. */
  nowMs: number
  readonly store: SqliteStore
  readonly deployments: Deployments
  readonly controller: RolloutController
  /** Moves on by a second, in which every model has its requests. @returns how long control took to take them in, in ms */
  record(): number
}

export async function examplePolicy(): Promise<Policy> {
  const parsed = parsePolicy('churn', await readFile(join(ROOT, 'config/policies/churn.yaml'), 'utf8'))
  if (!parsed.ok) throw new Error(`the example policy is not valid: ${JSON.stringify(parsed.problems)}`)
  return parsed.file.policy
}

/**
 * @param path the store's file
 * @param policy of every rollout
 * @param spreadMs rollouts start this long after each other
 */
export async function controlHost(
  path: string,
  policy: Policy,
  { models, spreadMs }: { models: number; spreadMs: number },
): Promise<ControlHost> {
  const folders = await Promise.all(
    VERSIONS.map((version) => loadModelFolder(join(ROOT, 'models'), 'churn', version)),
  )
  const [own, other] = folders.map(({ manifest, reference }): Known => ({ manifest, reference: reference! }))
  const [stable, canary] = folders.map(({ digest }, i): VersionRef => ({ version: VERSIONS[i]!, digest }))
  const store = new SqliteStore(path)
  const deployments = new Deployments(store, () => {})
  const host = { nowMs: START_MS }
  const controller = new RolloutController({
    deployments,
    now: () => host.nowMs,
    send: () => {},
    world: {
      processes: 1,
      version: () => own,
      stableFacts: () => FACTS,
      timeoutMs: () => TIMEOUT_MS,
      ready: () => true,
      withheld: () => false,
    },
  })
  const names = Array.from({ length: models }, (_, i) => `model-${i}`)
  for (const [i, model] of names.entries()) {
    const nowMs = START_MS + i * spreadMs
    const by = { actor: 'bench', reason: 'to be measured', nowMs }
    await deployments.change(model, () => ({ kind: 'initialise', stable: stable! }), by)
    await deployments.change(
      model,
      (deployment) => {
        const started = startedFor(
          deployment as Deployed,
          { canary: canary!, policy, actor: 'bench', nowMs, force: true },
          { stable: own!, canary: other!, facts: FACTS, timeoutMs: TIMEOUT_MS, before: [] },
        )
        return started.kind === 'refused'
          ? started
          : { kind: 'start-rollout', rollout: started.rollout, supersede: false }
      },
      by,
    )
  }
  const traffics = names.map((model) => new ModelTraffic(model, own!, REQUESTS_A_SECOND))
  const record = () => {
    const deltas = traffics.flatMap((traffic, i) => {
      const deployment = deployments.get(names[i]!)
      return deployment.rollout === undefined ? [] : traffic.second(deployment as never, host.nowMs)
    })
    host.nowMs += 1000
    const beganMs = performance.now()
    for (const delta of deltas) controller.accept(delta)
    return performance.now() - beganMs
  }
  return Object.assign(host, { store, deployments, controller, record })
}

/** Midnight, in ms since the epoch. */
const START_MS = 1_800_000_000_000

/** What a minute of the traffic below has shown of the stable version. */
const FACTS: StableFacts = {
  requests: 60 * REQUESTS_A_SECOND,
  requestsPerSecond: REQUESTS_A_SECOND,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  latency: Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
    Math.exp(-(((bin - latencyBin(5)) / 40) ** 2) / 2),
  ),
  p99Ms: 20,
  p999Ms: 50,
}
