import { observe } from '@coalmine/core/evidence/evidence.ts'
import type { Phase } from '@coalmine/core/rollout/phase.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { inPhase, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond, together } from '@coalmine/core/rollout/testing/windows.ts'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { exposition } from './metrics.ts'
import { rolloutMetrics, runningRollout } from './metrics-rollouts.ts'

const BEGIN = START_MS / 1000

/** A rollout of every metric whose canary fails more often, ten seconds in its first step. */
function stepping(): Rollout {
  const rollout = inPhase('stepping', WIDE_POLICY)
  const seconds = Array.from({ length: 10 }, (_, i) => fairSecond(BEGIN + i, 500, 1000, { canary: 0.4 }))
  return { ...rollout, evidence: observe(WIDE_POLICY, rollout.evidence, together(seconds)) }
}

const exposed = (rollouts: Rollout[], nowMs = START_MS + 12_000) =>
  exposition(
    rolloutMetrics(rollouts.map((rollout) => runningRollout(rollout, undefined, nowMs))),
    new Registry(),
  )
const sample = (text: string, series: string) => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}
const of = (comparison: string, metric: string, acts = true) =>
  `model="churn",comparison="${comparison}",metric="${metric}",acts="${acts}"`
const ERRORS = of('errors', 'error_rate')

describe('a running rollout', () => {
  test('tells where it is', async () => {
    const text = await exposed([stepping()])
    expect(sample(text, 'coalmine_rollout_phase{model="churn",phase="stepping"}')).toBe(1)
    expect(sample(text, 'coalmine_rollout_phase{model="churn",phase="held"}')).toBe(0)
    expect(sample(text, 'coalmine_rollout_step{model="churn"}')).toBe(1)
    expect(sample(text, 'coalmine_rollout_steps{model="churn"}')).toBe(3)
    expect(sample(text, 'coalmine_rollout_serial{model="churn"}')).toBe(1)
  })

  test('tells how old its evidence is, and how long it has run where there is none', async () => {
    expect(sample(await exposed([stepping()]), 'coalmine_evidence_lag_seconds{model="churn"}')).toBe(2)
    const text = await exposed([inPhase('preparing')])
    expect(sample(text, 'coalmine_evidence_lag_seconds{model="churn"}')).toBe(12)
    expect(sample(text, 'coalmine_rollout_step{model="churn"}')).toBe(0)
  })

  test('tells of a guardrail the difference with its bounds, both evidences with where they act, and the verdict', async () => {
    const text = await exposed([stepping()])
    const value = (name: string) => sample(text, `coalmine_comparison_${name}{${ERRORS}}`)!
    expect(value('difference')).toBeCloseTo(0.4, 9)
    expect(value('difference_low')).toBeLessThan(0.4)
    expect(value('difference_high')).toBeGreaterThan(0.4)
    expect([value('tolerate'), value('margin')]).toEqual([0.001, 0.02])
    expect(value('log_e_rollback_threshold')).toBeCloseTo(Math.log(100), 12)
    expect(value('log_e_rollback')).toBeGreaterThan(Math.log(100))
    expect(value('log_e_promotion_threshold')).toBeCloseTo(Math.log(20), 12)
    expect(value('log_e_promotion')).toBeLessThan(0)
    expect(value('log_e_step')).toBeLessThan(0)
    expect(value('log_e_step_threshold')).toBeCloseTo(Math.log(1 / 0.3), 12)
    expect(value('seconds_to_decide')).toBe(0)
    expect(sample(text, `coalmine_comparison_samples{${ERRORS},arm="canary"}`)).toBe(500)
    expect(sample(text, `coalmine_comparison_samples{${ERRORS},arm="control"}`)).toBe(9500)
    expect(sample(text, `coalmine_comparison_verdict{${ERRORS},verdict="breach"}`)).toBe(1)
    expect(sample(text, `coalmine_comparison_verdict{${ERRORS},verdict="proven"}`)).toBe(0)
  })

  test('leaves out what there is not: a proof of what cannot be proven, a difference that nobody has seen', async () => {
    const text = await exposed([stepping()])
    const scores = of('scores', 'score_distribution')
    for (const name of ['difference', 'log_e_promotion', 'log_e_step', 'seconds_to_decide'])
      expect(text).not.toContain(`coalmine_comparison_${name}{${scores}}`)
    expect(sample(text, `coalmine_comparison_verdict{${scores},verdict="not-testable"}`)).toBe(1)
  })

  test('marks a signal as one that does not act', async () => {
    const text = await exposed([stepping()])
    expect(text).toContain(`coalmine_comparison_tolerate{${of('rejected', 'rejected_rate', false)}} 0.001\n`)
  })
})

test('of every phase one series, and one of them is 1', async () => {
  const phases = [
    'preparing',
    'mirroring',
    'stepping',
    'awaiting-approval',
    'paused',
    'held',
    'promoting',
    'watching',
  ] as const
  for (const kind of phases satisfies readonly Phase['kind'][]) {
    const lines = (await exposed([inPhase(kind)]))
      .split('\n')
      .filter((l) => l.startsWith('coalmine_rollout_phase{'))
    expect(lines).toHaveLength(phases.length)
    expect(lines.filter((line) => line.endsWith(' 1'))).toEqual([
      `coalmine_rollout_phase{model="churn",phase="${kind}"} 1`,
    ])
  }
})

test('without a rollout there is no series', async () => {
  const lines = (await exposed([])).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(lines).toEqual([])
})
