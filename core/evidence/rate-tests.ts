import { type Line, promotionBets, rollbackBets } from './bernoulli.ts'
import type { Accuracy, Comparison, RateBound } from './comparison.ts'
import type { FinalCounts, LabelCounts, Truths } from './counts.ts'
import { type ComparisonTests, mixture, provable, type Test, writeHits } from './fed-bets.ts'
import type { LinearBets } from './linear-bets.ts'
import { controlOf, pooledPi } from './reading.ts'
import { type References, UNKNOWN_WRONG_RATE } from './references.ts'

/**
 * Errors are seen early (failed within the horizon) and in the end (no good answer by the deadline). Each look is an
 * e-process of its own filtration, so they share the guardrail's risk instead of spending it twice.
 */
const EARLY_PART = 0.75

/** The boundary that a bound draws: how high the canary's rate may be at each of stable's. */
export function lineOf({ kind, value }: RateBound): Line {
  return kind === 'relative' ? { slope: 1 + value, offset: 0 } : { slope: 1, offset: value }
}

type RateComparison = Extract<Comparison, { tolerate: RateBound }>

export function errorTests({ tolerate, margin }: RateComparison, references: References): ComparisonTests {
  const bets = rollbackBets(references.errorRate, lineOf(tolerate))
  const early: Test<'early'> = {
    label: 'errors within the horizon',
    group: 'early',
    bets,
    windowed: false,
    read: ({ stratum, canary, control }, out) => {
      writeHits(
        out,
        canary.counts.errors,
        canary.counts.requests,
        control.counts.errors,
        control.counts.requests,
      )
      return pooledPi(stratum)
    },
  }
  const final = finalTest('requests without a good answer at the deadline', bets, {
    windowed: false,
    bad: ({ errors }) => errors,
  })
  // What a caller gave up might have failed: unknown counts as bad where a promotion rests on it.
  const promotion = finalTest(
    'requests without a good answer',
    promotionBets(references.unfinishedRate, lineOf(margin)),
    { windowed: true, bad: ({ errors, aborted }) => errors + aborted },
  )
  return {
    rollback: [mixture('early', EARLY_PART, [early]), mixture('final', 1 - EARLY_PART, [final])],
    ...provable([promotion]),
  }
}

function finalTest(
  label: string,
  bets: LinearBets,
  { windowed, bad }: { readonly windowed: boolean; readonly bad: (counts: FinalCounts) => number },
): Test<'final'> {
  return {
    label,
    group: 'final',
    bets,
    windowed,
    read: (cell, out) => {
      const { canary } = cell.arms
      const control = controlOf('final', cell)
      writeHits(out, bad(canary), canary.requests, bad(control), control.requests)
      return pooledPi(cell.stratum)
    },
  }
}

export function rejectedTests({ tolerate, margin }: RateComparison, references: References): ComparisonTests {
  const test = (bets: LinearBets, windowed: boolean, unknown: boolean): Test<'early'> => ({
    label: 'rejected requests',
    group: 'early',
    bets,
    windowed,
    read: ({ stratum, canary, control }, out) => {
      // Open at the horizon or given up by their callers: nobody knows what would have come, and that proves nothing.
      const open = unknown ? canary.notAnswered - canary.counts.errors : 0
      writeHits(
        out,
        canary.counts.rejected + open,
        canary.counts.requests,
        control.counts.rejected,
        control.counts.requests,
      )
      return pooledPi(stratum)
    },
  })
  const { rejectedRate } = references
  return {
    rollback: [mixture('early', 1, [test(rollbackBets(rejectedRate, lineOf(tolerate)), false, false)])],
    ...provable([test(promotionBets(rejectedRate, lineOf(margin)), true, true)]),
  }
}

/** Which truths an accuracy looks at. */
export type AccuracyOf = Partial<Pick<Accuracy, 'loss' | 'class'>>

/**
 * What an accuracy counts of labels: what speaks against the answers, and out of how many. Where classes or losses are not told
 * apart, as when a rollout is planned of which that is not known, all classes stand for one, and what is wrong for what is lost.
 */
export function countedTruths(
  { loss, class: name }: AccuracyOf,
  counts: LabelCounts,
): readonly [bad: number, of: number] {
  const truths =
    name === undefined || counts.classes === undefined ? counts : (counts.classes[name] ?? NO_TRUTHS)
  return [truths[LOSSES[loss ?? 'wrong'].counted] ?? truths.wrong, truths.labelled]
}

const LOSSES = {
  wrong: { counted: 'wrong', said: 'wrong answers' },
  brier: { counted: 'brier', said: 'Brier loss' },
  log: { counted: 'logLoss', said: 'clipped log loss' },
} as const

/** Right or wrong, of all answers: what a tally holds. */
export function isOfAllAnswers({ loss = 'wrong', class: name }: AccuracyOf): boolean {
  return loss === 'wrong' && name === undefined
}

const NO_TRUTHS: Truths = { labelled: 0, wrong: 0 }

export function accuracyTests(comparison: Accuracy, { wrongRate, score }: References): ComparisonTests {
  const { tolerate, margin, loss = 'wrong', class: name } = comparison
  if (loss !== 'wrong' && score === undefined)
    return { rollback: [], promotion: [], untestable: 'the stable version gives no scores' }
  const test = (bets: LinearBets): Test<'labels'> => ({
    label: `${LOSSES[loss].said} among the labelled${name === undefined ? '' : ` of class ${name}`}`,
    group: 'labels',
    bets,
    windowed: false,
    read: (cell, out) => {
      const [canaryBad, canaryOf] = countedTruths(comparison, cell.arms.canary)
      const [controlBad, controlOfAll] = countedTruths(comparison, controlOf('labels', cell))
      writeHits(out, canaryBad, canaryOf, controlBad, controlOfAll)
      return pooledPi(cell.stratum)
    },
  })
  // A rare class may be wrong many times as often as all; bets that are placed for too few take long to say anything.
  const known = isOfAllAnswers(comparison) ? wrongRate : Math.max(wrongRate, UNKNOWN_WRONG_RATE)
  return {
    rollback: [mixture('labels', 1, [test(rollbackBets(known, lineOf(tolerate)))])],
    ...provable([test(promotionBets(known, lineOf(margin)))]),
  }
}
