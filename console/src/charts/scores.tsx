import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { Charts } from '../views.ts'
import { points } from '../words.ts'

/** Scores of canary and stable mirrored at one axis; the bins of the evidence hold equal shares of the training scores. */
export function ScoresChart({ scores }: { scores: NonNullable<Charts['scores']> }) {
  const { edges, canary, stable, gap } = scores
  const draw = useMemo(
    () => (width: number) => {
      const shares = (counts: number[], sign: 1 | -1) => {
        const total = counts.reduce((sum, n) => sum + n, 0)
        return counts.map((n, i) => {
          const x1 = edges[i - 1] ?? edges[0]! - (edges[1]! - edges[0]!)
          const x2 = edges[i] ?? edges.at(-1)! + (edges.at(-1)! - edges.at(-2)!)
          // Bins are of different widths: what the eye compares are areas.
          return { x1, x2, y: (sign * n) / total / (x2 - x1) }
        })
      }
      const bars = (data: ReturnType<typeof shares>, fill: string) =>
        Plot.rectY(data, { x1: 'x1', x2: 'x2', y1: 0, y2: 'y', fill, fillOpacity: 0.75, inset: 0.25 })
      return Plot.plot({
        width,
        height: 190,
        marginLeft: 8,
        marginRight: 8,
        marginTop: 8,
        marginBottom: 32,
        x: { label: 'score', ticks: Math.max(3, Math.floor(width / 90)) },
        y: { axis: null },
        marks: [
          bars(shares(canary, 1), 'var(--canary)'),
          bars(shares(stable, -1), 'var(--stable)'),
          Plot.ruleY([0], { stroke: 'var(--ink)' }),
          Plot.ruleX([gap.at], { stroke: 'var(--ink)', strokeDasharray: '3 3' }),
        ],
      })
    },
    [scores],
  )
  const says = `Below a score of ${gap.at.toPrecision(2)} the shares are farthest apart: ${points(gap.by)} of the requests, canary minus stable`
  return (
    <>
      <Figure says={says} draw={draw} />
      <p class="muted">
        <i class="dot canary" /> canary above, <i class="dot stable" /> stable below. {says}.
      </p>
    </>
  )
}
