import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { Figure } from '../figure.tsx'
import type { Charts } from '../views.ts'

const COLORS: Record<string, string> = {
  canary: 'var(--canary-ink)',
  baseline: 'var(--stable-ink)',
  stable: 'var(--stable-ink)',
}

/** Latencies of the canary over those of what it is compared with, with their quantiles. */
export function LatencyChart({ latency }: { latency: NonNullable<Charts['latency']> }) {
  const { edgesMs } = latency
  const beside = latency.arms.some(({ arm }) => arm === 'baseline') ? 'baseline' : 'stable'
  const arms = latency.arms.filter(({ arm }) => arm === 'canary' || arm === beside)
  const draw = useMemo(
    () => (width: number) => {
      const bins = arms.flatMap(({ arm, counts }) => {
        const total = counts.reduce((sum, n) => sum + n, 0)
        return counts.map((n, i) => ({ arm, ms: Math.max(edgesMs[i]!, 0.1), share: n / total }))
      })
      const marks = arms.flatMap(({ arm, quantiles }) =>
        quantiles.map(({ share, ms }) => ({ arm, ms, label: `p${share * 100}` })),
      )
      return Plot.plot({
        width,
        height: 190,
        marginLeft: 8,
        marginRight: 8,
        marginTop: 22,
        marginBottom: 32,
        x: {
          type: 'log',
          label: 'ms',
          ticks: Math.max(3, Math.floor(width / 120)),
          tickFormat: (ms: number) => `${ms}`,
        },
        y: { axis: null },
        marks: [
          ...arms.map(({ arm }) =>
            Plot.areaY(
              bins.filter((bin) => bin.arm === arm),
              { x: 'ms', y: 'share', fill: COLORS[arm]!, fillOpacity: 0.22, curve: 'step-after' },
            ),
          ),
          ...arms.map(({ arm }) =>
            Plot.lineY(
              bins.filter((bin) => bin.arm === arm),
              { x: 'ms', y: 'share', stroke: COLORS[arm]!, strokeWidth: 1.5, curve: 'step-after' },
            ),
          ),
          Plot.ruleX(marks, {
            x: 'ms',
            stroke: (d: { arm: string }) => COLORS[d.arm],
            strokeDasharray: '2 3',
          }),
          Plot.text(
            marks.filter(({ arm }) => arm === 'canary'),
            { x: 'ms', text: 'label', frameAnchor: 'top', dy: -12, fill: 'var(--canary-ink)', fontSize: 11 },
          ),
        ],
      })
    },
    [latency],
  )
  const said = arms.map(
    ({ arm, quantiles }) =>
      `${arm}: ${quantiles.map(({ share, ms }) => `p${share * 100} ${ms.toPrecision(3)} ms`).join(', ')}`,
  )
  return (
    <>
      <Figure says={`Latencies. ${said.join('; ')}`} draw={draw} />
      <table class="small">
        <thead>
          <tr>
            <th>arm</th>
            {arms[0]!.quantiles.map(({ share }) => (
              <th key={share}>p{share * 100}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {arms.map(({ arm, quantiles }) => (
            <tr key={arm}>
              <td>
                <i class={`dot ${arm === 'canary' ? 'canary' : 'stable'}`} />
                {arm}
              </td>
              {quantiles.map(({ share, ms }) => (
                <td key={share}>{ms.toPrecision(3)} ms</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
