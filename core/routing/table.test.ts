import { describe, expect, test } from 'vitest'
import { canaryWeightBp, type Deployment, emptyDeployment } from '../rollout/deployment.ts'
import { rollingIn } from '../rollout/testing/deployments.ts'
import { WATCHED_POLICY, WIDE_POLICY } from '../rollout/testing/policies.ts'
import { acted, inPhase, PHASES } from '../rollout/testing/rollouts.ts'
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

  test('the canary has the lowest points and the baseline the highest', () => {
    const table = rolloutTable(inPhase('stepping', WIDE_POLICY))!
    expect([0, POINTS / 2, POINTS - 1].map((point) => drawArm(table, point))).toEqual([
      'canary',
      'stable',
      'baseline',
    ])
  })

  test('is that of its deployment, in every phase', () => {
    for (const kind of PHASES.filter((phase) => phase !== 'finished')) {
      const deployment = rollingIn(kind, WATCHED_POLICY)
      const table = routingTable(deployment)!
      expect(table).toEqual(rolloutTable(deployment.rollout!))
      expect([table.revision, table.weightBp]).toEqual([deployment.revision, canaryWeightBp(deployment)])
    }
  })

  test('keeps its two versions apart while the promoted one is watched', () => {
    expect(routingTable(rollingIn('watching', WATCHED_POLICY))).toMatchObject({
      stable: '1.0.0',
      canary: '1.1.0',
      weightBp: 9900,
      baselineBp: 0,
      counting: true,
    })
  })

  test('keeps the affinity that it began with', () => {
    const affinity = { header: 'x-user-id' }
    const deployment = { ...rollingIn('stepping'), affinity }
    expect(routingTable(deployment)!.affinity).toBeUndefined()
    const rollout = { ...deployment.rollout!, affinity }
    expect(routingTable({ ...deployment, rollout } as Deployment)!.affinity).toEqual(affinity)
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
