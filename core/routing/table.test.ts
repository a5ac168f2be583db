import { describe, expect, test } from 'vitest'
import { emptyDeployment } from '../rollout/deployment.ts'
import { WIDE_POLICY } from '../rollout/testing/policies.ts'
import { acted, inPhase } from '../rollout/testing/rollouts.ts'
import { drawArm, POINTS } from './draw.ts'
import { rolloutTable, routingTable } from './table.ts'

const whole = {
  model: 'churn',
  revision: 4,
  serial: 3,
  applied: {},
  stable: { version: '1.0.0', digest: 'sha256:1' },
}
const split = (weightBp: number) => ({
  ...whole,
  split: {
    canary: { version: '1.1.0', digest: 'sha256:2' },
    weightBp,
    serial: 3,
    salt: 'churn/3',
    startedAtMs: 1000,
    actor: 'config',
  },
})

test('a model without a stable version has no table', () => {
  expect(routingTable(emptyDeployment('churn'))).toBeUndefined()
})

test('one version: everything is stable, nothing is compared, no rollout is named', () => {
  const table = routingTable(whole)!
  expect(table).toMatchObject({
    serial: 0,
    revision: 4,
    weightBp: 0,
    baselineBp: 0,
    stable: '1.0.0',
    salt: '',
    counting: false,
  })
  expect(table.canary).toBeUndefined()
  expect([0, 1, POINTS - 1].map((point) => drawArm(table, point))).toEqual(['stable', 'stable', 'stable'])
})

test('a split: the canary owns its share and the probabilities are those that are drawn', () => {
  const table = routingTable(split(1250))!
  expect(table).toMatchObject({ serial: 3, weightBp: 1250, canary: '1.1.0', salt: 'churn/3', counting: true })
  expect(table.stratum).toEqual({ canary: 0.125, baseline: 0, stable: 0.875 })
  expect(drawArm(table, POINTS / 8 - 1)).toBe('canary')
  expect(drawArm(table, POINTS / 8)).toBe('stable')
})

test.each([
  [0, false],
  [1, true],
  [9999, true],
  [10_000, false],
])('at %i bp both versions answer: %s', (weightBp, counting) => {
  expect(routingTable(split(weightBp))!.counting).toBe(counting)
})

test('a baseline takes the top points, and only during a split', () => {
  const table = routingTable(split(500), 500)!
  expect(table.stratum.baseline).toBe(table.stratum.canary)
  expect(drawArm(table, POINTS - 1)).toBe('baseline')
  expect(routingTable(whole, 500)!.baselineBp).toBe(0)
})

test('the salt outlives a change of the weight', () => {
  expect(routingTable(split(500))!.salt).toBe(routingTable(split(2500))!.salt)
})

test('a table is immutable and survives the way to another process', () => {
  const table = routingTable({ ...split(500), affinity: { header: 'x-user-id' } })!
  expect(Object.isFrozen(table) && Object.isFrozen(table.stratum)).toBe(true)
  expect(JSON.parse(JSON.stringify(table))).toEqual(table)
})

describe('of a rollout', () => {
  test('canary and baseline have equal shares while latency is compared, as far as there is room', () => {
    const at = (weightBp: number) =>
      rolloutTable(acted(inPhase('stepping', WIDE_POLICY), { kind: 'set-weight', weightBp }))
    expect(at(1000)).toMatchObject({ weightBp: 1000, baselineBp: 1000, counting: true })
    expect(at(1000)!.stratum.canary).toBe(at(1000)!.stratum.baseline)
    expect(at(7500)).toMatchObject({ weightBp: 7500, baselineBp: 2500 })
    expect(at(0)).toMatchObject({ weightBp: 0, baselineBp: 0, counting: false })
  })

  test('the baseline is there before the canary, and neither is there without a comparison of latency', () => {
    expect(rolloutTable(inPhase('preparing', WIDE_POLICY))).toMatchObject({
      weightBp: 0,
      baselineBp: 500,
      counting: true,
    })
    expect(rolloutTable(inPhase('stepping'))).toMatchObject({ weightBp: 500, baselineBp: 0 })
  })

  test('names versions, serial, revision and salt; there is none once the rollout is over', () => {
    const rollout = inPhase('stepping')
    expect(rolloutTable(rollout)).toMatchObject({
      model: 'churn',
      serial: 1,
      revision: rollout.revision,
      stable: '1.0.0',
      canary: '1.1.0',
      salt: 'churn/1',
    })
    expect(rolloutTable(inPhase('finished'))).toBeUndefined()
  })
})
