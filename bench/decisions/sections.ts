import { MISMATCH_LOG_E } from '@coalmine/core/evidence/sample-ratio.ts'
import { judged } from '../report.ts'
import { median } from '../rounds.ts'
import { growthbook } from './baselines/growthbook.ts'
import type { Experiment, Outcome } from './experiment.ts'
import { BASELINES, METHOD_NAMES, SCENES, sceneName } from './experiments/baselines.ts'
import { EFFICIENCY, efficiencyName, PAIR_WINDOWED, RACES } from './experiments/efficiency.ts'
import { FALSE_PROMOTION, JOINT_GATE } from './experiments/false-promotion.ts'
import { FALSE_ROLLBACK } from './experiments/false-rollback.ts'
import { POWER, powerName, REGRESSIONS, type Regression, type RegressionKey } from './experiments/power.ts'
import { ENDPOINTS_BAD, ENDPOINTS_HEALTHY, OTHERS } from './experiments/request-level.ts'
import { ROLLOUT_CASES, ROLLOUTS, rolloutName, SHARDS } from './experiments/rollouts.ts'
import {
  bare,
  countOf,
  interval,
  meanOf,
  percent,
  quantile,
  rounded,
  shareFinite,
  standardError,
  total,
  valuesOf,
  whole,
} from './figures.ts'
import { mostCases } from './limits.ts'
import { ALPHA, BETA } from './policies.ts'
import { requestLevel } from './request-level-section.ts'
import type { Reported, Section } from './section.ts'

const MISMATCH_RISK = Math.exp(-MISMATCH_LOG_E)

/** How often something certain was wrong. */
function wrongVerdicts(
  experiments: readonly Experiment[],
  outcomes: ReadonlyMap<string, Outcome[]>,
  verdict: { readonly figure: string; readonly head: readonly [string, string]; readonly label: string },
  most: (name: string, runs: number) => number,
): Reported {
  const cases = experiments.map(({ name }) => {
    const runs = outcomes.get(name)!
    return { name, runs: runs.length, wrong: countOf(runs, verdict.figure) }
  })
  const [scenario, certain] = verdict.head
  return {
    table: [
      [scenario, 'runs', certain, 'share, 95 %'],
      ...cases.map(({ name, runs, wrong }) => [bare(name), `${runs}`, `${wrong}`, interval(wrong, runs)]),
    ],
    rows: cases.map(({ name, runs, wrong }) =>
      judged(`${verdict.label} of ${runs}: ${bare(name)}`, wrong, '<=', most(name, runs)),
    ),
  }
}

const falseRollback: Section = {
  title: 'False rollbacks',
  about:
    'A healthy canary, or one exactly at what is tolerated, watched for 250,000 requests in 125 looks, 1,000 a second; alpha is 1 %. In the A/A scenarios nothing is tolerated in errors, latency and scores: the hardest healthy canary there is.',
  experiments: FALSE_ROLLBACK,
  runs: { full: 2000, quick: 40 },
  report: (outcomes) => {
    const { table, rows } = wrongVerdicts(
      FALSE_ROLLBACK,
      outcomes,
      { figure: 'rollbackAt', head: ['scenario', 'rolled back'], label: 'false rollbacks' },
      (_, runs) => mostCases(runs, ALPHA),
    )
    const all = FALSE_ROLLBACK.flatMap(({ name }) => outcomes.get(name)!)
    const flags = countOf(all, 'mismatchAt')
    const flagged = judged(
      `false sample-ratio flags of ${all.length} healthy runs`,
      flags,
      '<=',
      mostCases(all.length, MISMATCH_RISK),
    )
    return { table, rows: [...rows, flagged] }
  },
}

const falsePromotion: Section = {
  title: 'False promotions',
  about:
    'A canary exactly at its margin through 5, 10, 25 and 50 %, a quarter of 250,000 requests each; beta is 5 %. Counted is whether it was ever proven good, though a rollback would often have come first.',
  experiments: FALSE_PROMOTION,
  runs: { full: 1000, quick: 40 },
  report: (outcomes) =>
    wrongVerdicts(
      FALSE_PROMOTION,
      outcomes,
      { figure: 'promotionAt', head: ['at its margin', 'proven good'], label: 'false promotions' },
      // In the joint gate every test must err at once.
      (name, runs) => (name === JOINT_GATE ? Math.ceil(runs / 100) : mostCases(runs, BETA)),
    ),
}

const efficiency: Section = {
  title: 'Requests needed beside the least that any test needs',
  about:
    "One kernel alone with all of its capital from the start, a look every 20 to 25 requests (windowed: each second), rollback at alpha 1 %, proof at beta 5 %. The bound is Wald's for somebody who knows the true rates. 'Windowed' pays for stalls of endpoints; see how-decisions-work.md.",
  experiments: EFFICIENCY,
  runs: { full: 400, quick: 60 },
  report: (outcomes, quick) => {
    // Few runs are judged by what few runs can show: 2.33 standard errors beyond the limit.
    const slack = (requests: readonly number[], bound: number) =>
      quick ? (2.33 * standardError(requests)) / bound : 0
    const races = RACES.map(({ name, bound, limit }) => {
      const requests = valuesOf(outcomes.get(efficiencyName(name))!, 'requests')
      return { name, bound, limit, requests, mean: meanOf(requests) }
    })
    const pair = races.find(({ name }) => name === PAIR_WINDOWED)!
    return {
      table: [
        ['comparison', 'bound', 'mean', 'median', 'p90', 'mean / bound'],
        ...races.map(({ name, bound, requests, mean }) => [
          name,
          whole(bound),
          whole(mean),
          whole(median(requests)),
          whole(quantile(requests, 0.9)),
          (mean / bound).toFixed(2),
        ]),
      ],
      rows: [
        ...races.flatMap(({ name, bound, limit, mean, requests }) =>
          limit === undefined
            ? []
            : [
                judged(
                  `mean requests / bound: ${name}`,
                  mean / bound,
                  '<=',
                  rounded(limit + slack(requests, bound)),
                ),
              ],
        ),
        judged(`mean requests of the pair: ${pair.name}`, pair.mean, '<=', 3000),
      ],
    }
  },
}

const power: Section = {
  title: 'Regressions found in production mode',
  about:
    'Three guardrails (errors, nothing tolerated; latency, 5 % tolerated, in windows beside a baseline; scores, 0.02 tolerated) with a third of the risk each, restart capital, 5 % of 500 requests a second, a look each second, 250,000 requests at most. Where the canary is bad from the start, latency counts from the end of the warm-up. Extra bad answers are those that the canary gave beyond what stable would have given.',
  experiments: POWER,
  runs: { full: 300, quick: 60 },
  report: (outcomes, quick) => {
    const runs = outcomes.get(powerName('E1'))!.length
    // A power of 0.92 shows less than 0.9 in few runs; a median has its spread.
    const least = quick ? 1 - mostCases(runs, 0.08) / runs : 0.9
    const leastFound = quick ? 1 - mostCases(runs, 0.01) / runs : 0.99
    const atMost = (key: RegressionKey, field: string, limit: number) =>
      quick ? Math.ceil(limit + 1.25 * 2.33 * standardError(of(key, field).filter(Number.isFinite))) : limit
    const keys = Object.keys(REGRESSIONS) as RegressionKey[]
    const of = (key: RegressionKey, field: string) => valuesOf(outcomes.get(powerName(key))!, field)
    const found = (key: RegressionKey) => shareFinite(of(key, 'requests'))
    return {
      table: [
        ['regression', 'found', 'median requests', 'p90', 'median canary', 'median s', 'extra bad'],
        ...keys.map((key) => [
          (REGRESSIONS[key] as Regression).name,
          percent(found(key)),
          whole(median(of(key, 'requests'))),
          whole(quantile(of(key, 'requests'), 0.9)),
          whole(median(of(key, 'canary'))),
          whole(median(of(key, 'seconds'))),
          (REGRESSIONS[key] as Regression).excess > 0 ? meanOf(of(key, 'extraBad')).toFixed(1) : '',
        ]),
      ],
      rows: [
        judged('found of errors 0.1 to 0.3 % in 250,000 requests', found('E1'), '>=', rounded(least)),
        judged(
          'median requests: errors 0.1 to 1 %',
          median(of('E2', 'requests')),
          '<=',
          atMost('E2', 'requests', 14_000),
        ),
        judged(
          'mean extra bad answers: errors 0.1 to 1 %',
          meanOf(of('E2', 'extraBad')),
          '<=',
          atMost('E2', 'extraBad', 7),
        ),
        judged(
          'median requests: errors 0.1 to 10 %',
          median(of('E3', 'requests')),
          '<=',
          atMost('E3', 'requests', 1000),
        ),
        judged('mean extra bad answers: errors 0.1 to 50 %', meanOf(of('E4', 'extraBad')), '<=', 14),
        ...(['E2', 'E3', 'E4', 'E5', 'L2', 'L3', 'C1', 'C2'] as const).map((key) =>
          judged(`found of ${REGRESSIONS[key].name}`, found(key), '>=', rounded(leastFound)),
        ),
      ],
    }
  },
}

const rollouts: Section = {
  title: 'Whole rollouts',
  about:
    'Through the controller itself: 5, 10, 25, 50 %, a minute each at least, 100 requests a second, a tick each second, 250,000 requests at most; tolerated 0.1 pp, 5 %, 0.02; margins 0.5 pp, 10 %, 0.1.',
  experiments: ROLLOUTS,
  runs: { full: 150, quick: 24 },
  report: (outcomes, quick) => {
    const of = (key: string, field: string) => valuesOf(outcomes.get(rolloutName(key))!, field)
    const runs = of('same', 'promoted').length
    const [leastPromoted, mostPromoted] = quick
      ? [1 - mostCases(runs, 0.02) / runs, mostCases(runs, BETA) / runs]
      : [0.98, BETA]
    const same = of('same', 'requests')
    const replayed = ROLLOUT_CASES.reduce((sum, { key }) => sum + total(of(key, 'replayedOtherwise')), 0)
    const decisions = ROLLOUT_CASES.reduce((sum, { key }) => sum + total(of(key, 'decisions')), 0)
    return {
      table: [
        ['canary', 'runs', 'promoted', 'rolled back', 'undecided', 'median requests', 'median canary'],
        ...ROLLOUT_CASES.map(({ key, name }) => {
          const [promoted, back] = [meanOf(of(key, 'promoted')), meanOf(of(key, 'rolledBack'))]
          return [
            name,
            `${of(key, 'promoted').length}`,
            percent(promoted),
            percent(back),
            percent(1 - promoted - back),
            whole(median(of(key, 'requests'))),
            whole(median(of(key, 'canaryRequests'))),
          ]
        }),
      ],
      rows: [
        judged(
          'share of A/A rollouts promoted',
          meanOf(of('same', 'promoted')),
          '>=',
          rounded(leastPromoted),
        ),
        judged('median requests of an A/A rollout', median(same), '<=', 75_000),
        judged(
          'share of rollouts at the error margin promoted',
          meanOf(of('margin', 'promoted')),
          '<=',
          rounded(mostPromoted),
        ),
        judged(
          'share of rollouts at the latency margin promoted',
          meanOf(of('slow-margin', 'promoted')),
          '<=',
          rounded(mostPromoted),
        ),
        judged(`decisions that replay otherwise, of ${decisions}`, replayed, '<=', 0),
      ],
    }
  },
}

const shards: Section = {
  title: 'One process or sixteen',
  about:
    'The same requests counted by 1, 4 and 16 processes whose deltas come in any order: every decision and every bet of the evidence must be identical, to the bit.',
  experiments: [SHARDS],
  runs: { full: 32, quick: 8 },
  report: (outcomes) => {
    const runs = outcomes.get(SHARDS.name)!
    return {
      table: [
        ['rollouts', 'verdicts differ', 'evidence differs'],
        [
          `${runs.length} x 3`,
          `${total(valuesOf(runs, 'verdictsDiffer'))}`,
          `${total(valuesOf(runs, 'wealthDiffers'))}`,
        ],
      ],
      rows: [
        judged('rollouts whose verdicts differ', total(valuesOf(runs, 'verdictsDiffer')), '<=', 0),
        judged('rollouts whose evidence differs in a bit', total(valuesOf(runs, 'wealthDiffers')), '<=', 0),
      ],
    }
  },
}

const besideOthers: Section = {
  title: 'Beside others',
  about:
    'Every method sees the same 250,000 requests in 500 looks. Share of runs that were rolled back, and the median requests until then where most were. Where the two versions are the same every rollback is wrong. Each method as its documentation has it, thresholds included; what each is and where it was read stands in bench/decisions/baselines. Coalmine: production mode as above, where latency counts after a warm-up of the first step.',
  experiments: BASELINES,
  runs: { full: 60, quick: 6 },
  report: (outcomes) => {
    const cell = (key: string, method: string): string => {
      // Its safe rollouts keep the split while exposure grows: weights that change are not its case.
      if (method === growthbook.name && key === 'ramp') return 'no ramp'
      const values = valuesOf(outcomes.get(sceneName(key))!, method)
      if (values.some((value) => value === undefined || Number.isNaN(value))) return '-'
      const share = shareFinite(values)
      const at = median(values)
      return Number.isFinite(at) ? `${percent(share)}, ${whole(at)}` : percent(share)
    }
    return {
      table: [
        ['method', ...SCENES.map(({ name }) => name)],
        ...METHOD_NAMES.map((method) => [
          method,
          ...SCENES.map(({ key, truth }) =>
            method === METHOD_NAMES.at(-1) && truth === undefined ? '' : cell(key, method),
          ),
        ]),
      ],
      rows: [],
    }
  },
}

export const SECTIONS: readonly Section[] = [
  falseRollback,
  falsePromotion,
  requestLevel(
    'Endpoints that stall, batches: healthy canaries',
    'Request by request with a virtual clock through the real draw, recorder and barrier, 300 requests a second for 150 s; nothing is tolerated. The plain way is the product over requests, beside all of stable.',
    ENDPOINTS_HEALTHY,
    { full: 2000, quick: 10 },
  ),
  requestLevel(
    'Endpoints that stall, batches: canaries at the latency margin',
    'As above, with p95 exactly at its margin, and a canary that computes 1.5 times as long.',
    ENDPOINTS_BAD,
    { full: 1000, quick: 6 },
  ),
  requestLevel(
    'Gateways, clients and operators',
    'As above with 500 requests a second, for up to 500 s: a breaker that opens in an incident, clients that give up or try again, callers that keep their version, late processes, errors that come late, margins edited in the middle, a cold canary, a router that is wrong. The plain way is the fault that each is named after: an arm recorded with a probability that was not drawn, aborted requests left out, an arm kept by retries, errors counted when they end, proof kept across an edit. Callers that keep their version for the rollout are reported without a limit: that evidence is approximate, and the product says so.',
    OTHERS,
    { full: 80, quick: 6 },
  ),
  efficiency,
  power,
  rollouts,
  shards,
  besideOthers,
]
