import { seedOf } from '../experiment.ts'
import { ALPHA } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { bernoulliInformation, waldBound } from '../wald.ts'
import { CONSTANT } from '../watch-evidence.ts'
import { steadyWorld } from '../worlds.ts'
import { errorLooks } from './error-looks.ts'
import { band, dot, level, logarithmic, type Point, polyline, svg, text, ticks } from './svg.ts'

const RUNS = 60
const STABLE = 0.001
const CANARIES = [0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
/** Looks until Wald's bound, so that a verdict hardly waits for the next look. */
const LOOKS_PER_BOUND = 60
const MOST_LOOKS = 30 * LOOKS_PER_BOUND

const LEFT = 118
const RIGHT = 690
const TOP = 84
const BOTTOM = 440

interface Found {
  readonly errorRate: number
  readonly bound: number
  readonly mean: number
  readonly p10: number
  readonly p90: number
}

/** How many requests a rollback takes, by how bad the canary is, beside the least that any test needs. */
export function sizesPicture(seed: string): string {
  const sizes = CANARIES.map((errorRate) => found(seed, errorRate))
  const x = logarithmic(0.0018, 0.55, LEFT, RIGHT)
  const y = logarithmic(30, 1e6, BOTTOM, TOP)
  const line = (of: (size: Found) => number) => sizes.map((size): Point => [x(size.errorRate), y(of(size))])
  const typical = sizes.find(({ errorRate }) => errorRate === 0.01)!
  const [typicalX, typicalY] = [x(typical.errorRate), y(typical.mean)]
  const rounded = (value: number) => Number(value.toPrecision(2)).toLocaleString('en-US')
  return svg({
    title: 'Requests until a rollback, by the size of the regression',
    description: `Stable fails 0.1 % of the requests; 5 % go to the canary. ${sizes
      .map(
        ({ errorRate, mean, bound }) =>
          `Canary ${errorRate * 100} %: ${rounded(mean)} requests on average, Wald's bound ${rounded(bound)}.`,
      )
      .join(' ')}`,
    height: 524,
    shapes: [
      text(20, 38, 'Requests until the canary is rolled back', { weight: 'heading' }),
      ...[100, 1000, 10_000, 100_000, 1_000_000].map((value) =>
        level(y(value), LEFT, RIGHT, value.toLocaleString('en-US')),
      ),
      band(
        line(({ p90 }) => p90),
        line(({ p10 }) => p10),
        'good',
        0.22,
      ),
      polyline(
        line(({ bound }) => bound),
        { colour: 'ink', dashes: true },
      ),
      polyline(
        line(({ mean }) => mean),
        { colour: 'good', width: 3 },
      ),
      ...line(({ mean }) => mean).map((point) => dot(point, 'good')),
      text(typicalX + 16, typicalY - 34, `0.1 to 1 %: ${rounded(typical.mean)} requests,`, {
        colour: 'good',
        weight: 'strong',
      }),
      text(typicalX + 16, typicalY - 10, `${rounded(typical.mean / 20)} of them at the canary`, {
        colour: 'good',
        weight: 'strong',
      }),
      text(LEFT + 14, y(220), 'mean; shaded: 8 rollouts of 10', { colour: 'good' }),
      text(LEFT + 14, y(90), 'dashed: the least that any test', {}),
      text(LEFT + 14, y(90) + 24, 'needs on average (Wald)', {}),
      ticks(
        BOTTOM,
        x,
        [0.002, 0.01, 0.1, 0.5].map((value) => [value, `${value * 100} %`]),
      ),
      text(RIGHT, BOTTOM + 54, "canary's errors; stable has 0.1 %, 5 % go to the canary", {
        colour: 'muted',
        anchor: 'end',
      }),
    ],
  })
}

function found(seed: string, errorRate: number): Found {
  const bound = waldBound(bernoulliInformation(STABLE, errorRate, 0.05), ALPHA)
  const perLook = Math.max(5, Math.round(bound / LOOKS_PER_BOUND))
  const world = steadyWorld(perLook, { errorRate: STABLE }, { errorRate }, {})
  const requests = Array.from({ length: RUNS }, (_, run) => {
    const sampler = new Sampler(seedBytes(seedOf(seed, `picture: sizes, ${errorRate}`, run)))
    for (const { requests, logCapital } of errorLooks(sampler, world, CONSTANT, MOST_LOOKS))
      if (logCapital >= Math.log(1 / ALPHA)) return requests
    return MOST_LOOKS * perLook
  }).toSorted((a, b) => a - b)
  return {
    errorRate,
    bound,
    mean: requests.reduce((sum, n) => sum + n, 0) / RUNS,
    p10: requests[Math.floor(RUNS / 10)]!,
    p90: requests[Math.floor((9 * RUNS) / 10)]!,
  }
}
