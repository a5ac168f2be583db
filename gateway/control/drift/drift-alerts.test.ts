import type { Verdict } from '@coalmine/core/drift/assessment.ts'
import { beforeEach, expect, test } from 'vitest'
import type { Notice } from '../../notifications/notice.ts'
import type { Compared, Comparison } from './comparison.ts'
import { DriftAlerts } from './drift-alerts.ts'

type Verdicts = Record<string, Verdict>
const UNMEASURED: Comparison = { measured: false, because: 'no worker has been asked yet' }

/** A comparison with these verdicts; `score` is the score, all others are features. */
function comparison(verdicts: Verdicts | undefined): Comparison {
  if (verdicts === undefined) return UNMEASURED
  const series = Object.entries(verdicts).map(
    ([name, verdict]) =>
      ({
        series: { kind: name === 'score' ? 'score' : 'feature', name, edges: [] },
        ...{ verdict, because: verdict === 'drifted' ? ['PSI 1.03, 0.2 or more'] : [] },
      }) as unknown as Compared,
  )
  return { measured: true, windowMs: 3_600_000, verdict: 'steady', series, unmeasured: [] }
}

let nowMs: number
let stable: string | undefined
let seen: Record<string, { training?: Verdicts; stable?: Verdicts }>
let alerts: DriftAlerts
beforeEach(() => {
  nowMs = 1_700_000_000_000
  stable = '1.0.0'
  seen = { '1.0.0': {} }
  alerts = new DriftAlerts({
    models: () => ['churn'],
    versions: () => Object.keys(seen),
    stable: () => stable,
    drift: (_, version) => ({
      training: comparison(seen[version]!.training),
      stable: comparison(seen[version]!.stable),
    }),
    nowMs: () => nowMs,
  })
})

/** What a look a minute later tells. */
function toldAtOnce(): string[] {
  nowMs += 60_000
  return alerts.look().map(({ kind, says }: Notice) => `${kind}: ${says}`)
}

/** What two such looks tell. */
const told = () => [...toldAtOnce(), ...toldAtOnce()]

test('what one look alone finds is not told: the others may not have been asked yet', () => {
  const drifted = { stable: { calls: 'drifted' } } as const
  const steady = { stable: { calls: 'steady' } } as const
  seen['1.1.0'] = drifted
  expect(toldAtOnce()).toEqual([])
  seen['1.1.0'] = steady
  expect(toldAtOnce()).toEqual([])
  seen['1.1.0'] = drifted
  expect(toldAtOnce()).toEqual([])
  expect(toldAtOnce()).toHaveLength(1)
})

test('what has drifted is told once, with why, and once when it is over', () => {
  seen['1.0.0'] = { training: { calls: 'steady', charges: 'steady' } }
  expect(told()).toEqual([])
  seen['1.0.0'] = { training: { calls: 'drifted', charges: 'drifted' } }
  expect(told()).toEqual([
    'drifted: churn 1.0.0: drifted from training: calls (PSI 1.03, 0.2 or more), charges (PSI 1.03, 0.2 or more)',
  ])
  expect(told()).toEqual([])
  seen['1.0.0'] = { training: { calls: 'drifted', charges: 'steady', score: 'drifted' } }
  expect(told()).toEqual([
    'drift-over: churn 1.0.0: steady again from training: charges',
    'drifted: churn 1.0.0: drifted from training: the score (PSI 1.03, 0.2 or more)',
  ])
  seen['1.0.0'] = { training: { calls: 'steady', charges: 'steady', score: 'steady' } }
  expect(told()).toEqual(['drift-over: churn 1.0.0: steady again from training: calls, the score'])
})

test.each<[string, Verdicts | undefined]>([
  ['a figure between the limits', { calls: 'moved' }],
  ['too few records', { calls: 'too-few' }],
  ['nothing that was measured', undefined],
])('%s begins nothing and ends nothing', (_, between) => {
  const between_ = between === undefined ? {} : { training: between }
  seen['1.0.0'] = between_
  expect(told()).toEqual([])
  seen['1.0.0'] = { training: { calls: 'drifted' } }
  expect(told()).toHaveLength(1)
  seen['1.0.0'] = between_
  expect(told()).toEqual([])
  seen['1.0.0'] = { training: { calls: 'drifted' } }
  expect(told(), 'it has been told').toEqual([])
  seen['1.0.0'] = { training: { calls: 'steady' } }
  expect(told()).toHaveLength(1)
})

test('beside stable features alone are told: two versions may answer otherwise', () => {
  seen['1.1.0'] = { stable: { calls: 'drifted', score: 'drifted' } }
  expect(told()).toEqual(['drifted: churn 1.1.0: drifted beside 1.0.0: calls (PSI 1.03, 0.2 or more)'])
  stable = '1.1.0'
  expect(told(), 'it is beside itself').toEqual([])
})

test('a version that is gone is forgotten, and told anew if it comes back as it was', () => {
  const drifted = { training: { calls: 'drifted' } } as const
  seen = { '1.0.0': drifted }
  expect(told()).toHaveLength(1)
  seen = {}
  expect(told()).toEqual([])
  seen = { '1.0.0': drifted }
  expect(told()).toHaveLength(1)
})

test('a notice has an id of its own and the facts; looks in between cost nothing', () => {
  seen['1.0.0'] = { training: { calls: 'drifted' } }
  expect(toldAtOnce()).toEqual([])
  nowMs += 60_000
  const [notice] = alerts.look()
  expect(notice).toMatchObject({
    ...{ id: `drifted/churn/1.0.0/training/${nowMs}`, kind: 'drifted', model: 'churn', atMs: nowMs },
    facts: {
      ...{ model: 'churn', version: '1.0.0', against: 'training', fields: 'calls' },
      because: 'calls (PSI 1.03, 0.2 or more)',
    },
  })
  seen['1.0.0'] = { training: { calls: 'steady' } }
  nowMs += 1_000
  expect(alerts.look()).toEqual([])
})
