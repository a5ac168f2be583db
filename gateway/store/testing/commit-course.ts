import { canaryWeightBp, type Deployment, emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import type { TickChange } from '@coalmine/core/rollout/rollout-step.ts'
import { changed, startedIn, turned } from '@coalmine/core/rollout/testing/deployments.ts'
import { ref, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond } from '@coalmine/core/rollout/testing/windows.ts'
import { type Commit, parentOf } from '../rollout-store.ts'

/** How long a rollout of the course lasts, in evaluations. */
const ROLLOUT_TICKS = 20

/**
 * The next of the commits that the process makes which the tests kill: one rollout after the other that ticks, is paused
 * and resumed, and aborted. It follows from the deployment alone, so that everybody knows the course.
 */
export function nextCommit(deployment: Deployment): Commit {
  const { next, ended, event } = nextChange(deployment)
  return { parent: parentOf(deployment), next, ...(ended && { ended }), ...(event && { event }) }
}

/** The course from its beginning, for ever: what each commit leaves, and the commit. */
export function* course(): Generator<Commit> {
  for (let deployment = emptyDeployment('churn'); ; ) {
    const commit = nextCommit(deployment)
    yield commit
    deployment = commit.next
  }
}

function nextChange(deployment: Deployment): TickChange {
  const { stable, rollout } = deployment
  if (stable === undefined) return changed(deployment, { kind: 'initialise', stable: ref('1.0.0') })
  if (rollout === undefined) return changed(deployment, startOf(deployment))
  const { phase, evaluation } = rollout
  if (evaluation >= ROLLOUT_TICKS) return changed(deployment, { kind: 'act', action: { kind: 'abort' } })
  if (phase.kind === 'stepping' && evaluation % 4 === 3)
    return changed(deployment, { kind: 'act', action: { kind: 'pause' } })
  if (phase.kind === 'paused' && evaluation % 4 === 0)
    return changed(deployment, { kind: 'act', action: { kind: 'resume' } })
  const second = START_MS / 1000 + evaluation
  const released = fairSecond(second, canaryWeightBp(deployment), 1000)
  return turned(deployment, released, { nowMs: (second + 2) * 1000 })
}

function startOf(deployment: Deployment): Intent {
  const canary = ref(`1.1.${deployment.serial}`)
  return { kind: 'start-rollout', rollout: startedIn(deployment, { canary }) }
}
