import type { Assessment, ComparisonAssessment } from '../evidence/assessment.ts'
import { isOfAllAnswers } from '../evidence/rate-tests.ts'
import type { ArmTally } from '../evidence/tally.ts'
import type { Comparison, Policy, RateBound } from './policy.ts'

export const FROZEN = 'a freeze is on: no canary may get more'
export const NOT_FRESH = 'not every gateway has reported lately; a weight rises only when all have'

/** `certain to 99 %`: what a risk of 0.01 leaves; never 100 %. */
export function certainty(risk: number): string {
  // As many digits as the risk has decimal places, so that a small one is not rounded away.
  const digits = Math.max(3, 3 - Math.floor(Math.log10(risk)))
  return `certain to ${Number(((1 - risk) * 100).toPrecision(digits))} %`
}

/** `0.12 %`; three digits that say something. */
export function percent(share: number): string {
  const value = share * 100
  return `${Number(value.toPrecision(value >= 99 ? 4 : 3))} %`
}

/** `2 min 5 s`; below a second `250 ms`. */
export function duration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${Math.ceil(ms)} ms`
  const seconds = Math.max(0, Math.round(ms / 1000))
  const parts: [number, string][] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]
  const said = parts.filter(([value]) => value > 0).slice(0, 2)
  return said.length === 0 ? '0 s' : said.map(([value, unit]) => `${value} ${unit}`).join(' ')
}

/** Why a version was rolled back: each comparison that is certain by itself, or that they are so together. */
export function breachSentence(
  { guardrails, risk }: Policy,
  assessment: Assessment,
  culprits: readonly string[],
  names: { readonly stable: string; readonly canary: string },
): string {
  const certain = certainty(risk.falseRollback)
  const sentences = culprits.map((name) => {
    const guardrail = guardrails.find((candidate) => candidate.name === name)!
    const found = assessment.comparisons.find((candidate) => candidate.name === name)!
    return `${observation(guardrail, found, assessment, names)}; tolerated is at most ${boundText(guardrail)}`
  })
  if (assessment.comparisons.some(({ name, verdict }) => verdict === 'breach' && culprits.includes(name)))
    return `${sentences.join('. ')}. ${names.canary} is worse than tolerated, ${certain}`
  return `${sentences.join('. ')}. No comparison is certain alone, but together they are: ${names.canary} is worse than tolerated, ${certain}`
}

/** What was seen, with the figures where there are plain ones. */
function observation(
  comparison: Comparison,
  { worst }: ComparisonAssessment,
  { canary, control }: Assessment,
  names: { readonly stable: string; readonly canary: string },
): string {
  const rates = (bad: (arm: ArmTally) => number, of: (arm: ArmTally) => number) =>
    `${share(bad(canary), of(canary))} with ${names.canary} and ${share(bad(control), of(control))} with ${names.stable}`
  switch (comparison.metric) {
    case 'error_rate':
      return canary.finished > 0 && canary.failed >= canary.errors
        ? `requests without a good answer are ${rates(
            ({ failed }) => failed,
            ({ finished }) => finished,
          )}`
        : `requests that failed are ${rates(
            ({ errors }) => errors,
            ({ requests }) => requests,
          )}`
    case 'rejected_rate':
      return `rejected requests are ${rates(
        ({ rejected }) => rejected,
        ({ requests }) => requests,
      )}`
    case 'accuracy':
      if (!isOfAllAnswers(comparison))
        return `${worst} ${(comparison.loss ?? 'wrong') === 'wrong' ? 'are more' : 'is larger'} with ${names.canary} than with ${names.stable}`
      return `wrong answers among the labelled are ${rates(
        ({ wrong }) => wrong,
        ({ labelled }) => labelled,
      )}`
    case 'latency':
      return `${names.canary} is slower than ${names.stable} under the same load, most clearly in ${worst}`
    case 'score_distribution':
      return `the scores of ${names.canary} differ from those of ${names.stable}, most clearly in ${worst}`
  }
}

/** How much worse is tolerated, in words. */
export function boundText(comparison: Comparison, which: 'tolerate' | 'margin' = 'tolerate'): string {
  if (comparison.metric === 'latency') {
    const { relative, atLeastMs } = comparison[which]
    return `${percent(relative)} slower, or ${Number(atLeastMs.toPrecision(3))} ms where that is more`
  }
  if (comparison.metric === 'score_distribution') {
    const of = comparison.distance === 'mean' ? 'of the score range in the mean' : 'of the requests'
    return `a difference of ${percent(comparison[which])} ${of}`
  }
  return rateBoundText(comparison[which])
}

function rateBoundText({ kind, value }: RateBound): string {
  return kind === 'relative'
    ? `${percent(value)} more than stable's rate`
    : `${Number((value * 100).toPrecision(3))} percentage points more`
}

/** The risks that a proof must get below: the step's, and on the last step the whole rollout's. */
export interface Needed {
  readonly step: number
  readonly whole?: number
}

/** What a step still waits for: what can never be proven first, then what is farthest from its proof. */
export function waitingFor(pending: readonly ComparisonAssessment[], needed: Needed): string {
  const [slowest] = pending.toSorted((a, b) => wayBehind(a, needed) - wayBehind(b, needed))
  if (slowest === undefined) return 'nothing'
  const { name, untestable, verdict } = slowest
  const others = pending.length > 1 ? ` and ${pending.length - 1} more` : ''
  if (untestable !== undefined) return `${name} (it cannot be proven: ${untestable})${others}`
  if (verdict === 'no-data') return `the proof of ${name} (no request has come to the canary yet)${others}`
  // Rounded down: what is waited for is never complete.
  const part = Math.max(0, Math.floor(wayBehind(slowest, needed) * 100))
  return `the proof of ${name} (${slowest.slowest}, ${part} % of the way)${others}`
}

/** The part of the way to the proof that lies behind, on the scale of logarithms; below 0 when it speaks against. */
function wayBehind(
  { logPromotion, logStepPromotion, untestable }: ComparisonAssessment,
  { step, whole }: Needed,
): number {
  if (untestable !== undefined || logPromotion === undefined || logStepPromotion === undefined)
    return Number.NEGATIVE_INFINITY
  const part = (log: number, risk: number) => (risk < 1 ? log / Math.log(1 / risk) : log)
  return Math.min(
    part(logStepPromotion, step),
    whole === undefined ? Number.POSITIVE_INFINITY : part(logPromotion, whole),
  )
}

function share(bad: number, of: number): string {
  return of === 0 ? 'unknown' : percent(bad / of)
}
