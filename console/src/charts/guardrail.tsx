import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { ChartPoint, Reading } from '../views.ts'
import { points as pointsText } from '../words.ts'
import { timeAxis } from './time-axis.ts'

/**
 * The confidence sequence of one guardrail closing in: canary minus stable over time, with what is tolerated and what is to be
 * proven. Wholly above `tolerate` it is certain to be worse, wholly below `margin` certain to be fine.
 */
export function GuardrailChart({
  reading,
  points,
}: {
  reading: Reading
  /** Undefined until they are read. */
  points: readonly ChartPoint[] | undefined
}) {
  const { tolerate, margin, metric } = reading
  const both = metric === 'score_distribution'
  const known = (points ?? []).flatMap(({ at, observed }) =>
    observed ? [{ at: new Date(at), ...observed }] : [],
  )
  const draw = useMemo(
    () => (width: number) => {
      const limit = 3 * margin
      const clamp = (value: number) => Math.max(both ? -limit : -1.5 * limit, Math.min(limit, value))
      const [first, last] = [known[0]!.at, known.at(-1)!.at]
      const x1 = first
      const x2 = last > first ? last : new Date(first.getTime() + 1_000)
      const zone = (y1: number, y2: number, fill: string) => Plot.rectY([0], { x1, x2, y1, y2, fill })
      const low = both ? -limit : -1.5 * limit
      return Plot.plot({
        width,
        height: 168,
        marginLeft: 52,
        marginRight: 8,
        marginTop: 8,
        marginBottom: 24,
        x: timeAxis(x1, x2, width),
        y: {
          domain: [low, limit],
          label: null,
          grid: false,
          ticks: 4,
          tickFormat: (value: number) => `${Number((value * 100).toPrecision(2))}%`,
        },
        marks: [
          zone(both ? -margin : low, margin, 'var(--good-zone)'),
          zone(tolerate, limit, 'var(--bad-zone)'),
          ...(both ? [zone(low, -tolerate, 'var(--bad-zone)')] : []),
          Plot.ruleY([0], { stroke: 'var(--line)' }),
          Plot.ruleY(both ? [tolerate, -tolerate] : [tolerate], {
            stroke: 'var(--bad)',
            strokeDasharray: '4 3',
          }),
          Plot.ruleY(both ? [margin, -margin] : [margin], { stroke: 'var(--good)', strokeDasharray: '4 3' }),
          Plot.areaY(known, {
            x: 'at',
            y1: (d: { low: number }) => clamp(d.low),
            y2: (d: { high: number }) => clamp(d.high),
            fill: 'var(--canary)',
            fillOpacity: 0.28,
            curve: 'step-after',
          }),
          Plot.lineY(known, {
            x: 'at',
            y: (d: { value: number }) => clamp(d.value),
            stroke: 'var(--canary-ink)',
            strokeWidth: 2,
            curve: 'step-after',
          }),
        ],
      })
    },
    [points, tolerate, margin],
  )
  if (known.length === 0)
    return <div class="figure none">{points === undefined ? 'Reading …' : 'No difference is known yet.'}</div>
  const { value, low, high } = known.at(-1)!
  return (
    <Figure
      says={`Canary minus stable is ${pointsText(value)}, between ${pointsText(low)} and ${pointsText(high)}; tolerated are ${pointsText(tolerate)}, to be proven are ${pointsText(margin)}`}
      draw={draw}
    />
  )
}
