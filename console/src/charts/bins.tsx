import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { DriftSeries } from '../views.ts'
import { percent } from '../words.ts'

/** Shares of each bin: bars as they were of late, lines as they are compared with. */
export function BinsChart({ series }: { series: DriftSeries }) {
  const { bins, name } = series
  const draw = useMemo(
    () => (width: number) => {
      const few = bins.length <= 4
      return Plot.plot({
        width,
        height: few ? 96 : 76,
        marginLeft: 4,
        marginRight: 4,
        marginTop: 6,
        marginBottom: few ? 24 : 6,
        x: { domain: bins.map(({ bin }) => bin), axis: few ? 'bottom' : null, label: null, tickSize: 0 },
        y: { axis: null },
        marks: [
          Plot.barY(bins, { x: 'bin', y: 'live', fill: 'var(--canary)', fillOpacity: 0.75, inset: 0.5 }),
          Plot.tickY(bins, { x: 'bin', y: 'against', stroke: 'var(--ink)', strokeWidth: 2 }),
          Plot.ruleY([0], { stroke: 'var(--line)' }),
        ],
      })
    },
    // Read anew every ten seconds: the same shares are the same picture.
    [JSON.stringify(bins)],
  )
  const most = bins.reduce((a, b) => (Math.abs(b.live - b.against) > Math.abs(a.live - a.against) ? b : a))
  const says = `${name}, where it differs most (${most.bin}): ${percent(most.live * 100)}, beside ${percent(most.against * 100)}`
  return <Figure says={says} draw={draw} />
}
