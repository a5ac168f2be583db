import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { describe, expect, test } from 'vitest'
import { type PolicyFile, parsePolicy } from './parse-policy.ts'
import { ERRORS, policyText, problems, RISK, SCORES, STEPS } from './testing/policy-text.ts'

function file(keys: Record<string, string> = {}): PolicyFile {
  const parsed = parsePolicy('churn', policyText(keys))
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.file
}
const policy = (keys: Record<string, string> = {}): Policy => file(keys).policy

test('the least there can be; what is not said has the defaults', () => {
  expect(file()).toEqual({
    policy: {
      name: 'churn',
      hash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      steps: [{ weightBp: 5000, minDurationMs: 60_000, proof: 1, requiresApproval: false }],
      risk: { falseRollback: 0.01, falsePromotion: 0.05 },
      guardrails: [
        {
          name: 'error_rate',
          metric: 'error_rate',
          tolerate: { kind: 'absolute', value: 0.001 },
          margin: { kind: 'absolute', value: 0.005 },
          share: 1,
        },
      ],
      signals: [],
      intervalMs: 1000,
      progressDeadlineMs: 48 * 3_600_000,
      onInconclusive: 'hold',
      onNoTraffic: { action: 'hold', afterMs: 900_000 },
      onSampleRatioMismatch: 'hold',
      shield: true,
      keepPreviousMs: 24 * 3_600_000,
    },
  })
})

describe('values in the units of people become values in the units of the program', () => {
  test('steps', () => {
    const steps = `
  - { setWeight: 0.01, minDuration: 250ms, proof: 0.3, gates: [error_rate] }
  - { setWeight: 12.5, minDuration: 2m, proof: 1, requiresApproval: true, gates: [] }
  - { setWeight: 99.99, minDuration: 48h, proof: 0.05 }`
    expect(policy({ steps }).steps).toEqual([
      { weightBp: 1, minDurationMs: 250, proof: 0.3, requiresApproval: false, gates: ['error_rate'] },
      { weightBp: 1250, minDurationMs: 120_000, proof: 1, requiresApproval: true, gates: [] },
      { weightBp: 9999, minDurationMs: 48 * 3_600_000, proof: 0.05, requiresApproval: false },
    ])
  })

  test('a mirror before them, which is no step with a weight', () => {
    const steps = `
  - { mirror: { percent: 20 }, minDuration: 10m, proof: 0.3 }
  - { setWeight: 50, minDuration: 1m }`
    const { mirror, steps: weights, hash } = policy({ steps })
    expect(mirror).toEqual({ mirrorBp: 2000, minDurationMs: 600_000, proof: 0.3 })
    expect(weights.map(({ weightBp }) => weightBp)).toEqual([5000])
    expect(hash).not.toBe(policy({ steps: '[{ setWeight: 50, minDuration: 1m }]' }).hash)
    const asking = policy({ steps: steps.replace('0.3', '0.3, requiresApproval: true') })
    expect(asking.mirror).toEqual({ ...mirror, requiresApproval: true })
    expect(policy({ steps: steps.replace('0.3', '0.3, requiresApproval: false') }).hash).toBe(hash)
  })

  test('rates: percentage points are absolute, percent is of the rate of stable', () => {
    const guardrails = '[{ metric: accuracy, tolerate: 10%, margin: 0.7pp }]'
    expect(policy({ guardrails }).guardrails).toMatchObject([
      { tolerate: { kind: 'relative', value: 0.1 }, margin: { kind: 'absolute', value: 0.007 } },
    ])
  })

  test('accuracy: of all answers, of one class, or by the score; each with a name of its own', () => {
    const accuracy = (more: string) => `{ metric: accuracy, ${more}tolerate: 1pp, margin: 3pp }`
    const written = ['', 'class: "will leave", ', 'loss: brier, ', 'loss: log, class: churn, ']
    const guardrails = `[${written.map(accuracy).join(', ')}]`
    expect(policy({ guardrails }).guardrails).toMatchObject([
      { name: 'accuracy' },
      { name: 'accuracy_will-leave', class: 'will leave' },
      { name: 'brier', loss: 'brier' },
      { name: 'log_loss_churn', loss: 'log', class: 'churn' },
    ])
    expect(policy({ guardrails }).guardrails[0]).not.toHaveProperty('loss')
  })

  test('latency: quantiles in order, bounds with both parts', () => {
    const guardrails =
      '[{ metric: latency, quantiles: [p99.9, p50, p50], tolerate: { relative: 5%, atLeast: 0.5ms }, margin: { relative: 10%, atLeast: 1s } }]'
    expect(policy({ guardrails }).guardrails).toEqual([
      {
        name: 'latency',
        metric: 'latency',
        quantiles: [0.5, 0.999],
        tolerate: { relative: 0.05, atLeastMs: 0.5 },
        margin: { relative: 0.1, atLeastMs: 1000 },
        share: 1,
      },
    ])
  })

  test('scores: a part of one, or percent', () => {
    const guardrails = '[{ metric: score_distribution, distance: mean, tolerate: 0.1, margin: 20% }]'
    expect(policy({ guardrails }).guardrails).toMatchObject([
      { distance: 'mean', tolerate: 0.1, margin: 0.2 },
    ])
  })

  test('a watch', () => {
    expect(policy().watch).toBeUndefined()
    expect(policy({ watch: '{}' }).watch).toEqual({
      holdBackBp: 100,
      durationMs: 1_800_000,
      falseAlarmEveryMs: 720 * 3_600_000,
    })
    expect(policy({ watch: '{ holdBack: 0.07%, duration: 1h }' }).watch).toMatchObject({
      holdBackBp: 7,
      durationMs: 3_600_000,
    })
  })

  test('session affinity: none is not the same as nothing said', () => {
    expect(file().affinity).toBeUndefined()
    expect(file({ sessionAffinity: 'none' }).affinity).toBe('none')
    expect(file({ sessionAffinity: '{ header: X-User }' }).affinity).toEqual({ header: 'x-user' })
  })
})

describe('names', () => {
  const named = (guardrails: string, signals = '[]') => {
    const { guardrails: acting, signals: silent } = policy({ guardrails, signals })
    return [...acting, ...silent].map(({ name }) => name)
  }

  test('are the metric unless said', () => {
    expect(named(`[{ ${ERRORS} }, { ${SCORES}, distance: ks, name: scores }]`)).toEqual([
      'error_rate',
      'scores',
    ])
  })

  test('of scores have the distance where there are several, signals included', () => {
    expect(named(`[{ ${SCORES}, distance: ks }]`, `[{ ${SCORES}, distance: mean }]`)).toEqual([
      'score_distribution_ks',
      'score_distribution_mean',
    ])
    expect(named(`[{ ${SCORES}, distance: ks }]`)).toEqual(['score_distribution'])
  })
})

describe('shares', () => {
  const shares = (guardrails: string) => policy({ guardrails }).guardrails.map(({ share }) => share)

  test('are equal when no guardrail has one', () => {
    const three = ['a', 'b', 'c'].map((name) => `{ ${ERRORS}, name: ${name} }`)
    expect(shares(`[${three.join()}]`)).toEqual([1 / 3, 1 / 3, 1 / 3])
  })

  test('are as said', () => {
    expect(shares(`[{ ${ERRORS}, share: 0.3 }, { ${SCORES}, distance: ks, share: 0.7 }]`)).toEqual([0.3, 0.7])
  })

  test('are said of all or of none, and sum to 1', () => {
    const with2 = (share: string) =>
      problems(policyText({ guardrails: `[{ ${ERRORS}, share: 0.3 }, { ${SCORES}, distance: ks${share} }]` }))
    expect(with2('')).toEqual([
      expect.stringContaining('guardrails[1].share: expected a share, as other guardrails have one'),
    ])
    expect(with2(', share: 0.3')).toEqual([
      '3:1: guardrails: expected shares that sum to 1, found shares that sum to 0.6',
    ])
  })
})

describe('the hash says which rules', () => {
  test('comments, the order of keys, units, written defaults and the name change nothing', () => {
    const other = `# another look
guardrails:
  - { share: 1, margin: 0.5pp, tolerate: 0.10pp, metric: error_rate, name: error_rate }
risk: { falsePromotion: 5%, falseRollback: 1% }
steps: [{ minDuration: 60s, setWeight: 50.0, proof: 1, requiresApproval: false }]
shield: true
`
    const parsed = parsePolicy('another', other)
    expect(parsed).toMatchObject({ ok: true, file: { policy: { hash: policy().hash, name: 'another' } } })
  })

  test('every rule changes it', () => {
    const hashes = [
      policy(),
      policy({ steps: STEPS.replace('1m', '2m') }),
      policy({ risk: RISK.replace('5%', '6%') }),
      policy({ guardrails: `[{ ${ERRORS.replace('0.5pp', '0.5%')} }]` }),
      policy({ signals: `[{ ${SCORES}, distance: ks }]` }),
      policy({ shield: 'false' }),
      policy({ watch: '{}' }),
    ].map(({ hash }) => hash)
    expect(new Set(hashes).size).toBe(hashes.length)
  })
})
