import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { Charts } from '../views.ts'
import { timeAxis } from './time-axis.ts'

/** The canary's share over time: as it should be, and as the last minute had it. */
export function WeightsChart({ weights }: { weights: Charts['weights'] }) {
  const draw = useMemo(
    () => (width: number) => {
      const data = weights.map((each) => ({ ...each, at: new Date(each.at) }))
      return Plot.plot({
        width,
        height: 150,
        marginLeft: 44,
        marginRight: 8,
        marginTop: 8,
        marginBottom: 24,
        x: timeAxis(data[0]!.at, data.at(-1)!.at, width),
        y: {
          label: null,
          domain: [0, Math.max(5, ...data.map((d) => 1.2 * Math.max(d.configured, d.observed ?? 0)))],
          ticks: 4,
          tickFormat: (v: number) => `${v}%`,
        },
        marks: [
          Plot.areaY(data, {
            x: 'at',
            y: 'configured',
            fill: 'var(--canary)',
            fillOpacity: 0.25,
            curve: 'step-after',
          }),
          Plot.lineY(data, { x: 'at', y: 'configured', stroke: 'var(--canary-ink)', curve: 'step-after' }),
          Plot.lineY(
            data.filter((d) => d.observed !== null),
            { x: 'at', y: 'observed', stroke: 'var(--ink)', strokeDasharray: '2 3' },
          ),
          Plot.ruleY([0], { stroke: 'var(--line)' }),
        ],
      })
    },
    [weights],
  )
  const last = weights.at(-1)
  return (
    <Figure
      says={`The canary's share is ${last?.configured ?? 0} % as configured, and ${last?.observed ?? 'not'} % as observed`}
      draw={draw}
    />
  )
}
