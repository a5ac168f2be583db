import { breakingChanges } from '@coalmine/contract/contract-change.ts'
import { labelsOf } from '@coalmine/contract/feedback.ts'
import { log } from '@coalmine/contract/log.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Deployed, Deployment, VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { Intent, Refusal } from '@coalmine/core/rollout/intent.ts'
import type { Plan } from '@coalmine/core/rollout/plan.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { policyGaps } from '@coalmine/core/rollout/policy-gaps.ts'
import { judgedPair, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { Started } from '@coalmine/core/rollout/start-rollout.ts'
import { isUnpaired, unpaired } from '@coalmine/core/rollout/unpaired.ts'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import type { RolloutStore } from '../../store/rollout-store.ts'
import type { Catalog } from '../catalog.ts'
import type { RecentTraffic } from '../recent-traffic.ts'
import type { KnownVersion } from './foundations.ts'
import { type StableFacts, stableFacts } from './stable-facts.ts'
import { type StartWish, startedFor } from './start.ts'

export interface StarterDeps {
  readonly config: () => GatewayConfig
  readonly catalog: Catalog
  readonly traffic: RecentTraffic
  readonly store: RolloutStore
  readonly nowMs: () => number
}

/** What a person asks a rollout to be; the rest comes from the configuration. */
export interface RolloutRequest extends Pick<StartWish, 'retry' | 'measure' | 'force' | 'supersede'> {
  readonly canary: string
  /** A policy's name; the model's own when undefined. */
  readonly policy?: string
  /** Start although requests that stable accepts could fail on the canary. */
  readonly allowContractChange?: boolean
  /** Only say what would come of it; nothing is stored. */
  readonly dryRun?: boolean
}

/** What this gateway knows that a rollout is started with: versions, policies, traffic, and what was judged before. */
export class RolloutStarter {
  readonly #deps: StarterDeps

  constructor(deps: StarterDeps) {
    this.#deps = deps
  }

  /** A version of a configured model. */
  known(model: string, version: string): KnownVersion | undefined {
    const { config, catalog } = this.#deps
    const manifest = config().models[model] && catalog.version(model, version)?.manifest
    const reference = catalog.reference(model, version)
    return manifest && { manifest, ...(reference && { reference }) }
  }

  facts(model: string, stable: string): StableFacts | undefined {
    return stableFacts(this.#deps.traffic.stable(model, stable))
  }

  /** The policy of this name, the model's own when undefined, fit for where the workers run; or why there is none. */
  policy({ model, stable }: Deployment, name = this.#deps.config().models[model]?.policy): Policy | Refusal {
    const { policies, models } = this.#deps.config()
    const known = Object.keys(policies).join(', ') || 'none'
    if (name === undefined)
      return refused('policy-unknown', `${model} has no policy of its own; there are: ${known}`)
    if (!Object.hasOwn(policies, name))
      return refused('policy-unknown', `there is no policy '${name}'; there are: ${known}`)
    const { policy } = policies[name]!
    const version = stable?.version ?? models[model]!.initial
    const unknown = unknownClass(policy, this.#deps.catalog.version(model, version)?.manifest)
    if (unknown !== undefined) return refused('policy-invalid', `policy ${name} ${unknown} of ${model}`)
    if (this.#hasBaseline(model, version)) return policy
    return (
      unpaired(policy) ??
      refused(
        'policy-invalid',
        `policy ${name} compares latency alone, which takes addresses under runtime.baseline for ${version} of ${model}`,
      )
    )
  }

  /** Why requests that stable accepts could fail on the other version; undefined when they cannot. */
  incompatible(model: string, stable: string, canary: string): string | undefined {
    const [from, to] = [stable, canary].map((version) => this.#deps.catalog.version(model, version))
    if (!from || !to) return undefined
    const broken = breakingChanges(from.manifest, to.manifest)
    return broken.length > 0
      ? `${canary} breaks the request contract of ${stable}: ${broken.join('; ')}`
      : undefined
  }

  /** Earlier rollouts of the canary beside what is stable now. */
  async judged({ model, stable }: Deployment, canary: VersionRef): Promise<Rollout[]> {
    return stable === undefined ? [] : this.#deps.store.rolloutsOfPair(model, judgedPair({ stable, canary }))
  }

  /** What a person's request comes to, with what the planner expects of it. */
  async intent(
    deployment: Deployment,
    canary: VersionRef,
    { policy: name, supersede = false, allowContractChange = false, ...rest }: RolloutRequest,
    actor: string,
  ): Promise<{ readonly intent: Intent | Refusal; readonly plan?: Plan }> {
    const { model, stable } = deployment
    const policy = this.policy(deployment, name)
    if (stable === undefined)
      return { intent: refused('not-deployed', `${model} has no stable version yet; set one first`) }
    if ('kind' in policy) return { intent: policy }
    const fault = this.incompatible(model, stable.version, canary.version)
    if (fault !== undefined && !allowContractChange) return { intent: refused('contract-breaks', fault) }
    const before = await this.judged(deployment, canary)
    const started = this.started(deployment, { ...rest, supersede, canary, policy, actor }, before)
    const plan = started.plan && { ...started.plan, warnings: warningsOf(policy, started.plan) }
    const intent: Intent | Refusal =
      started.kind === 'refused'
        ? refused(started.code, started.message)
        : { kind: 'start-rollout', rollout: started.rollout, supersede }
    return { intent, ...(plan && { plan }) }
  }

  started(
    deployment: Deployed,
    wish: Omit<StartWish, 'nowMs' | 'affinity'>,
    before: readonly Rollout[],
  ): (Started | Refusal) & { readonly plan?: Plan } {
    const { model, stable } = deployment
    const [own, other] = [stable, wish.canary].map(({ version }) => this.known(model, version))
    if (!own || !other)
      return refused(
        'version-unknown',
        `too little is known of ${stable.version} or ${wish.canary.version} of ${model} to compare them`,
      )
    const unequal = this.#unequal(model, stable.version, wish)
    if (unequal !== undefined) return refused('policy-invalid', unequal)
    const { policies, models } = this.#deps.config()
    const { affinity: wished } = policies[wish.policy.name] ?? {}
    const affinity = wished === 'none' ? undefined : (wished ?? deployment.affinity)
    const started = startedFor(
      deployment,
      { ...wish, nowMs: this.#deps.nowMs(), ...(affinity && { affinity }) },
      {
        stable: own,
        canary: other,
        facts: this.facts(model, stable.version),
        timeoutMs: models[model]!.limits.timeoutMs,
        before,
      },
    )
    if (started.kind === 'started')
      for (const warning of warningsOf(wish.policy, started.plan))
        log.warn('before the rollout', { model, canary: wish.canary.version, warning })
    return started
  }

  /** Canary and baseline have the same share, so that they have the same load only with as many workers each. */
  #unequal(
    model: string,
    stable: string,
    { canary, policy }: Pick<StartWish, 'canary' | 'policy'>,
  ): string | undefined {
    const { runtime } = this.#deps.config().models[model]!
    if (runtime.kind === 'process' || !policy.guardrails.some(({ metric }) => metric === 'latency'))
      return undefined
    const [own, other] = [runtime.baseline[stable] ?? [], runtime.endpoints[canary.version] ?? []]
    return own.length === other.length
      ? undefined
      : `latency is compared under the same load, so ${canary.version} and the baseline of ${stable} need as many addresses; they have ${other.length} and ${own.length}`
  }

  /** Whether stable can have a second set of workers. */
  #hasBaseline(model: string, stable: string): boolean {
    const { runtime } = this.#deps.config().models[model]!
    return runtime.kind === 'process' || Object.hasOwn(runtime.baseline, stable)
  }
}

/** What a person should know before the start. */
function warningsOf(policy: Policy, { warnings }: Plan): readonly string[] {
  const latency = policy.signals.find(({ metric }) => metric === 'latency')
  return [
    ...warnings,
    ...policyGaps(policy),
    ...(isUnpaired(policy) && latency
      ? [
          `${latency.name} is judged and never acts: the stable version has no second set of workers (runtime.baseline) to be compared with under the same load`,
        ]
      : []),
  ]
}

export function refused(code: Refusal['code'], message: string): Refusal {
  return { kind: 'refused', code, message }
}

/** A class that the model does not know would never be labelled, and never proven. */
function unknownClass(
  { guardrails, signals }: Policy,
  manifest: Pick<Manifest, 'outputs'> | undefined,
): string | undefined {
  if (manifest === undefined) return undefined
  const known = labelsOf(manifest)
  for (const one of [...guardrails, ...signals])
    if (one.metric === 'accuracy' && one.class !== undefined && !known.includes(one.class))
      return `compares the class '${one.class}', and there are ${known.join(', ') || 'none'}`
  return undefined
}
