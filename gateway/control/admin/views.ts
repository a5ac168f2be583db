import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Freeze } from '@coalmine/core/rollout/freeze.ts'
import type { Control } from '../control.ts'
import type { ObservedWeights } from '../observed-weight.ts'

/** Stored facts in the form of the wire. */

export function rolloutView(control: Control, observed: ObservedWeights, frozen: boolean, model: string) {
  const { revision, stable, previous, split } = control.deployment(model)
  const given = control.tableOf(model)?.weightBp ?? 0
  return {
    model,
    revision,
    stable: stable ?? null,
    previous: previous ?? null,
    split: split
      ? {
          canary: split.canary,
          serial: split.serial,
          phase: split.weightBp > 0 && given === 0 ? ('preparing' as const) : ('split' as const),
          weightPercent: {
            configured: percent(split.weightBp),
            observed: rounded(observed.share(model, 'canary', split.canary.version)),
          },
          startedAt: iso(split.startedAtMs),
          startedBy: split.actor,
        }
      : null,
    frozen,
  }
}

export function modelView(control: Control, observed: ObservedWeights, frozen: boolean, model: string) {
  const deployment = control.deployment(model)
  const { drift, pending } = control.drift(model)
  return {
    ...rolloutView(control, observed, frozen, model),
    versions: control.catalog.versions(model).map(({ version, digest, manifest }) => ({
      version,
      digest,
      description: manifest.description ?? null,
      role: roleOf(deployment, version),
    })),
    faults: control.catalog.faults(model),
    endpoints: control.endpoints(model).map(({ id, version, healthy, reason, worker }) => ({
      id,
      version,
      healthy,
      reason: reason ?? null,
      worker: worker ? { state: worker.state, pid: worker.pid ?? null, reason: worker.reason ?? null } : null,
    })),
    drift: drift.map(({ sentence }) => sentence),
    pending: [...pending],
  }
}

export function decisionView({ kind, atMs, actor, reason, because, before, after }: DeploymentEvent) {
  return { kind, at: iso(atMs), actor, reason, because, before: side(before), after: side(after) }
}

export function freezeView(freeze: Freeze) {
  if (!freeze.frozen) return { frozen: false, reason: null, actor: null, since: null }
  return { frozen: true, reason: freeze.reason, actor: freeze.actor, since: iso(freeze.sinceMs) }
}

function roleOf({ stable, split, previous }: Deployment, version: string) {
  if (version === stable?.version) return 'stable' as const
  if (version === split?.canary.version) return 'canary' as const
  return version === previous?.version ? ('previous' as const) : ('available' as const)
}

function side({ revision, weightBp, stable, canary }: DeploymentEvent['before']) {
  return { revision, weightPercent: percent(weightBp), stable: stable ?? null, canary: canary ?? null }
}

function percent(bp: number): number {
  return bp / 100
}

function rounded(share: number | undefined): number | null {
  return share === undefined ? null : Math.round(share * 10_000) / 100
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
