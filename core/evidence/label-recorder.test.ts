import { expect, test } from 'vitest'
import { type Arm, probabilities, thresholds } from '../routing/draw.ts'
import { IDENTITY, rollbackBets } from './bernoulli.ts'
import type { LabelCounts, Window } from './counts.ts'
import { LabelRecorder } from './label-recorder.ts'
import { logEValue } from './linear-bets.ts'

const HALF = probabilities(thresholds(5000, 0))
const TENTH = probabilities(thresholds(1000, 0))
const WINDOW_MS = 100_000

test('a second is given out when all its requests are older than the label window, with the labels it has then', () => {
  const labels = new LabelRecorder(WINDOW_MS)
  labels.label(50_000, 7_500, 'canary', HALF, { wrong: true })
  labels.label(9_000, 7_999, 'stable', HALF, { wrong: false })
  labels.label(9_000, 7_999, 'stable', TENTH, { wrong: false })
  labels.label(20_000, 6_000, 'stable', HALF, { wrong: false })
  expect(labels.drain(106_999)).toEqual({ through: 5, windows: [] })
  const { through, windows } = labels.drain(108_000)
  expect(through).toBe(7)
  expect(
    windows.map(({ second, strata }) => [second, ...strata.map(({ stratum }) => stratum.canary)]),
  ).toEqual([
    [6, 0.5],
    [7, TENTH.canary, 0.5],
  ])
  expect(windows[1]!.strata[1]!.arms).toEqual({
    stable: { labelled: 1, wrong: 0 },
    baseline: { labelled: 0, wrong: 0 },
    canary: { labelled: 1, wrong: 1 },
  })
  expect(labels.drain(200_000).windows).toEqual([])
})

test('a label that is older than the window is dropped, even if its second is still open', () => {
  const labels = new LabelRecorder(WINDOW_MS)
  labels.label(107_001, 7_000, 'canary', HALF, { wrong: true })
  labels.label(107_001, 7_001, 'canary', HALF, { wrong: true })
  expect(labels.dropped).toBe(1)
  expect(labels.drain(108_000).windows[0]!.strata[0]!.arms.canary).toEqual({ labelled: 1, wrong: 1 })
})

test('classes and losses are counted beside right and wrong', () => {
  const labels = new LabelRecorder(WINDOW_MS)
  labels.label(9_000, 7_000, 'canary', HALF, { wrong: true, brier: 1, logLoss: 1, class: 'churn' })
  labels.label(9_000, 7_000, 'canary', HALF, { wrong: false, brier: 0, logLoss: 1, class: 'stay' })
  labels.label(9_000, 7_000, 'canary', HALF, { wrong: false, brier: 1, logLoss: 0, class: 'churn' })
  expect(labels.drain(108_000).windows[0]!.strata[0]!.arms.canary).toEqual({
    ...{ labelled: 3, wrong: 1, brier: 2, logLoss: 2 },
    classes: {
      churn: { labelled: 2, wrong: 1, brier: 2, logLoss: 1 },
      stay: { labelled: 1, wrong: 0, brier: 0, logLoss: 1 },
    },
  })
})

/**
 * Both versions are wrong on 15 % of all requests, but not on the same: of the callers who leave, which is known after
 * 10 s, stable misses 10 % and the canary 20 %; of those who stay, known after 60 s, the other way round.
 */
function truthOf(second: number, labels: (atMs: number, arm: Arm, wrong: boolean) => void) {
  for (const [delayMs, stableWrong, canaryWrong] of [
    [10_000, 1, 2],
    [60_000, 2, 1],
  ] as const)
    for (let i = 0; i < 10; i++) {
      labels(second * 1000 + delayMs, 'stable', i < stableWrong)
      labels(second * 1000 + delayMs, 'canary', i < canaryWrong)
    }
}

const bets = rollbackBets(0.15, IDENTITY)

/** The highest ln E over all seconds, of counts that grow. */
function highest(seconds: Iterable<Record<Arm, LabelCounts>>) {
  const counts = [0, 0, 0, 0]
  let most = 0
  for (const { canary, stable } of seconds) {
    counts[0]! += canary.wrong
    counts[1]! += canary.labelled - canary.wrong
    counts[2]! += stable.wrong
    counts[3]! += stable.labelled - stable.wrong
    most = Math.max(most, logEValue(bets, [{ pi: 0.5, counts }]))
  }
  return most
}

test('truths that are known at different ages cannot condemn an equal version', () => {
  const arrivals: Record<Arm, { labelled: number; wrong: number }>[] = []
  const labels = new LabelRecorder(WINDOW_MS)
  const windows: Window<'labels'>[] = []
  for (let second = 0; second < 200; second++)
    truthOf(second, (atMs, arm, wrong) => {
      const none = () => ({ labelled: 0, wrong: 0 })
      arrivals[atMs / 1000] ??= { stable: none(), baseline: none(), canary: none() }
      const arrived = arrivals[atMs / 1000]![arm]
      arrived.labelled++
      if (wrong) arrived.wrong++
      labels.label(atMs, second * 1000, arm, HALF, { wrong })
    })
  for (let nowMs = 0; nowMs < 400_000; nowMs += 1000) windows.push(...labels.drain(nowMs).windows)
  const rolledBack = Math.log(1 / 0.01)
  expect(highest(arrivals.filter((arrived) => arrived !== undefined))).toBeGreaterThan(rolledBack)
  expect(highest(windows.map(({ strata }) => strata[0]!.arms))).toBeLessThan(Math.log(2))
  expect(windows.length).toBe(200)
})
