import { describe, expect, test } from 'vitest'
import type { ComparisonAssessment, Verdict } from '../evidence/assessment.ts'
import { askedOf, isAwaited, secondsToDecide } from './asked.ts'
import type { Comparison, Policy } from './policy.ts'
import { ERRORS, LATENCY, POLICY, step, WATCHED_POLICY } from './testing/policies.ts'
import { decided, inPhase, PHASES } from './testing/rollouts.ts'

const AT_LAST = { ...inPhase('stepping'), phase: { ...inPhase('held').phase, step: 2 } }

describe('what is asked where a rollout stands', () => {
  test('in a step its own proof; the rollout as a whole is asked at the last', () => {
    expect(askedOf(inPhase('stepping'))).toEqual({
      rollbackLog: Math.log(100),
      whole: 0.05,
      step: 0.3,
      isLast: false,
      watching: false,
    })
    expect(askedOf(AT_LAST)).toMatchObject({ step: 0.05, isLast: true })
  })

  test.each(PHASES)('%s: there is always a step to speak of', (kind) => {
    expect(askedOf(inPhase(kind)).step).toBe(0.3)
  })

  test('a policy that has fewer steps now: its last one', () => {
    const policy: Policy = { ...POLICY, steps: [step(500, 0.2)] }
    expect(askedOf({ ...AT_LAST, policy })).toMatchObject({ step: 0.2, isLast: true })
  })

  test('watched: an alarm by the time between false ones, and nothing to prove', () => {
    const watched = askedOf(inPhase('watching', WATCHED_POLICY))
    expect(watched).toMatchObject({ rollbackLog: Math.log(30 * 24 * 3600), watching: true })
    expect(isAwaited(ERRORS, { share: 1 }, watched)).toBe(false)
  })

  test('a step waits for its gates, the last one for every guardrail, and none for a signal', () => {
    const [first, last] = [askedOf(inPhase('stepping')), askedOf(AT_LAST)]
    const awaited = (comparison: Comparison, share?: number) =>
      [first, last].map((asked) => isAwaited(comparison, share === undefined ? {} : { share }, asked))
    expect(awaited(ERRORS, 1)).toEqual([true, true])
    expect(awaited(LATENCY, 1)).toEqual([false, true])
    expect(awaited(ERRORS)).toEqual([false, false])
  })
})

describe('the time to decide', () => {
  const asked = askedOf(inPhase('stepping'))
  const last = askedOf(AT_LAST)
  const found = (
    logStepPromotion: number,
    logPromotion = logStepPromotion,
    verdict: Verdict = 'undecided',
  ) => ({
    share: 1,
    verdict,
    logPromotion,
    logStepPromotion,
  })

  test('half of the way in a minute: another minute', () => {
    const half = Math.log(1 / 0.3) / 2
    expect(secondsToDecide(ERRORS, found(half), asked, 60)).toBe(60)
  })

  test('at the last step the later of its own proof and the whole one', () => {
    const bar = Math.log(1 / 0.05)
    expect(secondsToDecide(ERRORS, found(bar / 2, (3 * bar) / 4), last, 60)).toBe(60)
    expect(secondsToDecide(ERRORS, found(bar / 2, bar / 4), last, 60)).toBe(90)
  })

  test('what the step does not wait for goes on to the whole proof', () => {
    const bar = Math.log(1 / 0.05)
    expect(secondsToDecide(LATENCY, found(bar / 4), asked, 60)).toBe(180)
    expect(secondsToDecide(ERRORS, { ...found(bar / 4), share: undefined } as never, asked, 60)).toBe(180)
  })

  test('a step that asks for no proof has it', () => {
    expect(secondsToDecide(ERRORS, found(-1), { ...asked, step: 1 }, 60)).toBe(0)
  })

  test('decided is decided', () => {
    expect(secondsToDecide(ERRORS, found(10, 10, 'proven'), last, 60)).toBe(0)
    expect(secondsToDecide(ERRORS, found(-5, -5, 'breach'), last, 60)).toBe(0)
  })

  test.each<[string, Partial<ComparisonAssessment>]>([
    ['it goes the other way', found(-0.5)],
    ['nothing has come', found(0, 0, 'no-data')],
    ['nothing can be proven', { share: 1, verdict: 'not-testable' }],
  ])('undefined where %s', (_, comparison) => {
    expect(secondsToDecide(ERRORS, comparison as ComparisonAssessment, asked, 60)).toBeUndefined()
  })

  test('undefined before the first step and after the promotion', () => {
    expect(secondsToDecide(ERRORS, found(1), asked, Number.POSITIVE_INFINITY)).toBeUndefined()
    const watched = askedOf(inPhase('watching', WATCHED_POLICY))
    expect(secondsToDecide(ERRORS, found(1), watched, 60)).toBeUndefined()
  })
})

test('a decision moves what is asked', () => {
  const advanced = decided(inPhase('stepping'), {
    kind: 'advance',
    step: 1,
    weightBp: 2500,
    proven: true,
    because: 'it is proven',
  })
  expect(askedOf(advanced).step).toBe(0.15)
})
