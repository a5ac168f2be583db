import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import { policyFaults } from '@coalmine/core/rollout/policy-faults.ts'
import { POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { started } from '@coalmine/core/rollout/testing/rollouts.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LabelsMessage, PackedLabel } from '../../messages.ts'
import { GroundTruth, GroundTruths } from './ground-truth.ts'

const WINDOW_MS = 60_000
const ACCURACY: Guardrail = {
  name: 'accuracy',
  metric: 'accuracy',
  share: 1,
  tolerate: { kind: 'absolute', value: 0.01 },
  margin: { kind: 'absolute', value: 0.05 },
}
const LABELLED: Policy = { ...POLICY, guardrails: [ACCURACY], labelWindowMs: WINDOW_MS }
const rollout = started({ policy: LABELLED })
const { serial } = rollout
const NOTHING = { cursor: { early: 0, final: 0, labels: Number.NEGATIVE_INFINITY } }

let sequence = 0
const message = (labels: PackedLabel[], more: Partial<LabelsMessage> = {}): LabelsMessage => ({
  ...{ kind: 'labels', model: rollout.model, incarnation: 'a', sequence: sequence++, labels },
  ...more,
})
const label = (idHash: number, assignedMs: number, arm = 2, wrong: 0 | 1 = 1): PackedLabel => [
  serial,
  idHash,
  assignedMs,
  2500,
  arm,
  wrong,
  null,
  null,
  null,
]

test('labels are given out when their second is as old as the window, each once', () => {
  const truth = new GroundTruth(serial, WINDOW_MS)
  truth.accept(message([label(1, 5_100), label(2, 5_900, 0, 0), label(3, 6_000)]), rollout, 10_000)
  expect(truth.beyond(NOTHING, 65_999)).toEqual([])
  const windows = truth.beyond(NOTHING, 66_000)
  expect(windows).toMatchObject([
    {
      second: 5,
      strata: [
        {
          stratum: { canary: 0.25 },
          arms: { canary: { labelled: 1, wrong: 1 }, stable: { labelled: 1, wrong: 0 } },
        },
      ],
    },
  ])
  // Not committed yet: it comes again. Committed: never.
  expect(truth.beyond(NOTHING, 66_000)).toEqual(windows)
  const committed = { cursor: { ...NOTHING.cursor, labels: 5 } }
  expect(truth.beyond(committed, 66_000)).toEqual([])
  expect(truth.beyond(committed, 67_000)).toMatchObject([{ second: 6 }])
})

test('an id that came to two processes counts once; a message that comes twice counts once', () => {
  const truth = new GroundTruth(serial, WINDOW_MS)
  const first = message([label(1, 5_000)])
  truth.accept(first, rollout, 6_000)
  truth.accept(first, rollout, 6_000)
  truth.accept(message([label(1, 5_000)], { incarnation: 'b' }), rollout, 6_000)
  expect(truth.results).toMatchObject({ counted: 1, repeated: 1 })
  expect(truth.beyond(NOTHING, 70_000)).toMatchObject([{ strata: [{ arms: { canary: { labelled: 1 } } }] }])
})

test('a label that is older than the window is late, whether its id came before or not', () => {
  const truth = new GroundTruth(serial, WINDOW_MS)
  truth.accept(message([label(1, 5_000)]), rollout, 6_000)
  truth.beyond(NOTHING, 66_000)
  truth.accept(message([label(1, 5_000), label(2, 5_000)]), rollout, 66_000)
  expect(truth.results).toMatchObject({ counted: 1, late: 2, repeated: 0 })
})

test('after a restart nothing counts twice: what is behind the stored cursor is late', () => {
  const stored = {
    ...rollout,
    evidence: { ...rollout.evidence, cursor: { ...rollout.evidence.cursor, labels: 5 } },
  }
  const truth = new GroundTruth(serial, WINDOW_MS)
  truth.accept(message([label(1, 5_999), label(2, 6_000)]), stored, 7_000)
  expect(truth.results).toMatchObject({ counted: 1, late: 1 })
})

test('labels of another rollout, and what no data process says, are left out', () => {
  const truth = new GroundTruth(serial, WINDOW_MS)
  const [, ...rest] = label(1, 5_000)
  truth.accept(message([[serial + 1, ...rest], label(2, 5_000, 9)]), rollout, 6_000)
  expect(truth.results).toMatchObject({ counted: 0, other_rollout: 2 })
})

test('however labels are spread, repeated and delayed, each request counts once if its first one came in time', () => {
  const one = fc.record({
    id: fc.nat({ max: 40 }),
    process: fc.constantFrom('a', 'b', 'c'),
    delayMs: fc.nat({ max: 2 * WINDOW_MS }),
  })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 200 }), (sent) => {
      const truth = new GroundTruth(serial, WINDOW_MS)
      const numbers = new Map<string, number>()
      let labelled = 0
      const take = (nowMs: number) => {
        for (const { second, strata } of truth.beyond(NOTHING, nowMs)) {
          if (given.has(second)) continue
          given.add(second)
          labelled += strata[0]!.arms.canary.labelled
        }
      }
      const given = new Set<number>()
      const assigned = (id: number) => 1_000_000 + id * 700
      const inOrder = sent
        .map((each) => ({ ...each, atMs: assigned(each.id) + each.delayMs }))
        .toSorted((a, b) => a.atMs - b.atMs)
      for (const { id, process, atMs } of inOrder) {
        take(atMs)
        const number = numbers.get(process) ?? 0
        numbers.set(process, number + 1)
        const about = { incarnation: process, sequence: number }
        truth.accept(message([label(id, assigned(id))], about), rollout, atMs)
      }
      take(10_000_000)
      const inTime = new Set(sent.filter(({ delayMs }) => delayMs <= WINDOW_MS).map(({ id }) => id))
      expect(labelled).toBe(inTime.size)
    }),
  )
})

test('a rollout that compares no accuracy keeps no labels; another rollout begins anew', () => {
  const truths = new GroundTruths()
  expect(truths.of({ ...rollout, policy: POLICY })).toBeUndefined()
  const first = truths.of(rollout)!
  expect(truths.of(rollout)).toBe(first)
  expect(truths.of({ ...rollout, serial: serial + 1 })).not.toBe(first)
})

test('a label window that no step could wait for, or that nothing asks for, is a fault', () => {
  expect(policyFaults(LABELLED)).toEqual([])
  expect(policyFaults({ ...LABELLED, progressDeadlineMs: WINDOW_MS })).toEqual([
    'labelWindow must be shorter than progressDeadline, or no step could be proven in time',
  ])
  expect(policyFaults({ ...POLICY, labelWindowMs: WINDOW_MS })).toEqual([
    'labelWindow must not be there while no accuracy is compared',
  ])
})
