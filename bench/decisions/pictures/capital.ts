import { Totals } from '../baselines/totals.ts'
import { excess, excessZ } from '../baselines/two-proportion.ts'
import { seedOf } from '../experiment.ts'
import { normalCdf } from '../latency-shape.ts'
import { ALPHA } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { CONSTANT } from '../watch-evidence.ts'
import { steadyWorld } from '../worlds.ts'
import { errorLooks } from './error-looks.ts'
import {
  type Colour,
  dot,
  level,
  logarithmic,
  type Point,
  polyline,
  type Scale,
  type Shape,
  svg,
  text,
  ticks,
} from './svg.ts'

const HEALTHY_RUNS = 20
const BAD_RUNS = 5
const RATE = 500
const LOOKS = 500
const ERRORS = 0.001
const BAD_ERRORS = 0.01

const LEFT = 92
const RIGHT = 700
/** Points are this far apart; between two, what comes nearest to a verdict is drawn. */
const COLUMN = 4

/** One rollout: after each look its capital, and what a z-test of all errors so far would say. */
interface Course {
  readonly requests: number
  readonly capital: number
  readonly pValue: number
}

/** Capital of healthy and of bad canaries; below, a z-test at each look of the same healthy ones. */
export function capitalPicture(seed: string): string {
  const healthy = courses(seed, 'healthy', HEALTHY_RUNS, ERRORS)
  const bad = courses(seed, 'bad', BAD_RUNS, BAD_ERRORS)
  const x = logarithmic(RATE, RATE * LOOKS, LEFT, RIGHT)
  const capital = logarithmic(0.1, 1000, 350, 80)
  const p = logarithmic(1, 1e-5, 740, 520)

  const evidence = (course: Course) => course.capital
  const surprise = (course: Course) => 1 / course.pValue
  const lost = healthy.filter((run) => firstAt(run, evidence) !== undefined)
  const alarmed = healthy.filter((run) => firstAt(run, surprise) !== undefined)
  const found = bad.map((run) => firstAt(run, evidence)?.requests ?? Number.POSITIVE_INFINITY)
  const slowest = Math.max(...found)
  const until = Number.isFinite(slowest) ? `, all by request ${slowest.toLocaleString('en-US')}` : ''

  const capitalLine = (run: readonly Course[], isBad: boolean): Shape => {
    const end = firstAt(run, evidence)
    const seen = end === undefined ? run : run.slice(0, run.indexOf(end) + 1)
    const points = thinned(seen, x, evidence).map((at): Point => [x(at.requests), capital(at.capital)])
    return [
      polyline(points, isBad ? { colour: 'bad', width: 3 } : { colour: 'good', width: 1.5, opacity: 0.6 }),
      ...(end ? [dot([x(end.requests), capital(end.capital)], 'bad')] : []),
    ].join('\n')
  }
  const pLine = (run: readonly Course[]): Shape => {
    const points = thinned(run, x, surprise).map((at): Point => [x(at.requests), p(at.pValue)])
    return alarmed.includes(run)
      ? polyline(points, { colour: 'bad', width: 2 })
      : polyline(points, { colour: 'good', width: 1.5, opacity: 0.45 })
  }
  const threshold = (y: number): Shape =>
    polyline(
      [
        [LEFT, y],
        [RIGHT, y],
      ],
      { colour: 'ink', dashes: true },
    )
  const axis = (y: number): Shape =>
    ticks(y, x, [
      [1000, '1,000'],
      [10_000, '10,000'],
      [100_000, '100,000'],
    ])

  return svg({
    title: 'Capital of the bets against the canary, and a z-test at each look',
    description: `Above: the capital of ${HEALTHY_RUNS} rollouts of the same version stays near or below 1; ${lost.length === 0 ? 'none' : lost.length} reach 100. That of ${BAD_RUNS} canaries with ten times the errors rises to 100${until}. Below: the p-values of a z-test at each look of the same ${HEALTHY_RUNS} healthy rollouts wander; ${alarmed.length} fall below 1 % at some look.`,
    height: 808,
    shapes: [
      text(20, 38, 'Capital of the bets against the canary', { weight: 'heading' }),
      ...[1000, 100, 10, 1, 0.1].map((value) =>
        level(capital(value), LEFT, RIGHT, value.toLocaleString('en-US')),
      ),
      ...healthy.map((run) => capitalLine(run, false)),
      ...bad.map((run) => capitalLine(run, true)),
      threshold(capital(1 / ALPHA)),
      ...lines(RIGHT, capital(1 / ALPHA) + 24, 'ink', ['rolled back at 100']),
      ...lines(RIGHT, capital(500), 'bad', [`${BAD_RUNS} canaries,`, 'errors 0.1 to 1 %']),
      ...lines(RIGHT, capital(13), 'good', [
        `${HEALTHY_RUNS} healthy rollouts:`,
        `${lost.length === 0 ? 'none' : lost.length} rolled back`,
      ]),
      axis(350),
      text(RIGHT, 404, 'requests, 5 % of them to the canary', { colour: 'muted', anchor: 'end' }),

      text(20, 456, `The same ${HEALTHY_RUNS} healthy rollouts, judged by a z-test`, { weight: 'heading' }),
      text(20, 484, 'at each look: p-value, small is up', { colour: 'muted' }),
      ...[1, 0.1, 0.01, 0.001, 0.0001].map((value) =>
        level(p(value), LEFT, RIGHT, `${Number((value * 100).toPrecision(1))} %`),
      ),
      ...healthy.filter((run) => !alarmed.includes(run)).map(pLine),
      ...alarmed.map(pLine),
      threshold(p(ALPHA)),
      ...alarmed.map((run) => {
        const at = firstAt(run, surprise)!
        return dot([x(at.requests), p(at.pValue)], 'bad')
      }),
      ...lines(RIGHT, p(0.00004), 'bad', [
        `${alarmed.length} of ${HEALTHY_RUNS} fall below 1 %`,
        'at some look: false alarms',
      ]),
      axis(740),
      text(RIGHT, 794, 'requests', { colour: 'muted', anchor: 'end' }),
    ],
  })
}

/** Words that end at x, one line below the other. */
function lines(x: number, y: number, colour: Colour, words: readonly string[]): Shape[] {
  return words.map((line, i) => text(x, y + 25 * i, line, { colour, anchor: 'end', weight: 'afloat' }))
}

function courses(seed: string, name: string, runs: number, canaryErrors: number): (readonly Course[])[] {
  const world = steadyWorld(RATE, { errorRate: ERRORS }, { errorRate: canaryErrors }, {})
  return Array.from({ length: runs }, (_, run) => {
    const sampler = new Sampler(seedBytes(seedOf(seed, `picture: capital, ${name}`, run)))
    const [canary, stable] = [new Totals(), new Totals()]
    const course: Course[] = []
    for (const { requests, logCapital, tick } of errorLooks(sampler, world, CONSTANT, LOOKS)) {
      canary.add(tick.canary)
      stable.add(tick.stable)
      const z = excessZ([excess(canary, stable)])
      course.push({
        requests,
        capital: Math.exp(logCapital),
        pValue: Number.isNaN(z) ? 1 : Math.max(normalCdf(-z), 1e-12),
      })
    }
    return course
  })
}

/** The first look at which the evidence, of which 1 / alpha is enough, was enough. */
function firstAt(run: readonly Course[], evidence: (at: Course) => number): Course | undefined {
  return run.find((at) => evidence(at) >= 1 / ALPHA)
}

/** One look a column: the one with the most evidence. */
function thinned(run: readonly Course[], x: Scale, evidence: (at: Course) => number): Course[] {
  const columns = Map.groupBy(run, ({ requests }) => Math.floor(x(requests) / COLUMN))
  return [...columns.values()].map((looks) => looks.reduce((a, b) => (evidence(b) > evidence(a) ? b : a)))
}
