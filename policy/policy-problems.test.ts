import { expect, test } from 'vitest'
import { ERRORS, policyText, problems, SCORES } from './testing/policy-text.ts'

const step = (fields: string) => ({ steps: `[{ ${fields} }, { setWeight: 50, minDuration: 1m }]` })
const only = (fields: string) => ({ guardrails: `[{ ${fields} }]` })
const LATENCY = 'metric: latency, quantiles: [p50], tolerate: { relative: 5%, atLeast: 1ms }'

test.each([
  [
    step('setWeigth: 5, minDuration: 1m, proof: 0.3'),
    'steps[0].setWeigth: expected a known key (did you mean "setWeight"?)',
  ],
  [step('setWeight: 5%, minDuration: 1m, proof: 0.3'), 'two decimals and no sign, such as 12.5, found "5%"'],
  [step('setWeight: 0, minDuration: 1m, proof: 0.3'), 'steps[0].setWeight: expected a percentage above 0'],
  [
    step('setWeight: 5.001, minDuration: 1m, proof: 0.3'),
    'steps[0].setWeight: expected a percentage above 0',
  ],
  [
    step('setWeight: 5, minDuration: 1d, proof: 0.3'),
    'steps[0].minDuration: expected a duration from 0s to 720h in ms, s, m or h, such as 2m, found "1d"',
  ],
  [step('setWeight: 5, minDuration: 60, proof: 0.3'), 'such as 2m, found 60'],
  [
    step('setWeight: 5, minDuration: 1m, proof: 30%'),
    'steps[0].proof: expected a number above 0 and at most 1, such as 0.3',
  ],
  [step('setWeight: 5, minDuration: 1m'), 'steps[0].proof: expected the risk of leaving this step'],
  [
    step('setWeight: 50, minDuration: 1m, proof: 1'),
    '1:57: steps[1].setWeight: expected it to be above the one before, found 50',
  ],
  [
    step('setWeight: 5, minDuration: 1m, proof: 1, gates: [eror_rate]'),
    'steps[0].gates[0]: expected a guardrail: error_rate (did you mean "error_rate"?), found "eror_rate"',
  ],
  [
    { steps: '[{ setWeight: 50, minDuration: 1m, gates: [error_rate] }]' },
    'steps[0].gates: expected no gates at the last step',
  ],
  [{ steps: '[]' }, 'steps: expected at least 1 entries'],
  [step('minDuration: 1m, proof: 0.3'), 'steps[0].setWeight: expected a percentage above 0'],
  [
    step('mirror: { percent: 0 }, minDuration: 1m, proof: 0.3'),
    'steps[0].mirror.percent: expected a percentage above 0 and at most 100',
  ],
  [
    step('mirror: { percent: 10 }, minDuration: 1m'),
    'steps[0].proof: expected the risk of leaving this step',
  ],
  [
    step('mirror: { percent: 10 }, setWeight: 5, minDuration: 1m, proof: 0.3'),
    'steps[0].setWeight: expected nothing, as the step is a mirror',
  ],
  [
    step('mirror: { percent: 10 }, minDuration: 1m, proof: 0.3, gates: [error_rate]'),
    'steps[0].gates: expected nothing, as a mirror waits for every guardrail',
  ],
  [
    {
      steps:
        '[{ setWeight: 5, minDuration: 1m, proof: 0.3 }, { mirror: { percent: 10 }, minDuration: 1m, proof: 0.3 }, { setWeight: 50, minDuration: 1m }]',
    },
    'steps[1].mirror: expected no mirror but in the first step',
  ],
  [
    { steps: '[{ mirror: { percent: 10 }, minDuration: 1m, proof: 0.3 }]' },
    'steps: expected a step with setWeight after the mirror',
  ],
  [
    { risk: '{ falseRollback: 0.01, falsePromotion: 5% }' },
    'risk.falseRollback: expected a percentage above 0% and below 50%, such as 1%, found 0.01',
  ],
  [{ risk: '{ falseRollback: 50%, falsePromotion: 5% }' }, 'risk.falseRollback: expected a percentage'],
  [{ risk: '{ falseRollback: 1% }' }, 'risk.falsePromotion: expected a percentage'],
  [
    only('metric: error-rate, tolerate: 0.1pp, margin: 1pp'),
    '(did you mean "error_rate"?), found "error-rate"',
  ],
  [
    only('tolerate: 0.1pp, margin: 1pp'),
    'guardrails[0].metric: expected one of "error_rate", "rejected_rate", "accuracy", "latency", "score_distribution" (the key is required)',
  ],
  [
    only('metric: error_rate, tolerate: 0.1, margin: 1pp'),
    'guardrails[0].tolerate: expected 0.1pp (percentage points, below 100pp) or 10% (of the rate of stable), found 0.1',
  ],
  [only('metric: error_rate, tolerate: 0.1pp, margin: 100pp'), 'guardrails[0].margin: expected 0.1pp'],
  [
    only('metric: error_rate, tolerate: 1pp, margin: 0.1pp'),
    'guardrails[0].margin: expected it not to be below tolerate, found "0.1pp"',
  ],
  [
    only('metric: error_rate, tolerate: 0pp, margin: 0%'),
    'guardrails[0].margin: expected it to be above 0: it is how much worse may be promoted',
  ],
  [
    only(`${ERRORS}, quantiles: [p50]`),
    'guardrails[0].quantiles: expected one of the keys metric, name, tolerate, margin, share',
  ],
  [only(`${ERRORS}, name: "a b"`), 'guardrails[0].name: expected a name'],
  [only(`${ERRORS}, share: 0`), 'guardrails[0].share: expected a part of the risk above 0'],
  [
    only(`${LATENCY}, margin: { relative: 4%, atLeast: 1ms }`),
    'guardrails[0].margin.relative: expected it not to be below tolerate, found "4%"',
  ],
  [
    only(`${LATENCY}, margin: { relative: 5%, atLeast: 0.5ms }`),
    'guardrails[0].margin.atLeast: expected it not to be below tolerate, found "0.5ms"',
  ],
  [
    only(`${LATENCY.replace('5%', '0%')}, margin: { relative: 1%, atLeast: 1ms }`),
    'guardrails[0].margin.relative: expected it to allow at least 2 %',
  ],
  [
    only(`${LATENCY.replace('p50', 'p57')}, margin: { relative: 5%, atLeast: 1ms }`),
    'guardrails[0].quantiles[0]: expected one of "p50", "p75"',
  ],
  [only(`${LATENCY}, margin: 10%`), 'guardrails[0].margin: expected a mapping, found "10%"'],
  [
    {
      ...only(`${LATENCY}, margin: { relative: 5%, atLeast: 1ms }`),
      steps: '[{ setWeight: 51, minDuration: 1m }]',
    },
    '1:11: steps[0].setWeight: expected it to be at 50 % at most while latency is a guardrail, as it is compared at equal shares, found 51',
  ],
  [
    only(`${SCORES}, distance: class-shares`),
    'distance: expected one of "ks", "mean", "class_shares" (did you mean "class_shares"?)',
  ],
  [
    only('metric: score_distribution, distance: ks, tolerate: 0.1, margin: 1'),
    'guardrails[0].margin: expected a part above 0 and below 1, such as 0.1 or 10%, found 1',
  ],
  [
    { guardrails: `[{ ${ERRORS} }, { ${ERRORS} }]` },
    'guardrails[1].name: expected a name of its own, as another comparison is called error_rate, found no name',
  ],
  [{ signals: `[{ ${ERRORS} }]` }, 'signals[0].name: expected a name of its own'],
  [
    { signals: `[{ ${ERRORS}, share: 0.5, name: x }]` },
    'signals[0].share: expected one of the keys metric, name, tolerate, margin, found the unknown key "share"',
  ],
  [{ interval: '100ms' }, 'interval: expected a duration from 250ms to 60s'],
  [{ onInconclusive: 'promote' }, 'onInconclusive: expected one of "hold", "rollback", found "promote"'],
  [{ onNoTraffic: 'hold' }, 'onNoTraffic: expected a mapping'],
  [{ shield: 'yes' }, 'shield: expected true or false, found "yes"'],
  [
    { keepPrevious: '10m', watch: '{ duration: 11m }' },
    'watch.duration: expected it not to be longer than keepPrevious, or there is no way back, found "11m"',
  ],
  [
    { keepPrevious: '10m', watch: '{}' },
    'watch.duration: expected it not to be longer than keepPrevious, or there is no way back, found the default',
  ],
  [
    { watch: '{ falseAlarmEvery: 20m }' },
    'watch.falseAlarmEvery: expected it not to be shorter than watch.duration',
  ],
  [
    { interval: '60s', watch: '{ falseAlarmEvery: 90m }' },
    'watch.falseAlarmEvery: expected it to be at least a hundred intervals, found "90m"',
  ],
  [
    { sessionAffinity: '{ heder: x }' },
    'sessionAffinity: expected none, { header: NAME } or { cookie: NAME }',
  ],
])('one fault, one problem at its place: %#', (keys, sentence) => {
  const found = problems(policyText(keys as Record<string, string>))
  expect(found).toEqual([expect.stringContaining(sentence)])
  expect(found[0]).toMatch(/^\d+:\d+: /)
})

test('all problems come at once, in the order of the file', () => {
  const text = policyText({
    steps: '[{ setWeight: 60, minDuration: 1m }, { setWeight: 50, minDuration: 1m, gates: [x] }]',
    guardrails: `[{ ${ERRORS}, share: 0.5 }, { ${LATENCY}, margin: { relative: 4%, atLeast: 0ms } }]`,
    watch: '{ duration: 48h }',
  })
  expect(problems(text).map((line) => line.split(': ')[1])).toEqual([
    'steps[0].proof',
    'steps[1].setWeight',
    'steps[1].gates',
    'guardrails[1].share',
    'guardrails[1].margin.relative',
    'guardrails[1].margin.atLeast',
    'watch.duration',
  ])
})

test.each(['none', 'Churn', '../churn', ''])('a file cannot be named %j', (name) => {
  expect(problems(policyText(), name)).toEqual([expect.stringContaining('expected another file name')])
})
