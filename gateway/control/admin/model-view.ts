import { canaryOf, type Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Suggestion } from '@coalmine/core/rollout/tolerances.ts'
import { rolloutBrief, rolloutSummary, rolloutView, type Seen, versionView } from './rollout-view.ts'
import { iso, percent, percentOf } from './units.ts'

/** Who gets what of a model, with the rollout that runs or the one that ended last. */
export async function trafficView(seen: Seen, model: string) {
  const { control } = seen
  const { frozen } = await control.store.freeze()
  const last = await seen.lastEnded.of(model, control.deployment(model).revision)
  return {
    ...served(seen, frozen, model),
    rollout: rolloutView(seen, model),
    last: last ? rolloutSummary(last, control.nowMs()) : null,
    suggestions: control.rollouts.suggestions(model).map(suggestionView),
  }
}

export function modelView(seen: Seen, frozen: boolean, model: string) {
  const { control } = seen
  const deployment = control.deployment(model)
  const { drift, pending } = control.drift(model)
  return {
    ...served(seen, frozen, model),
    rollout: rolloutBrief(seen, model),
    versions: control.catalog.versions(model).map(({ version, digest, manifest }) => ({
      version,
      digest,
      description: manifest.description ?? null,
      role: roleOf(deployment, version),
    })),
    faults: control.catalog.faults(model),
    endpoints: control.endpoints(model).map(({ id, version, arm, healthy, reason, worker }) => ({
      id,
      version,
      arm: arm ?? null,
      healthy,
      reason: reason ?? null,
      worker: worker ? { state: worker.state, pid: worker.pid ?? null, reason: worker.reason ?? null } : null,
    })),
    drift: drift.map(({ sentence }) => sentence),
    pending: [...pending],
  }
}

function served({ control, traffic }: Seen, frozen: boolean, model: string) {
  const { revision, stable, previous, split } = control.deployment(model)
  return {
    model,
    revision,
    stable: stable ? versionView(stable) : null,
    previous: previous
      ? {
          ...versionView(previous),
          warmUntil: previous.warmUntilMs === undefined ? null : iso(previous.warmUntilMs),
        }
      : null,
    split: split
      ? {
          canary: versionView(split.canary),
          serial: split.serial,
          phase: control.withheld(model) !== undefined ? ('preparing' as const) : ('split' as const),
          weightPercent: {
            configured: percent(split.weightBp),
            observed: percentOf(traffic.share(model, 'canary', split.canary.version)),
          },
          startedAt: iso(split.startedAtMs),
          startedBy: split.actor,
        }
      : null,
    frozen,
  }
}

function suggestionView({ name, metric, raised, tolerate, margin, sentence }: Suggestion) {
  return { name, metric, raised, tolerate, margin, sentence }
}

/** A promoted version that is watched is stable, and the one before it the way back. */
function roleOf(deployment: Deployment, version: string) {
  const { stable, previous } = deployment
  if (version === stable?.version) return 'stable' as const
  if (version === canaryOf(deployment)?.version) return 'canary' as const
  return version === previous?.version ? ('previous' as const) : ('available' as const)
}
