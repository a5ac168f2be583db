import { totalOf } from '@coalmine/core/evidence/tally.ts'
import { act } from '@coalmine/core/rollout/act.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { MeasuredCounts } from '@coalmine/core/rollout/difference.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { around } from '@coalmine/core/rollout/testing/deployments.ts'
import { ANN, inPhase, ref } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond } from '@coalmine/core/rollout/testing/windows.ts'
import { describe, expect, test } from 'vitest'
import type { Step } from '../deployments.ts'
import { Measurements } from './measurements.ts'
import { controlled, QUICK } from './testing/controlled.ts'

const rollout = inPhase('stepping')
const beside: Rollout = { ...rollout, canary: ref('1.0.0') }
const second = (at = 1_800_000_100) => fairSecond(at, 500, 100_000, { canary: 0.02, stable: 0.001 })

const stepOf = (of: Rollout): Step => ({ before: around(of), next: around(of) })

function endOf(of: Rollout): Step {
  const outcome = act(of, { kind: 'abort' }, ANN)
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return {
    before: around(of),
    next: { ...around(of), rollout: undefined } as Deployment,
    ended: outcome.next,
  }
}

test('a rollout has what was committed of it, and another one begins anew', () => {
  const measurements = new Measurements()
  expect(measurements.of(rollout)).toBeUndefined()
  measurements.add(stepOf(rollout), second())
  expect(measurements.of(rollout)!.counts.final).toHaveLength(1)
  const next = { ...rollout, serial: 2 }
  expect(measurements.of(next)).toBeUndefined()
  measurements.add(stepOf(next), {})
  expect(measurements.of(next)!.counts.final).toEqual([])
  expect(measurements.of(rollout)).toBeUndefined()
})

test('two versions suggest nothing', () => {
  const measurements = new Measurements()
  measurements.add(stepOf(rollout), second())
  expect(measurements.suggestions('churn', rollout)).toEqual([])
})

test('a version beside itself suggests tolerances, while it runs and after its end', () => {
  const measurements = new Measurements()
  measurements.add(stepOf(beside), second())
  const running = measurements.suggestions('churn', beside)
  expect(running).toMatchObject([{ name: 'errors', raised: true }])
  measurements.add(endOf(beside), {})
  measurements.delete('churn')
  expect(measurements.suggestions('churn', undefined)).toEqual(running)
})

test('the windows of the last turn are part of what is suggested', () => {
  const measurements = new Measurements()
  measurements.add(endOf(beside), second())
  expect(measurements.suggestions('churn', undefined)).toMatchObject([{ raised: true }])
})

describe('of what a controller commits', () => {
  const finished = (counts: MeasuredCounts) =>
    counts.final.reduce((sum, { arms }) => sum + arms.canary.requests, 0)

  test('is measured what its evidence holds, while the rollout runs', async () => {
    const one = await controlled({ rollouts: [inPhase('stepping', QUICK)] })
    expect(one.controller.measured('churn')).toBeUndefined()
    await one.seconds(10)
    const { tally } = one.rollout()!.evidence
    expect(totalOf(tally, 'canary').finished).toBeGreaterThan(0)
    expect(finished(one.controller.measured('churn')!.counts)).toBe(totalOf(tally, 'canary').finished)
    expect(one.controller.turnSeconds.counts.reduce((a, b) => a + b)).toBeGreaterThan(0)
    await one.act({ kind: 'act', action: { kind: 'abort' } })
    await one.deployments.refresh('churn')
    await one.seconds(1)
    expect(one.controller.measured('churn')).toBeUndefined()
  })

  test('nothing is measured that was not committed', async () => {
    const one = await controlled({ rollouts: [inPhase('stepping', QUICK)] })
    one.store.fails = 'before'
    for (let i = 0; i < 5; i++) await one.seconds(1).catch(() => {})
    expect(one.controller.measured('churn')).toBeUndefined()
    one.store.fails = undefined
    await one.seconds(1)
    expect(finished(one.controller.measured('churn')!.counts)).toBe(
      totalOf(one.rollout()!.evidence.tally, 'canary').finished,
    )
  })

  test('nor what somebody else was faster than', async () => {
    const one = await controlled({ rollouts: [inPhase('stepping', QUICK)] })
    await one.seconds(4)
    const measured = one.controller.measured('churn')!
    const before = finished(measured.counts)
    await one.act({ kind: 'act', action: { kind: 'pause' } })
    await one.seconds(1)
    expect(finished(measured.counts)).toBe(before)
    await one.seconds(1)
    expect(finished(measured.counts)).toBe(totalOf(one.rollout()!.evidence.tally, 'canary').finished)
  })

  test('a version beside itself suggests tolerances', async () => {
    const one = await controlled({ rollouts: [{ ...inPhase('stepping', QUICK), canary: ref('1.0.0') }] })
    expect(one.controller.suggestions('churn')).toEqual([])
    await one.seconds(4)
    expect(one.controller.suggestions('churn')).toMatchObject([{ name: 'errors' }])
  })
})
