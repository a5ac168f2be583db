import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnWorker } from '../../worker/testing/worker-process.ts'
import { Gateway, ROOT, until } from '../e2e/gateway-process.ts'
import { type FaultProxy, startFaultProxy } from '../faults/proxy.ts'

/** Whose worker a proxy stands before. Each arm has one of the same kind, so that none is slower by it. */
export type Arm = 'stable' | 'baseline' | 'canary'

/** The name of a version whose model is that of 1.0.0: whatever it differs by is a fault. */
export const TWIN = '1.0.1'

export interface StageSettings {
  /** A version of churn beside 1.0.0, or its twin. */
  canary: string
  /** The text of the policy `stage`. */
  policy: string
  processes?: number
}

/** A whole gateway before real workers of churn, each behind a proxy that can harm its predictions. */
export interface Stage {
  readonly gateway: Gateway
  readonly proxies: Readonly<Record<Arm, FaultProxy>>
  /** Tries the canary by the policy. @returns why the planner thinks that this cannot be decided; a person insists then */
  startRollout(reason: string): Promise<string | undefined>
  close(): Promise<void>
}

export async function startStage({ canary, policy, processes = 1 }: StageSettings): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-stage-'))
  const arms = { stable: '1.0.0', baseline: '1.0.0', canary } as const
  const models = join(folder, 'models')
  cpSync(join(ROOT, 'models'), models, { recursive: true })
  publishTwin(models)
  const closing: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const end of closing.toReversed()) await end()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const proxies = {} as Record<Arm, FaultProxy>
    for (const arm of Object.keys(arms) as Arm[]) {
      const socket = join(folder, `${arm}.sock`)
      const version = arms[arm]
      const worker = spawnWorker(
        [
          '--models',
          models,
          '--model',
          'churn',
          '--version',
          version,
          '--socket',
          socket,
          '--die-with-stdin',
        ],
        { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      )
      closing.push(async () => {
        worker.child.stdin!.end()
        await worker.exited
      })
      const { ready, reason } = await worker.ready
      if (!ready) throw new Error(`the worker of ${version} is not ready: ${reason}`)
      const proxy = await startFaultProxy({ to: { socket }, seed: arm })
      proxies[arm] = proxy
      closing.push(() => proxy.close())
    }
    const gateway = await Gateway.start({
      processes,
      modelsFolder: models,
      policies: { stage: policy },
      models: `  churn:
    initial: 1.0.0
    policy: stage
    runtime:
      static: { 1.0.0: ['${proxies.stable.address}'], ${canary}: ['${proxies.canary.address}'] }
      baseline: { 1.0.0: ['${proxies.baseline.address}'] }`,
    })
    closing.push(() => gateway.dispose())
    const start = (reason: string, force: boolean) =>
      gateway.admin('/api/v1/models/churn/rollout', { method: 'POST', json: { canary, reason, force } })
    const startRollout = async (reason: string) => {
      const answer = await start(reason, false)
      if (answer.ok) return undefined
      const { code, detail } = (await answer.json()) as { code: string; detail: string }
      if (code !== 'cannot-be-decided' || !(await start(reason, true)).ok)
        throw new Error(`the rollout was refused: ${detail}`)
      return detail
    }
    await until(async () => (await gateway.predict()).status === 200)
    return { gateway, proxies, startRollout, close }
  } catch (error) {
    await close()
    throw error
  }
}

function publishTwin(models: string): void {
  const folder = join(models, 'churn', TWIN)
  cpSync(join(models, 'churn/1.0.0'), folder, { recursive: true })
  const file = join(folder, 'model.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^version: .*$/m, `version: ${TWIN}`))
}
