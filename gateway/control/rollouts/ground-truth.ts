import { labelWindowOf } from '@coalmine/core/evidence/comparison.ts'
import type { Window } from '@coalmine/core/evidence/counts.ts'
import type { Evidence } from '@coalmine/core/evidence/evidence.ts'
import { LabelRecorder } from '@coalmine/core/evidence/label-recorder.ts'
import { baselineBeside, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { ARMS, isWeight, probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import type { LabelsMessage, PackedLabel } from '../../messages.ts'

/** Labels that wait for their age; each keeps its id's hash, about 40 bytes. */
const WAITING_MAX = 500_000
/** Seconds that no tick could commit; older ones go, with all arms. */
const UNCOMMITTED_SECONDS = 3_600
/** Processes whose messages are told apart. */
const PROCESSES_MAX = 64

/** What became of the labels of one rollout that reached control. */
export const LABEL_RESULTS = ['counted', 'repeated', 'late', 'other_rollout', 'full'] as const
export type LabelResult = (typeof LABEL_RESULTS)[number]

/**
 * The truth about one rollout's requests, on its way into the evidence. One recorder for all data processes: what comes
 * to two of them is found here, by rollout and id. A second is given out when all its requests are as old as the label
 * window and never again, so an id has to be remembered no longer than that: what comes later is late, whether it came
 * before or not. After a restart the same holds behind the cursor of the evidence that is stored.
 */
export class GroundTruth {
  readonly serial: number
  readonly windowMs: number
  readonly results: Record<LabelResult, number> = {
    counted: 0,
    repeated: 0,
    late: 0,
    other_rollout: 0,
    full: 0,
  }
  readonly #labels: LabelRecorder
  /** By the second of assignment. */
  readonly #seen = new Map<number, Set<number>>()
  readonly #heard = new Map<string, number>()
  #waitingLabels = 0
  #through = Number.NEGATIVE_INFINITY
  #uncommitted: readonly Window<'labels'>[] = []

  constructor(serial: number, windowMs: number) {
    this.serial = serial
    this.windowMs = windowMs
    this.#labels = new LabelRecorder(windowMs)
  }

  accept({ incarnation, sequence, labels }: LabelsMessage, rollout: Rollout, nowMs: number): void {
    if (sequence <= (this.#heard.get(incarnation) ?? -1)) return
    this.#heard.delete(incarnation)
    this.#heard.set(incarnation, sequence)
    if (this.#heard.size > PROCESSES_MAX) this.#heard.delete(this.#heard.keys().next().value!)
    for (const label of labels) this.results[this.#take(label, rollout, nowMs)]++
  }

  #take(
    [serial, idHash, assignedMs, weightBp, armIndex, wrong, brier, logLoss, truth]: PackedLabel,
    rollout: Rollout,
    nowMs: number,
  ): LabelResult {
    const arm = ARMS[armIndex]
    if (serial !== this.serial || arm === undefined || !isWeight(weightBp)) return 'other_rollout'
    const second = Math.floor(assignedMs / 1000)
    const through = Math.max(this.#through, rollout.evidence.cursor.labels)
    if (nowMs - assignedMs > this.windowMs || second <= through) return 'late'
    const ids = this.#seen.get(second) ?? new Set<number>()
    if (ids.has(idHash)) return 'repeated'
    if (this.#waitingLabels >= WAITING_MAX) return 'full'
    ids.add(idHash)
    this.#seen.set(second, ids)
    this.#waitingLabels++
    const stratum = probabilities(thresholds(weightBp, baselineBeside(rollout, weightBp)))
    this.#labels.label(nowMs, assignedMs, arm, stratum, {
      wrong: wrong === 1,
      ...(brier !== null && { brier }),
      ...(logLoss !== null && { logLoss }),
      ...(truth !== null && { class: truth }),
    })
    return 'counted'
  }

  /** The seconds that are old enough and that this evidence does not hold yet. */
  beyond({ cursor }: Pick<Evidence, 'cursor'>, nowMs: number): readonly Window<'labels'>[] {
    const { through, windows } = this.#labels.drain(nowMs)
    this.#through = Math.max(this.#through, through)
    for (const [second, ids] of this.#seen) {
      if (second > through) continue
      this.#waitingLabels -= ids.size
      this.#seen.delete(second)
    }
    this.#uncommitted = [...this.#uncommitted, ...windows]
      .filter(({ second }) => second > cursor.labels)
      .slice(-UNCOMMITTED_SECONDS)
    return this.#uncommitted
  }
}

/** The labels of each model's rollout. */
export class GroundTruths {
  readonly #truths = new Map<string, GroundTruth>()

  /** Undefined where the rollout compares no accuracy. Labels of another one are forgotten. */
  of({ model, serial, policy }: Rollout): GroundTruth | undefined {
    const windowMs = labelWindowOf(policy)
    const known = this.#truths.get(model)
    if (known?.serial === serial && known.windowMs === windowMs) return known
    if (windowMs === undefined) {
      this.#truths.delete(model)
      return undefined
    }
    const truth = new GroundTruth(serial, windowMs)
    this.#truths.set(model, truth)
    return truth
  }

  /** No rollout of this model runs. */
  delete(model: string): void {
    this.#truths.delete(model)
  }
}
