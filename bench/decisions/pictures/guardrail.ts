import { rateDifferenceInterval } from '@coalmine/core/evidence/difference-interval.ts'
import { seedOf } from '../experiment.ts'
import { ALPHA, BETA } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { secondOf, stratumOf } from '../stream.ts'
import { steadyWorld } from '../worlds.ts'
import {
  band,
  type Colour,
  dot,
  level,
  linear,
  type Point,
  polyline,
  rectangle,
  type Shape,
  svg,
  text,
  ticks,
} from './svg.ts'

const TOLERATE = 0.001
const MARGIN = 0.005
const STABLE = 0.001
const BAD = 0.011
const WEIGHT_BP = 5000
const RATE = 100
const REQUESTS = 20_000
const POINTS = 50

const LEFT = 152
const RIGHT = 700
const TOP = 120
const BOTTOM = 480
const LOWEST = -0.008
const HIGHEST = 0.02

/** Between which bounds the canary's excess of errors lies, after so many requests. */
interface Bounds {
  readonly requests: number
  readonly lower: number
  readonly upper: number
}

/** One guardrail from "not yet" to its verdict: a healthy and a bad canary between tolerate and margin. */
export function guardrailPicture(seed: string): string {
  const x = linear(0, REQUESTS, LEFT, RIGHT)
  const y = linear(LOWEST, HIGHEST, BOTTOM, TOP)
  const healthy = bounds(seed, 'healthy', STABLE)
  const bad = bounds(seed, 'bad', BAD)
  const proven = healthy.find(({ upper }) => upper < MARGIN)
  const lowest = Math.min(...healthy.slice(POINTS / 2).map(({ lower }) => lower))
  const breached = bad.find(({ lower }) => lower > TOLERATE)

  const ribbon = (all: readonly Bounds[], verdict: Bounds | undefined, colour: Colour): Shape[] => {
    const until = verdict === undefined ? all.length : all.indexOf(verdict)
    const edges = (part: readonly Bounds[]) => ({
      upper: part.map(({ requests, upper }): Point => [x(requests), y(upper)]),
      lower: part.map(({ requests, lower }): Point => [x(requests), y(lower)]),
    })
    const [open, closed] = [edges(all.slice(0, until + 1)), edges(all.slice(until))]
    return [
      band(open.upper, open.lower, 'muted', 0.25),
      ...(verdict === undefined ? [] : [band(closed.upper, closed.lower, colour, 0.35)]),
      polyline(edges(all.filter(({ upper }) => upper < HIGHEST)).upper, { colour }),
      polyline(edges(all.filter(({ lower }) => lower > LOWEST)).lower, { colour }),
    ]
  }
  const border = (value: number): Shape =>
    polyline(
      [
        [LEFT, y(value)],
        [RIGHT, y(value)],
      ],
      { colour: 'ink', dashes: true },
    )
  const after = (at: Bounds | undefined) =>
    at ? `after ${at.requests.toLocaleString('en-US')} requests` : 'not yet'

  return svg({
    title: 'One guardrail closing in on two canaries',
    description: `Bounds of how many percentage points more errors the canary has than stable, over requests; 0.1 is tolerated, the margin is 0.5. The bounds of a canary with the same errors fall below the margin ${after(proven)}: certain that it is within. Those of a canary with 1.1 points more rise above what is tolerated ${after(breached)}: certain that it is worse. Before that the answer is not yet.`,
    height: 564,
    shapes: [
      text(20, 38, "Errors of the canary beyond stable's", { weight: 'heading' }),
      text(20, 68, 'percentage points, between two bounds', { colour: 'muted' }),
      rectangle(LEFT, y(MARGIN), RIGHT - LEFT, y(TOLERATE) - y(MARGIN), 'grid', 0.6),
      ...[0.02, 0.015, 0.01, -0.005].map((value) => level(y(value), LEFT, RIGHT, (value * 100).toFixed(1))),
      ...ribbon(bad, breached, 'bad'),
      ...ribbon(healthy, proven, 'good'),
      border(TOLERATE),
      border(MARGIN),
      text(LEFT - 10, y(MARGIN) + 7, 'margin 0.5', { anchor: 'end', weight: 'strong' }),
      text(LEFT - 10, y(TOLERATE) + 7, 'tolerate 0.1', { anchor: 'end', weight: 'strong' }),
      ...(breached
        ? [
            dot([x(breached.requests), y(breached.lower)], 'bad', 8),
            text(RIGHT - 8, y(BAD - STABLE) + 7, 'certain it is worse than tolerated', {
              anchor: 'end',
              weight: 'strong',
            }),
          ]
        : []),
      ...(proven
        ? [
            dot([x(proven.requests), y(proven.upper)], 'good', 8),
            text(RIGHT - 8, y(lowest) + 28, 'certain it is within the margin', {
              colour: 'good',
              anchor: 'end',
              weight: 'strong',
            }),
          ]
        : []),
      text(LEFT + 14, 102, 'grey: not yet', { colour: 'muted', weight: 'strong' }),
      ticks(
        BOTTOM,
        x,
        [0, 5000, 10_000, 15_000].map((value) => [value, value.toLocaleString('en-US')]),
      ),
      text(RIGHT, BOTTOM + 54, 'requests, half of them to the canary', { colour: 'muted', anchor: 'end' }),
    ],
  })
}

/** A bound for each verdict, at its own risk: the lower one for a rollback, the upper one for a promotion. */
function bounds(seed: string, name: string, errorRate: number): Bounds[] {
  const sampler = new Sampler(seedBytes(seedOf(seed, `picture: guardrail, ${name}`, 0)))
  const world = steadyWorld(RATE, { errorRate: STABLE }, { errorRate }, {})
  const { canary: pi } = stratumOf(WEIGHT_BP, 0)
  const counts = [0, 0, 0, 0]
  const out: Bounds[] = []
  for (let second = 0; second * RATE < REQUESTS; second++) {
    const { canary, stable } = secondOf(sampler, world, second, WEIGHT_BP, 0).early[0]!.strata[0]!.arms
    counts[0]! += canary.errors
    counts[1]! += canary.requests - canary.errors
    counts[2]! += stable.errors
    counts[3]! += stable.requests - stable.errors
    const requests = (second + 1) * RATE
    if (requests % (REQUESTS / POINTS) !== 0) continue
    const strata = [{ pi, counts }]
    out.push({
      requests,
      lower: rateDifferenceInterval(strata, STABLE, 2 * ALPHA).lower,
      upper: rateDifferenceInterval(strata, STABLE, 2 * BETA).upper,
    })
  }
  return out
}
