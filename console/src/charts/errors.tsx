import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { Counts } from '../views.ts'

/** Wilson's interval of a share, 19 of 20: for one look by eye. What decides may be looked at as often as one likes. */
export function wilson(hits: number, of: number): { low: number; value: number; high: number } {
  if (of === 0) return { low: 0, value: 0, high: 1 }
  const z = 1.96
  const p = hits / of
  const middle = (p + z ** 2 / (2 * of)) / (1 + z ** 2 / of)
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((p * (1 - p)) / of + z ** 2 / (4 * of ** 2))
  return { low: Math.max(0, middle - half), value: p, high: Math.min(1, middle + half) }
}

/** Error rates of the arms with their intervals. */
export function ErrorsChart({ counts }: { counts: { stable: Counts; canary: Counts } }) {
  const rows = (['canary', 'stable'] as const).map((arm) => ({
    arm,
    ...wilson(counts[arm].errors, counts[arm].requests),
  }))
  const draw = useMemo(
    () => (width: number) =>
      Plot.plot({
        width,
        height: 96,
        marginLeft: 60,
        marginRight: 16,
        marginBottom: 30,
        marginTop: 6,
        x: {
          label: 'errors',
          domain: [0, Math.max(0.001, ...rows.map(({ high }) => 1.1 * high))],
          ticks: 4,
          tickFormat: (v: number) => `${Number((v * 100).toPrecision(2))}%`,
        },
        y: { label: null, domain: ['canary', 'stable'] },
        marks: [
          Plot.ruleY(rows, {
            y: 'arm',
            x1: 'low',
            x2: 'high',
            strokeWidth: 6,
            strokeLinecap: 'round',
            stroke: (d: { arm: string }) => (d.arm === 'canary' ? 'var(--canary)' : 'var(--stable)'),
            strokeOpacity: 0.6,
          }),
          Plot.dot(rows, {
            y: 'arm',
            x: 'value',
            r: 4,
            fill: (d: { arm: string }) => (d.arm === 'canary' ? 'var(--canary-ink)' : 'var(--stable-ink)'),
          }),
        ],
      }),
    [counts.canary.requests, counts.canary.errors, counts.stable.requests, counts.stable.errors],
  )
  const says = rows.map(
    ({ arm, value, low, high }) =>
      `${arm} ${(value * 100).toFixed(2)} %, between ${(low * 100).toFixed(2)} and ${(high * 100).toFixed(2)} %`,
  )
  return <Figure says={`Errors: ${says.join('; ')}`} draw={draw} />
}
