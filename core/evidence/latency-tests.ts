import { EDGE_NUISANCE, IDENTITY, rollbackBets, shiftedPromotionBets } from './bernoulli.ts'
import type { Latency } from './comparison.ts'
import { type ComparisonTests, type Test, writeHits } from './fed-bets.ts'
import { normalScores, quantileName, TAIL_QUANTILES } from './latency-reference.ts'
import { binBeyond, binWithin, LATENCY_BINS, unshiftedBins } from './latency-scale.ts'
import type { LinearBets } from './linear-bets.ts'
import { countFrom, pooledPi, type Reading, type TimeReading, writeBins } from './reading.ts'
import type { References } from './references.ts'
import { stochasticOrderBets } from './stochastic-order.ts'

/** Of quantiles the rates are known by construction, so that their bets are the same for all rollouts. */
const STEP_BETS = TAIL_QUANTILES.map((p) => rollbackBets(1 - p, IDENTITY, EDGE_NUISANCE))
const GATE_BETS = TAIL_QUANTILES.map((p) => shiftedPromotionBets(1 - p))

/**
 * Half on the whole distribution, half on steps at the tail quantiles: steps find pure tail regressions, the whole
 * distribution finds shifts sooner. In windows, because endpoints stall. A request that failed or was given up is as
 * slow as can be for promotion. For rollback, where errors are another guardrail's, a canary's has its elapsed time and
 * a control's is as slow as can be: a canary must not look slow beside a version that fails fast.
 */
export function latencyTests(
  { quantiles, tolerate, margin }: Latency,
  { latency: reference }: References,
  withoutBaseline: boolean,
): ComparisonTests {
  // Unequal shares are unequal loads, and a lightly loaded version is not what it will be under load.
  const pairOf = ({ stratum, baseline, rest }: Reading): readonly [number, TimeReading] => {
    if (stratum.baseline === stratum.canary) return [stratum.canary > 0 ? 0.5 : 0, baseline]
    return withoutBaseline && stratum.baseline === 0 ? [pooledPi(stratum), rest] : [0, baseline]
  }
  const silent = reference === undefined
  const levels = silent ? new Float64Array(LATENCY_BINS) : normalScores(reference)
  const whole: Test<'early'> = {
    label: 'the whole distribution',
    group: 'early',
    bets: stochasticOrderBets(levels, unshiftedBins(tolerate)),
    windowed: true,
    read: (reading, out) => {
      const [pi, control] = pairOf(reading)
      if (silent || pi === 0) return 0
      writeBins(reading.canary.elapsed, out, 0)
      writeBins(control.timed, out, LATENCY_BINS)
      out[2 * LATENCY_BINS - 1]! += cutShort(control)
      return pi
    },
  }
  /** A canary's bins from `canary` on beside a control's from `control` on; silent while the quantile is unknown. */
  const atQuantile = (
    p: number,
    bets: LinearBets,
    { canary, control }: { readonly canary: number; readonly control: number },
    beyond: { readonly [arm in 'canary' | 'control']: (reading: TimeReading, bin: number) => number },
  ): Test<'early'> => ({
    label: quantileName(p),
    group: 'early',
    bets,
    windowed: true,
    read: (reading, out) => {
      const [pi, pair] = pairOf(reading)
      if (control < 0 || pi === 0) return 0
      writeHits(
        out,
        beyond.canary(reading.canary, canary),
        reading.canary.counts.requests,
        beyond.control(pair, control),
        pair.counts.requests,
      )
      return pi
    },
  })
  const steps = TAIL_QUANTILES.map((p, i) => {
    const control = reference?.quantiles[i] ?? -1
    const canary = control < 0 ? 0 : binBeyond(tolerate, control)
    return atQuantile(
      p,
      STEP_BETS[i]!,
      { canary, control },
      {
        canary: ({ elapsed }, bin) => countFrom(elapsed, bin),
        control: (arm, bin) => countFrom(arm.timed, bin) + cutShort(arm),
      },
    )
  })
  const gates = quantiles.map((p) => {
    const i = TAIL_QUANTILES.indexOf(p)
    const control = reference?.quantiles[i] ?? -1
    const canary = control < 0 ? 0 : binWithin(margin, control)
    return atQuantile(p, GATE_BETS[i]!, { canary, control }, { canary: unproven, control: unproven })
  })
  return {
    rollback: [
      {
        group: 'early',
        part: 1,
        tests: [{ test: whole, weight: 0.5 }, ...steps.map((test) => ({ test, weight: 0.5 / steps.length }))],
      },
    ],
    promotion: gates,
  }
}

/** Failed and given up: of a control as late as can be. */
function cutShort({ notAnswered, counts }: TimeReading): number {
  return notAnswered - counts.slow
}

/** How many were answered at this bin or above, or not at all. */
function unproven({ answered, notAnswered }: TimeReading, bin: number): number {
  return countFrom(answered, bin) + notAnswered
}
