import { labelsOf } from '@coalmine/contract/feedback.ts'
import { brierLoss, clippedLogLoss } from '@coalmine/contract/loss.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { PredictionIdFields } from '@coalmine/contract/prediction-id.ts'

/** As it goes to control: wrong or not, both losses rounded by chance (null without a score), the class that was true. */
export type JudgedTruth = readonly [
  wrong: 0 | 1,
  brier: 0 | 1 | null,
  logLoss: 0 | 1 | null,
  truth: string | null,
]

/** What a truth says of an answer. @param random a u32 */
export function judgedTruth(
  manifest: Pick<Manifest, 'score' | 'outputs'>,
  { class: predicted, score }: Pick<PredictionIdFields, 'class' | 'score'>,
  truth: number,
  random: number,
): JudgedTruth {
  const given = givenToTruth(manifest, score, truth)
  // Rounded by chance: its expectation is the loss, and what is counted stays whole. One draw does: losses are never added up.
  const rounded = (loss: (given: number) => number) =>
    given === undefined ? null : random < loss(given) * 2 ** 32 ? 1 : 0
  const named = labelsOf(manifest)[truth] ?? null
  return [predicted === truth ? 0 : 1, rounded(brierLoss), rounded(clippedLogLoss), named]
}

/**
 * The probability from 0 to 1 that a score, as a part of its range, gives to what was true: its class or any other. A score is
 * about the class of its index; one that has none about the last class. Undefined without a score.
 */
function givenToTruth(
  manifest: Pick<Manifest, 'score' | 'outputs'>,
  score: number | undefined,
  truth: number,
): number | undefined {
  if (score === undefined || manifest.score === undefined) return undefined
  const { range, index } = manifest.score
  const about = index ?? labelsOf(manifest).length - 1
  const part = Math.max(0, Math.min(1, (score - range[0]) / (range[1] - range[0])))
  return truth === about ? part : 1 - part
}
