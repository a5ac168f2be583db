import { labelsOf } from '@coalmine/contract/feedback.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { PredictionIdFields } from '@coalmine/contract/prediction-id.ts'

/** As it goes to control: wrong or not, the Brier loss rounded by chance (null without a score), the class that was true. */
export type JudgedTruth = readonly [wrong: 0 | 1, brier: 0 | 1 | null, truth: string | null]

/** What a truth says of an answer. @param random a u32 */
export function judgedTruth(
  manifest: Pick<Manifest, 'score' | 'outputs'>,
  { class: predicted, score }: Pick<PredictionIdFields, 'class' | 'score'>,
  truth: number,
  random: number,
): JudgedTruth {
  const loss = brierLoss(manifest, score, truth)
  // Rounded by chance: its expectation is the loss, and what is counted stays whole.
  const brier = loss === undefined ? null : random < loss * 2 ** 32 ? 1 : 0
  return [predicted === truth ? 0 : 1, brier, labelsOf(manifest)[truth] ?? null]
}

/**
 * The squared distance of the score, as a part of its range, from 1 where its class is true and 0 elsewhere. A score is about
 * the class of its index; one that has none about the last class. Undefined without a score.
 */
function brierLoss(
  manifest: Pick<Manifest, 'score' | 'outputs'>,
  score: number | undefined,
  truth: number,
): number | undefined {
  if (score === undefined || manifest.score === undefined) return undefined
  const { range, index } = manifest.score
  const about = index ?? labelsOf(manifest).length - 1
  const part = Math.max(0, Math.min(1, (score - range[0]) / (range[1] - range[0])))
  return (part - (truth === about ? 1 : 0)) ** 2
}
