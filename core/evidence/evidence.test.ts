import { describe, expect, test } from 'vitest'
import { assess, LOG_OF_NOTHING } from './assessment.ts'
import type { StatisticalPolicy } from './comparison.ts'
import { GROUPS, type Group, mergeWindows, NO_EARLY_COUNTS, type Released, type Window } from './counts.ts'
import {
  beginStep,
  COLD_SECONDS,
  type Evidence,
  learnBaseline,
  observe,
  requestsIn,
  restartRollback,
  startEvidence,
  startWatch,
  warmUp,
} from './evidence.ts'
import { evidencePlan } from './evidence-plan.ts'
import {
  aSecond,
  HEALTHY,
  healthyReferences,
  type Second,
  stratumOf,
  uniform,
  type Version,
  WIDEST_POLICY,
} from './testing/traffic.ts'

const REFERENCES = healthyReferences()
const AT_5 = { canaryBp: 500, baselineBp: 500 }
const AT_25 = { canaryBp: 2500, baselineBp: 2500 }

const started = (policy = WIDEST_POLICY) => startEvidence(policy, REFERENCES, 4)

/** Seconds from `from` on. */
function seconds(
  seed: number,
  from: number,
  count: number,
  weights = AT_5,
  canary: Version = HEALTHY,
): Second[] {
  const random = uniform(seed)
  return Array.from({ length: count }, (_, i) => aSecond(random, from + i, weights, 500, canary))
}

const released = (of: readonly Second[]): Released => ({
  early: of.map(({ early }) => early),
  final: of.map(({ final }) => final),
  labels: of.map(({ labels }) => labels),
})

/** One tick a second. */
function observed(evidence: Evidence, of: readonly Second[], policy = WIDEST_POLICY): Evidence {
  return of.reduce((before, second) => observe(policy, before, released([second])), evidence)
}

const assessmentOf = (evidence: Evidence, name: string, policy = WIDEST_POLICY) =>
  assess(policy, evidence).comparisons.find((comparison) => comparison.name === name)!

const close = (a: Float64Array, b: Float64Array) => {
  for (const [i, value] of a.entries())
    expect(Math.abs(value - b[i]!)).toBeLessThan(1e-9 * Math.max(1, Math.abs(value)))
}

describe('evidence that begins', () => {
  test('is worth 1 in every way, and nothing is proven', () => {
    const { comparisons, logRollback, logMismatch } = assess(WIDEST_POLICY, started())
    for (const { share = 1, metric, logRollback, logPromotion } of comparisons) {
      // Errors are looked at twice; what is shown is the louder look.
      expect(logRollback).toBeCloseTo(Math.log(metric === 'error_rate' ? 0.75 * share : share), 12)
      expect(logPromotion).toBeCloseTo(0, 12)
    }
    const shares = GROUPS.reduce((sum, group) => sum + Math.exp(logRollback[group]), 0)
    expect(shares).toBeCloseTo(1, 12)
    expect(logMismatch).toBeCloseTo(0, 12)
  })

  test('is not moved by a tick without windows', () => {
    const evidence = started()
    expect(observe(WIDEST_POLICY, evidence, {})).toEqual(evidence)
    expect(observe(WIDEST_POLICY, evidence, { early: [], final: [], labels: [] })).toEqual(evidence)
  })
})

describe('a second', () => {
  test('that was counted already is refused, in any group', () => {
    const [one] = seconds(1, 100, 1)
    const evidence = observed(started(), [one!])
    for (const group of GROUPS) {
      const again = { [group]: [one![group]] } as Released
      expect(() => observe(WIDEST_POLICY, evidence, again)).toThrow(
        new RangeError(`second 100 of ${group} counts was counted before; the last was 100`),
      )
    }
  })

  test('may come in a later tick for one group than for another', () => {
    const of = seconds(2, 0, 20)
    const together = observed(started(), of)
    let evidence = started()
    for (const { early } of of) evidence = observe(WIDEST_POLICY, evidence, { early: [early] })
    for (const { labels } of of) evidence = observe(WIDEST_POLICY, evidence, { labels: [labels] })
    for (const { final } of of) evidence = observe(WIDEST_POLICY, evidence, { final: [final] })
    expect(evidence).toEqual(together)
  })

  test('leaves the evidence before it as it was', () => {
    const evidence = started()
    const before = structuredClone(evidence)
    observed(evidence, seconds(3, 0, 3))
    expect(evidence).toEqual(before)
  })
})

describe('replicas', () => {
  /** Each request of a second at one of so many processes; their windows in any order. */
  function sharded(window: Window, processes: number, random: () => number): Window[] {
    const shards = Array.from({ length: processes }, () => structuredClone(window))
    type Counts = Record<string, number | Uint16Array>
    const arms = (of: Window) => of.strata.flatMap(({ arms }) => Object.values(arms) as unknown as Counts[])
    for (const [i, counts] of arms(window).entries())
      for (const [key, value] of Object.entries(counts)) {
        const parts = shards.map((shard) => arms(shard)[i]!)
        const places = typeof value === 'number' ? [undefined] : [...value.keys()]
        for (const place of places) {
          const total = place === undefined ? (value as number) : (value as Uint16Array)[place]!
          for (const part of parts)
            if (place === undefined) part[key] = 0
            else (part[key] as Uint16Array)[place] = 0
          for (let n = 0; n < total; n++) {
            const part = parts[Math.floor(random() * processes)]!
            if (place === undefined) (part[key] as number)++
            else (part[key] as Uint16Array)[place]!++
          }
        }
      }
    return shards
  }

  test.each([4, 16])(
    '%i processes, in whatever order they are merged, give the evidence of one to the bit',
    (processes) => {
      const of = [...seconds(4, 0, 25), ...seconds(5, 25, 10, AT_25)]
      const random = uniform(6)
      const one = observed(beginStep(WIDEST_POLICY, started(), 0), of)
      let many = beginStep(WIDEST_POLICY, started(), 0)
      for (const second of of) {
        const merged = Object.fromEntries(
          GROUPS.map((group) => {
            const shards = sharded(second[group], processes, random).map((window) => [window])
            return [group, mergeWindows(group, random() < 0.5 ? shards : shards.toReversed())]
          }),
        ) as Released
        many = observe(WIDEST_POLICY, many, merged)
      }
      expect([...many.wealth]).toEqual([...one.wealth])
      expect(many).toEqual({ ...one, learning: many.learning })
      expect(many.learning).toEqual(one.learning)
    },
  )
})

describe('ticks', () => {
  const of = seconds(7, 0, 90)
  const fine = observed(beginStep(WIDEST_POLICY, started(), 0), of)
  let coarse = beginStep(WIDEST_POLICY, started(), 0)
  for (let i = 0; i < 90; i += 10) coarse = observe(WIDEST_POLICY, coarse, released(of.slice(i, i + 10)))

  test('of ten seconds and of one prove the same, and count the same', () => {
    expect(coarse.tally).toEqual(fine.tally)
    expect(coarse.references).toEqual(fine.references)
    const { promotion, sampleRatioAt, wealth } = evidencePlan(WIDEST_POLICY, fine.references)
    for (const group of GROUPS)
      for (const { from, to } of promotion[group])
        close(coarse.wealth.subarray(from, to), fine.wealth.subarray(from, to))
    close(coarse.wealth.subarray(sampleRatioAt[0], wealth), fine.wealth.subarray(sampleRatioAt[0], wealth))
  })

  test('only lay out the capital at other times', () => {
    expect([coarse.ticks.early, fine.ticks.early]).toEqual([9, 90])
    expect(coarse.cash.early).toBeGreaterThan(fine.cash.early)
    // From the first tick on both lay half of it on the same bets.
    const [a, b] = [assess(WIDEST_POLICY, coarse), assess(WIDEST_POLICY, fine)]
    for (const group of GROUPS)
      expect(Math.abs(a.logRollback[group] - b.logRollback[group])).toBeLessThan(Math.LN2)
  })
})

describe('a step', () => {
  const policy = WIDEST_POLICY
  const before = observed(beginStep(policy, started(), 0), seconds(8, 0, 60))

  test('has a proof of its own, which starts at 1 and adds up with what was proven before', () => {
    const step = beginStep(policy, before, 60)
    for (const { name, logPromotion, logStepPromotion } of assess(policy, step).comparisons) {
      expect(logStepPromotion, name).toBe(0)
      expect(logPromotion, name).toBe(assessmentOf(before, name).logPromotion)
    }
    const after = observed(step, seconds(9, 60, 20, AT_25))
    const errors = assessmentOf(after, 'errors')
    expect(errors.logStepPromotion).toBeCloseTo(
      errors.logPromotion! - assessmentOf(before, 'errors').logPromotion!,
      9,
    )
  })

  test('lays a part of the capital on bets that begin with it, once', () => {
    const [second, next] = seconds(10, 60, 2)
    const plain = observed(before, [second!])
    const step = observed(beginStep(policy, before, 60), [second!])
    expect(plain.cash.early - step.cash.early).toBeCloseTo(0.25 / 4, 12)
    expect(observed(step, [next!]).cash.early - observed(plain, [next!]).cash.early).toBeCloseTo(
      -0.25 / 4,
      12,
    )
  })

  test('beyond the planned ones finds no more capital than there is', () => {
    let evidence = startEvidence(policy, REFERENCES, 1)
    for (const [i, second] of seconds(11, 0, 6).entries())
      evidence = observed(beginStep(policy, evidence, i), [second])
    expect(evidence.cash.early).toBe(0)
    expect(Number.isNaN(assess(policy, evidence).logRollback.early)).toBe(false)
  })
})

describe('learning the baseline', () => {
  const slow = { ...HEALTHY, latencyMs: (draw: number) => 3 * HEALTHY.latencyMs(draw) }
  const first = beginStep(WIDEST_POLICY, started(), 0)

  test('takes the first 60 seconds of a rollout, in which latency says nothing at all', () => {
    const warm = observed(first, seconds(12, 0, 59, AT_5, slow))
    expect(warm.references.latency).toBeUndefined()
    expect(assessmentOf(warm, 'latency').logRollback).toBeLessThanOrEqual(Math.log(0.3) + 1e-9)
    expect(assessmentOf(warm, 'latency').logPromotion).toBeCloseTo(0, 12)
    expect(assessmentOf(warm, 'errors').logPromotion).not.toBe(0)
    const known = observed(warm, seconds(13, 59, 1, AT_5, slow))
    expect(known.references.latency).toBeDefined()
    expect(known.learning).toBeUndefined()
    expect(assessmentOf(known, 'latency').logPromotion).toBeCloseTo(0, 12)
    const judged = observed(known, seconds(14, 60, 30, AT_5, slow))
    expect(assessmentOf(judged, 'latency').verdict).toBe('breach')
  })

  test('goes on until enough lies beyond the rarest quantile that is asked for', () => {
    // 25 requests of the baseline a second: 1,000 lie 10 beyond p99.
    const few = seconds(15, 0, 200).map((second) => ({
      ...second,
      early: aSecond(uniform(second.early.second + 1), second.early.second, AT_5, 50, HEALTHY).early,
    }))
    const after = (n: number) => observed(first, few.slice(0, n))
    expect(after(200).references.latency).toBeUndefined()
    expect(after(200).learning!.observations).toBeLessThan(1000)
    const onlyMedian: StatisticalPolicy = {
      ...WIDEST_POLICY,
      guardrails: WIDEST_POLICY.guardrails.map((guardrail) =>
        guardrail.metric === 'latency' ? { ...guardrail, quantiles: [0.5] } : guardrail,
      ),
    }
    const early = beginStep(onlyMedian, startEvidence(onlyMedian, REFERENCES, 4), 0)
    const learned = few
      .slice(0, 200)
      .reduce((e, { early }) => observe(onlyMedian, e, { early: [early] }), early)
    expect(learned.references.latency).toBeDefined()
  })

  test('of a later step takes 30 seconds, in which latency can roll back and proves nothing', () => {
    const known = observed(first, seconds(16, 0, 90))
    const proven = assessmentOf(known, 'latency').logPromotion!
    expect(proven).not.toBe(0)
    const step = beginStep(WIDEST_POLICY, known, 90)
    const warm = observed(step, seconds(17, 90, 29, AT_25))
    expect(assessmentOf(warm, 'latency').logPromotion).toBe(proven)
    const bad = observed(step, seconds(18, 90, 29, AT_25, slow))
    expect(assessmentOf(bad, 'latency').verdict).toBe('breach')
    expect(assessmentOf(bad, 'latency').logStepPromotion).toBe(0)
    const after = observed(warm, seconds(19, 119, 11, AT_25))
    expect(after.references.latency).not.toEqual(known.references.latency)
    expect(assessmentOf(after, 'latency').logPromotion).not.toBe(proven)
  })

  test('leaves out what was assigned before the step', () => {
    const step = beginStep(WIDEST_POLICY, started(), 10)
    expect(observed(step, seconds(20, 5, 5)).learning!.observations).toBe(0)
    expect(observed(step, seconds(20, 5, 6)).learning!.observations).toBeGreaterThan(0)
  })
})

test('a retry begins its rollback evidence anew and keeps what was proven', () => {
  const bad = { ...HEALTHY, errorRate: 0.05 }
  const before = observed(beginStep(WIDEST_POLICY, started(), 0), seconds(21, 0, 100, AT_5, bad))
  expect(assessmentOf(before, 'errors').verdict).toBe('breach')
  const retry = restartRollback(WIDEST_POLICY, before)
  for (const { name, share = 1, metric, logRollback, logPromotion, logStepPromotion } of assess(
    WIDEST_POLICY,
    retry,
  ).comparisons) {
    const old = assessmentOf(before, name)
    expect(logRollback, name).toBeCloseTo(Math.log(metric === 'error_rate' ? 0.75 * share : share), 12)
    expect([logPromotion, logStepPromotion], name).toEqual([old.logPromotion, old.logStepPromotion])
  }
  expect(retry.cursor).toEqual(before.cursor)
  expect(retry.references).toBe(before.references)
})

describe('a watch after the promotion', () => {
  const before = observed(beginStep(WIDEST_POLICY, started(), 0), seconds(26, 0, 20))
  const watch = startWatch(WIDEST_POLICY, before)

  test('begins with nothing on its bets, and each tick lays 1 on each of them', () => {
    const { rollback } = evidencePlan(WIDEST_POLICY, watch.references)
    const [{ from, to }] = rollback.labels as [{ from: number; to: number }]
    expect([...watch.wealth.subarray(from, to)].every((x) => x === 0)).toBe(true)
    const [first] = seconds(27, 20, 1)
    const once = observed(watch, [first!])
    const plain = observed({ ...watch, wealth: watch.wealth.map(() => 1), watching: true }, [first!])
    const expected = once.wealth.subarray(from, to).map((x) => 2 * x)
    close(plain.wealth.subarray(from, to), expected)
  })

  test('stays low beside an equal version and rises beside one that got worse', () => {
    const loudest = (canary: Version) =>
      Math.max(
        ...Object.values(
          assess(WIDEST_POLICY, observed(watch, seconds(28, 20, 60, AT_25, canary))).logRollback,
        ),
      )
    expect(loudest(HEALTHY)).toBeLessThan(Math.log(60))
    expect(loudest({ ...HEALTHY, errorRate: 0.05 })).toBeGreaterThan(Math.log(1e6))
  })
})

test('a weight that changes within a step teaches the baseline anew and keeps all evidence', () => {
  const before = observed(beginStep(WIDEST_POLICY, started(), 0), seconds(29, 0, 70))
  const changed = warmUp(WIDEST_POLICY, before, 70)
  const { learning, ...kept } = changed
  expect(kept).toEqual(before)
  expect(learning).toMatchObject({ sinceSecond: 70, observations: 0 })
})

describe('what says nothing', () => {
  const noChance = [
    [0, 0],
    [0, 5000],
    [10_000, 0],
  ] as const

  test.each(noChance)(
    'canary at %i bp, baseline at %i bp: no evidence of any kind',
    (canaryBp, baselineBp) => {
      // The canary's requests fail all, if there are any; nobody drew.
      const worst = { ...HEALTHY, errorRate: 1, wrongRate: 1 }
      const of = seconds(22, 0, 70, { canaryBp, baselineBp }, worst)
      const evidence = observed(beginStep(WIDEST_POLICY, started(), 0), of)
      const { comparisons, logMismatch } = assess(WIDEST_POLICY, evidence)
      for (const { share = 1, metric, logRollback, logPromotion } of comparisons) {
        expect(logRollback).toBeCloseTo(Math.log(metric === 'error_rate' ? 0.75 * share : share), 9)
        expect(logPromotion).toBeCloseTo(0, 12)
      }
      expect(logMismatch).toBeCloseTo(0, 12)
    },
  )

  test('windows without requests or strata move time and nothing else', () => {
    const of = {
      early: NO_EARLY_COUNTS,
      final: { requests: 0, errors: 0, aborted: 0 },
      labels: { labelled: 0, wrong: 0 },
    }
    const empty = (group: Group, second: number): Window => ({
      second,
      strata:
        second % 2 === 0
          ? [
              {
                stratum: stratumOf(500),
                arms: { stable: of[group], baseline: of[group], canary: of[group] },
              },
            ]
          : [],
    })
    const before = beginStep(WIDEST_POLICY, started(), 0)
    let after = before
    for (let second = 0; second < 100; second++) {
      const windows = Object.fromEntries(GROUPS.map((group) => [group, [empty(group, second)]]))
      after = observe(WIDEST_POLICY, after, windows as Released)
    }
    expect(after.cursor).toEqual({ early: 99, final: 99, labels: 99 })
    for (const { name, logRollback, logPromotion } of assess(WIDEST_POLICY, after).comparisons) {
      const { logRollback: worthThen } = assessmentOf(before, name)
      expect(logRollback, name).toBeCloseTo(worthThen, 9)
      expect(logPromotion, name).toBeCloseTo(0, 12)
    }
  })

  test('nothing that a version can do makes a value that is not a number', () => {
    const versions: Version[] = [
      { ...HEALTHY, errorRate: 1 },
      { ...HEALTHY, abortRate: 1 },
      { ...HEALTHY, rejectedRate: 1 },
      { ...HEALTHY, latencyMs: () => 0, score: () => 0 },
      { ...HEALTHY, latencyMs: () => 1e9, score: () => 1 },
      { ...HEALTHY, latencyMs: () => 999.9, score: () => 1, wrongRate: 1 },
    ]
    for (const canary of versions)
      for (const stable of versions) {
        const random = uniform(23)
        let evidence = beginStep(WIDEST_POLICY, started(), 0)
        for (let second = 0; second < 65; second++)
          evidence = observe(
            WIDEST_POLICY,
            evidence,
            released([aSecond(random, second, AT_25, 100, canary, stable)]),
          )
        expect(evidence.wealth.some(Number.isNaN)).toBe(false)
        const { comparisons, logRollback, logMismatch } = assess(WIDEST_POLICY, evidence)
        const values = comparisons.flatMap((c) => [
          c.logRollback,
          c.logPromotion ?? 0,
          c.logStepPromotion ?? 0,
        ])
        expect([...values, ...Object.values(logRollback), logMismatch].some(Number.isNaN)).toBe(false)
      }
  })
})

test('requests of an arm are counted over strata and windows', () => {
  const of = [...seconds(24, 0, 2), ...seconds(25, 2, 1, AT_25)]
  const windows = of.map(({ early }) => early)
  const total = (arm: 'stable' | 'baseline' | 'canary') => requestsIn(windows, arm)
  expect(total('stable') + total('baseline') + total('canary')).toBe(1500)
  expect(requestsIn(undefined, 'canary')).toBe(0)
})

describe('before the canary has requests', () => {
  const ALONE = { canaryBp: 0, baselineBp: 500 }
  const learning = () => learnBaseline(WIDEST_POLICY, started(), 0)

  test('the baseline is learned and no bet moves', () => {
    const known = observed(learning(), seconds(31, 0, 60, ALONE))
    expect(known.references.latency).toBeDefined()
    expect(known.cash).toEqual(started().cash)
    expect(known.ticks).toEqual(started().ticks)
    expect(known.wealth.some((wealth) => wealth !== 0)).toBe(false)
  })

  test('what is known then is kept when the first step begins, and so is what is half learned', () => {
    const known = beginStep(WIDEST_POLICY, observed(learning(), seconds(32, 0, 60, ALONE)), 60)
    expect(known.learning).toBeUndefined()
    const half = beginStep(WIDEST_POLICY, observed(learning(), seconds(33, 0, 30, ALONE)), 30)
    expect(half.learning?.sinceSecond).toBe(0)
    expect(half.learning?.observations).toBeGreaterThan(0)
  })

  test('a canary that is cold is not accused of it, and one that stays slow is', () => {
    const known = beginStep(WIDEST_POLICY, observed(learning(), seconds(34, 0, 60, ALONE)), 60)
    const slow: Version = { ...HEALTHY, latencyMs: (draw) => 3 * HEALTHY.latencyMs(draw) }
    const cold = observed(known, seconds(35, 60, COLD_SECONDS, AT_5, slow))
    expect(assessmentOf(cold, 'latency').logRollback).toBeLessThanOrEqual(Math.log(0.3) + 1e-9)
    const warm = observed(cold, seconds(36, 60 + COLD_SECONDS, 30, AT_5, slow))
    expect(assessmentOf(warm, 'latency').verdict).toBe('breach')
  })
})

test('requests of before a step do not prove it, though they are released in it and within one tick', () => {
  const first = observed(beginStep(WIDEST_POLICY, started(), 0), seconds(41, 0, 20))
  const late = seconds(42, 20, 10)
  const step = beginStep(WIDEST_POLICY, first, 25)
  const [before, own] = [
    late.filter(({ early }) => early.second < 25),
    late.filter(({ early }) => early.second >= 25),
  ]
  const together = observe(WIDEST_POLICY, step, released(late))
  const apart = observe(WIDEST_POLICY, observe(WIDEST_POLICY, step, released(before)), released(own))
  const stepProof = (evidence: Evidence) => assessmentOf(evidence, 'errors').logStepPromotion!
  expect(stepProof(observe(WIDEST_POLICY, step, released(before)))).toBe(0)
  expect(stepProof(together)).toBeCloseTo(stepProof(apart), 12)
  expect(assessmentOf(together, 'errors').logPromotion).toBeCloseTo(
    assessmentOf(apart, 'errors').logPromotion!,
    12,
  )
})

test('while a promoted version is watched, a comparison that is told nothing does not grow into an alarm', () => {
  const watch = { canaryBp: 9900, baselineBp: 0 }
  const start = startWatch(WIDEST_POLICY, beginStep(WIDEST_POLICY, started(), 0))
  const after = observed(start, seconds(51, 100, 300, watch))
  expect(assessmentOf(after, 'latency').logRollback).toBe(LOG_OF_NOTHING)
  expect(assessmentOf(after, 'errors').logRollback).toBeLessThan(Math.log(300))
})

test('a draw that was certainly broken stays so, whatever comes after it', () => {
  const biased = seconds(61, 0, 4, { canaryBp: 5000, baselineBp: 0 }).map(({ early, ...rest }) => ({
    ...rest,
    early: { ...early, strata: early.strata.map((cell) => ({ ...cell, stratum: stratumOf(2500, 0) })) },
  }))
  const broken = observed(beginStep(WIDEST_POLICY, started(), 0), biased)
  expect(broken.broken.draw).toBe(true)
  let later = observed(broken, seconds(62, 4, 200))
  for (let from = 204; assess(WIDEST_POLICY, later).logMismatch > 5 && from < 4000; from += 200)
    later = observed(later, seconds(from, from, 200, { canaryBp: 5000, baselineBp: 0 }))
  expect(assess(WIDEST_POLICY, later).drawIsBroken).toBe(true)
})

test('where one version loses labels, accuracy accuses nobody and proves nothing', () => {
  const lossy = seconds(63, 0, 160, { canaryBp: 5000, baselineBp: 0 }).map(({ labels, ...rest }) => ({
    ...rest,
    labels: {
      ...labels,
      strata: labels.strata.map(({ stratum, arms }) => ({
        stratum,
        arms: {
          ...arms,
          canary: { labelled: Math.round(arms.canary.labelled * 0.7), wrong: arms.canary.wrong },
        },
      })),
    },
  }))
  const after = observed(beginStep(WIDEST_POLICY, started(), 0), lossy)
  expect(after.broken).toEqual({ draw: false, labels: true })
  const accuracy = assessmentOf(after, 'accuracy')
  expect(accuracy).toMatchObject({
    verdict: 'not-testable',
    untestable: expect.stringContaining('labels come to one'),
  })
  expect(accuracy.logRollback).toBeCloseTo(Math.log(0.1), 12)
})

test("a step's capital waits for the step's own requests", () => {
  const first = observed(beginStep(WIDEST_POLICY, started(), 0), seconds(64, 0, 20))
  const step = beginStep(WIDEST_POLICY, first, 25)
  const before = observed(step, seconds(65, 20, 5))
  expect(before.stepBegins.final).toBe(true)
  const own = observed(before, seconds(66, 25, 1))
  expect(own.stepBegins.final).toBe(false)
  expect(before.cash.final - own.cash.final).toBeGreaterThan(0.06)
})
