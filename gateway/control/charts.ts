import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { type ChartPoint, ChartSeries } from './chart-series.ts'
import type { Measured } from './rollouts/measured.ts'
import { type Reading, readingsOf } from './rollouts/readings.ts'

/** The canary's share at an instant: as it should be, and of the last minute. */
export interface WeightPoint {
  readonly atMs: number
  readonly configured: number
  readonly observed?: number
}

interface Kept {
  readonly serial: number
  evaluation: number
  readonly comparisons: Map<string, ChartSeries<ChartPoint>>
  readonly weights: ChartSeries<WeightPoint>
}

/** How the running rollouts went, for people's eyes: begins anew with this process, and nothing is decided by it. */
export class Charts {
  readonly #kept = new Map<string, Kept>()

  /** To be called about once a second; an evaluation that was seen adds nothing. */
  look(
    { model, rollout }: { readonly model: string; readonly rollout?: Rollout | undefined },
    measured: Measured | undefined,
    weight: Omit<WeightPoint, 'atMs'>,
    nowMs: number,
  ): void {
    if (rollout === undefined) return
    const kept = this.#of(model, rollout.serial)
    kept.weights.add({ atMs: nowMs, ...weight })
    if (kept.evaluation === rollout.evaluation) return
    kept.evaluation = rollout.evaluation
    for (const reading of readingsOf(rollout, measured, nowMs)) {
      const series = kept.comparisons.get(reading.name) ?? new ChartSeries<ChartPoint>()
      kept.comparisons.set(reading.name, series)
      series.add(pointOf(reading, nowMs))
    }
  }

  /** Of the rollout with this number; undefined before anything was seen of it. */
  of(model: string, serial: number) {
    const kept = this.#kept.get(model)
    return kept?.serial === serial ? kept : undefined
  }

  #of(model: string, serial: number): Kept {
    const kept = this.#kept.get(model)
    if (kept?.serial === serial) return kept
    const fresh: Kept = { serial, evaluation: -1, comparisons: new Map(), weights: new ChartSeries() }
    this.#kept.set(model, fresh)
    return fresh
  }
}

function pointOf({ observed, rollback, promotion }: Reading, atMs: number): ChartPoint {
  const near = (log: number, threshold: number) => (threshold > 0 ? log / threshold : 0)
  return {
    atMs,
    ...(observed && { observed }),
    rollback: near(rollback.log, rollback.threshold),
    ...(promotion && { promotion: near(promotion.log, promotion.threshold) }),
  }
}
