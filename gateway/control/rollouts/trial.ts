import { createHash } from 'node:crypto'
import { labelsOf } from '@coalmine/contract/feedback.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'
import { isCopying } from '@coalmine/core/rollout/phase.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { Trial } from '../../messages.ts'

/**
 * What data processes record and how they protect while this rollout runs. It changes within a rollout only where
 * counts of before and after may be added up, so that its name does not.
 */
export function trialOf(
  { serial, evidence, firstAttempt, policy, phase }: Rollout,
  stable: Pick<Manifest, 'score' | 'outputs'>,
): Trial {
  const { horizonMs, score } = evidence.references
  const { limitMs: deadlineMs, reserveMs } = firstAttempt
  const distances = distancesOf(policy)
  const range = stable.score?.range
  const shape = {
    horizonMs,
    deadlineMs,
    scores: score === undefined ? 0 : score.edges.length + 1,
    knots: distances.has('mean') && range !== undefined ? KNOTS : 0,
    classes: distances.has('class_shares') ? labelsOf(stable).length : 0,
  }
  const scoreEdges = score?.edges ?? []
  return {
    recording: [serial, ...Object.values(shape), fingerprint(scoreEdges)].join('-'),
    shape,
    scoreEdges,
    ...(range && { scoreRange: range }),
    firstAttemptMs: deadlineMs,
    reserveMs,
    shield: policy.shield,
    mirrorBp: isCopying(phase) ? policy.mirror!.mirrorBp : 0,
  }
}

/** Bins may be as many as before and lie elsewhere. */
function fingerprint(edges: readonly number[]): string {
  return createHash('sha256').update(edges.join()).digest('hex').slice(0, 8)
}

function distancesOf({ guardrails, signals }: Policy): Set<string> {
  return new Set(
    [...guardrails, ...signals].flatMap((comparison) =>
      comparison.metric === 'score_distribution' ? [comparison.distance] : [],
    ),
  )
}
