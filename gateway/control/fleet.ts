import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { log } from '@coalmine/contract/log.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { comparesLatency, isAA } from '@coalmine/core/rollout/rollout.ts'
import type { GatewayConfig, ModelConfig } from '../config/gateway-config.ts'
import type { OwnArm, WorkerReport, WorkerSpec } from '../messages.ts'
import type { Target } from './monitor.ts'
import { resolveOrigins } from './resolve.ts'
import { socketPath } from './socket-path.ts'

/** Which workers should run and which endpoints exist, from the configuration and what is deployed. */
export class Fleet {
  readonly #folder: string
  readonly #reports = new Map<string, WorkerReport>()
  /** The last addresses that a URL's name had: a resolver that fails takes nothing away. */
  readonly #origins = new Map<string, string[]>()
  #resolving = false
  #workers: WorkerSpec[] = []
  #statics: { model: string; version: string; url: string; arm?: OwnArm }[] = []

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, 'run')
  }

  plan(config: GatewayConfig, deployments: readonly Deployment[], view: FleetView): void {
    const before = this.#workers
    this.#workers = []
    this.#statics = []
    for (const deployment of deployments) {
      const model = config.models[deployment.model]!
      if (model.runtime.kind === 'process') {
        const wanted = this.#specs(config, model, deployment, view)
        this.#workers.push(...wanted, ...lingering(before, wanted, view))
      } else {
        const { endpoints, baseline } = model.runtime
        for (const [version, urls] of Object.entries(endpoints))
          for (const url of urls) this.#statics.push({ model: deployment.model, version, url })
        for (const [version, urls] of Object.entries(baseline))
          for (const url of urls)
            this.#statics.push({ model: deployment.model, version, url, arm: 'baseline' })
      }
    }
  }

  /** Every name of the model's endpoints has been looked up with success at least once. */
  resolved(model: string): boolean {
    return this.#statics.every((given) => given.model !== model || this.#origins.has(given.url))
  }

  /** Looks up the names of static endpoints anew, one round at a time; true when an address came or went. */
  async resolve(): Promise<boolean> {
    if (this.#resolving) return false
    this.#resolving = true
    try {
      return await this.#resolveAll()
    } finally {
      this.#resolving = false
    }
  }

  async #resolveAll(): Promise<boolean> {
    const urls = [...new Set(this.#statics.map(({ url }) => url))]
    const changes = await Promise.all(urls.map((url) => this.#resolveOne(url)))
    return changes.includes(true)
  }

  async #resolveOne(url: string): Promise<boolean> {
    const before = this.#origins.get(url)
    try {
      const origins = await resolveOrigins(url)
      this.#origins.set(url, origins)
      return origins.join() !== before?.join()
    } catch (error) {
      if (before) return false
      log.warn('the name of an endpoint could not be resolved', {
        url,
        code: (error as NodeJS.ErrnoException).code,
      })
      return false
    }
  }

  workers(): WorkerSpec[] {
    return this.#workers
  }

  reported(report: WorkerReport): void {
    if (report.state === 'stopped') this.#reports.delete(report.id)
    else this.#reports.set(report.id, report)
  }

  worker(id: string): WorkerReport | undefined {
    return this.#reports.get(id)
  }

  targets(model: string): Target[] {
    return this.allTargets().filter((target) => target.model === model)
  }

  allTargets(): Target[] {
    const own = this.#workers.map(({ id, model, version, arm, socketPath }) => ({
      id,
      model,
      version,
      ...(arm && { arm }),
      socketPath,
      origin: 'http://localhost',
    }))
    const given = this.#statics.flatMap(({ model, version, arm, url }) =>
      (this.#origins.get(url) ?? []).map((origin) => ({
        id: `${model}/${arm ? `${version}@${arm}` : version}/${origin}`,
        model,
        version,
        ...(arm && { arm }),
        origin,
      })),
    )
    return [...own, ...given]
  }

  /**
   * Running: stable, canary, previous (for an instant way back), what the configuration keeps and what is being
   * prepared; beside them the arms that have workers of their own. Stable first. A faulty version is not started; one
   * that runs already goes on.
   */
  #specs(
    { modelsFolder }: GatewayConfig,
    { replicas, keep, limits: { bodyBytes, instances, jsonDepth, jsonKeys } }: ModelConfig,
    deployment: Deployment,
    view: FleetView,
  ): WorkerSpec[] {
    const { model } = deployment
    const versions = [...versionsOf(deployment, view.nowMs), ...keep, ...view.preparing(model)]
    const shared = [...new Set(versions)].map((version): Role => ({ version }))
    const settings = { modelsFolder, bodyBytes, instances, jsonDepth, jsonKeys }
    const generation = createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 6)
    return [...shared, ...armsOf(deployment)].flatMap(({ version, arm }) =>
      Array.from({ length: replicas }, (_, index) => {
        // A version may be called 1.0.0-baseline, and none has an @ in its name.
        const role = arm === undefined ? version : `${version}@${arm}`
        const slot = `${model}/${role}/${index}`
        const name = `${model}-${role}-${index}-${generation}`
        return {
          id: `${slot}/${generation}`,
          slot,
          model,
          version,
          ...(arm && { arm }),
          socketPath: socketPath(this.#folder, name),
          ...settings,
        }
      }).filter(({ id }) => view.startable(model, version) || view.running(id)),
    )
  }
}

interface Role {
  version: string
  arm?: OwnArm
}

function versionsOf({ stable, split, rollout, previous }: Deployment, nowMs: number): string[] {
  const warm = previous !== undefined && nowMs < (previous.warmUntilMs ?? Number.POSITIVE_INFINITY)
  return [
    stable?.version,
    split?.canary.version,
    rollout?.canary.version,
    rollout?.stable.version,
    warm ? previous.version : undefined,
  ].filter((version) => version !== undefined)
}

/** While versions are compared the baseline is stable once more, and so is the canary when stable is tried itself. */
function armsOf({ rollout }: Deployment): Role[] {
  if (rollout === undefined) return []
  const { version } = rollout.stable
  return [
    ...(comparesLatency(rollout) ? [{ version, arm: 'baseline' } as const] : []),
    ...(isAA(rollout) ? [{ version, arm: 'canary' } as const] : []),
  ]
}

/** What planning needs to know of the world. */
export interface FleetView {
  /** The time of the evidence. */
  nowMs: number
  healthy(id: string): boolean
  /** Its process runs and was ready, as the supervisor says. */
  running(id: string): boolean
  /** The version's folder is whole. */
  startable(model: string, version: string): boolean
  /** Versions that are to run before they are given anything. */
  preparing(model: string): readonly string[]
}

/** Workers of other settings stay until the one in their place is healthy. */
function lingering(
  before: readonly WorkerSpec[],
  wanted: readonly WorkerSpec[],
  view: FleetView,
): WorkerSpec[] {
  const next = new Map(wanted.map((spec) => [spec.slot, spec]))
  return before.filter((old) => {
    const successor = next.get(old.slot)
    return successor !== undefined && successor.id !== old.id && !view.healthy(successor.id)
  })
}
