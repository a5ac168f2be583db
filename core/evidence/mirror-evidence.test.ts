import { describe, expect, test } from 'vitest'
import { MIRROR_PART, type StatisticalPolicy } from './comparison.ts'
import { assessMirror, type MirrorEvidence, observeMirror, startMirror } from './mirror-evidence.ts'
import type { Pair, PairSide } from './pair.ts'
import type { References } from './references.ts'
import { uniform } from './testing/traffic.ts'

const REFERENCES: References = {
  horizonMs: 1000,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  wrongRate: 0.1,
  score: { edges: [0.5], shares: [0.5, 0.5], mean: 0.5, classes: [0.5, 0.5], unscored: 0 },
}
const POLICY: StatisticalPolicy = {
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [
    {
      name: 'errors',
      metric: 'error_rate',
      tolerate: { kind: 'absolute', value: 0 },
      margin: { kind: 'absolute', value: 0.005 },
      share: 0.5,
    },
    {
      name: 'scores',
      metric: 'score_distribution',
      distance: 'mean',
      tolerate: 0.01,
      margin: 0.05,
      share: 0.5,
    },
  ],
  signals: [],
  mirror: { mirrorBp: 2_000, minDurationMs: 0, proof: 0.3 },
}
const good = (score: number): PairSide => ({ outcome: 'good', score, position: score })
const FAILED: PairSide = { outcome: 'failed' }
const same: Pair = { stable: good(0.5), canary: good(0.5) }
const canaryFails: Pair = { stable: good(0.5), canary: FAILED }
const observed = (before: MirrorEvidence, pairs: readonly Pair[], floor: readonly Pair[] = []) =>
  observeMirror(POLICY, REFERENCES, before, { pairs, floor })
const assessed = (evidence: MirrorEvidence) => assessMirror(POLICY, REFERENCES, evidence)
const start = () => startMirror(POLICY, REFERENCES)
const LEVEL = Math.log(1 / POLICY.risk.falseRollback)

/** So many pairs a tick until it is certain, or the pairs are used up. */
function pairsToRollback(errorRate: { stable: number; canary: number }, seed: number, most: number): number {
  const draw = uniform(seed)
  let evidence = start()
  for (let pairs = 0; pairs < most; pairs += 20) {
    const tick = Array.from({ length: 20 }, (): Pair => {
      const score = draw()
      return {
        stable: draw() < errorRate.stable ? FAILED : good(score),
        canary:
          draw() < errorRate.canary ? FAILED : good(Math.min(1, Math.max(0, score + (draw() - 0.5) / 50))),
      }
    })
    evidence = observed(evidence, tick)
    if (assessed(evidence).logRollback >= LEVEL) return pairs + 20
  }
  return Number.POSITIVE_INFINITY
}

describe('a mirror', () => {
  test('that has shown nothing is worth its part of the risk, and says so', () => {
    const { comparisons, logRollback } = assessed(start())
    expect(logRollback).toBeCloseTo(Math.log(MIRROR_PART))
    expect(comparisons.map(({ verdict }) => verdict)).toEqual(['no-data', 'no-data'])
  })

  test('finds a canary that fails once in a hundred beside one in a thousand in 2,000 pairs, mostly', () => {
    const found = Array.from({ length: 40 }, (_, seed) =>
      pairsToRollback({ stable: 0.001, canary: 0.01 }, seed + 1, 6_000),
    ).toSorted((a, b) => a - b)
    expect(found[20]).toBeLessThanOrEqual(2_000)
    expect(found.filter(Number.isFinite).length).toBeGreaterThanOrEqual(38)
  })

  test('leaves a canary alone that is as good', () => {
    const found = Array.from({ length: 100 }, (_, seed) =>
      pairsToRollback({ stable: 0.01, canary: 0.01 }, seed + 1, 2_000),
    )
    // A risk of 1 %, half of it the mirror's, in a hundred lives at the very boundary.
    expect(found.filter(Number.isFinite).length).toBeLessThanOrEqual(2)
  })

  test('accuses a canary that fails every copy after a handful', () => {
    const { comparisons } = assessed(observed(start(), Array(16).fill(canaryFails)))
    expect(comparisons[0]).toMatchObject({ name: 'errors', verdict: 'breach', worst: 'errors' })
  })

  test('takes no moment in which stable fails for a proof of the canary', () => {
    const stableFails: Pair = { stable: FAILED, canary: good(0.5) }
    // A window wins a bet at most ln 2.
    const { comparisons } = assessed(observed(start(), Array(500).fill(stableFails)))
    expect(comparisons[0]!.logPromotion).toBeLessThanOrEqual(Math.log(2))
  })

  test('proves what is the same, and lets it go on', () => {
    let evidence = start()
    for (let tick = 0; tick < 60; tick++) evidence = observed(evidence, Array(20).fill(same))
    expect(assessed(evidence).comparisons.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['errors', 'proven'],
      ['scores', 'proven'],
    ])
  })

  test('does not prove a canary at its margin', () => {
    const draw = uniform(7)
    let evidence = start()
    for (let tick = 0; tick < 200; tick++)
      evidence = observed(
        evidence,
        Array.from({ length: 20 }, () => (draw() < 0.005 ? canaryFails : same)),
      )
    expect(assessed(evidence).comparisons[0]!.verdict).not.toBe('proven')
  })

  test('counts how many answers differ, and how many of stable beside itself', () => {
    const other: Pair = { stable: good(0.5), canary: good(0.6) }
    const { pairs, floor } = assessed(observed(start(), [same, other, canaryFails], [same, same]))
    expect({ pairs, floor }).toEqual({
      pairs: { pairs: 3, different: 2 },
      floor: { pairs: 2, different: 0 },
    })
  })

  test('is JSON and back the same', () => {
    const evidence = observed(start(), [same, canaryFails])
    expect(JSON.parse(JSON.stringify(evidence))).toEqual(evidence)
  })
})
