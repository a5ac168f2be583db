import { log } from '@coalmine/contract/log.ts'
import type { Released } from '@coalmine/core/evidence/counts.ts'
import { isAA, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { type Suggestion, suggestTolerances } from '@coalmine/core/rollout/tolerances.ts'
import type { Step } from '../deployments.ts'
import { Measured } from './measured.ts'

/** What was measured of each model's rollout, and what a version beside itself says of tolerances. */
export class Measurements {
  readonly #measured = new Map<string, Measured>()
  readonly #suggestions = new Map<string, readonly Suggestion[]>()

  /** Windows that were committed with this step. */
  add({ before, next, ended }: Step, released: Released): void {
    const rollout = ended ?? next.rollout ?? before.rollout!
    const { model, serial } = rollout
    let measured = this.of(rollout)
    if (measured === undefined) {
      measured = new Measured(serial)
      this.#measured.set(model, measured)
    }
    measured.add(rollout.evidence, released)
    if (ended && isAA(ended)) this.#tell(ended, measured)
  }

  /** No rollout of this model runs. */
  delete(model: string): void {
    this.#measured.delete(model)
  }

  of({ model, serial }: Pick<Rollout, 'model' | 'serial'>): Measured | undefined {
    const measured = this.#measured.get(model)
    return measured?.serial === serial ? measured : undefined
  }

  /** From a rollout of a version beside itself, as it runs; or from the last one that this process saw end. */
  suggestions(model: string, rollout: Rollout | undefined): readonly Suggestion[] {
    const measured = rollout && isAA(rollout) ? this.of(rollout) : undefined
    return measured === undefined ? (this.#suggestions.get(model) ?? []) : suggested(rollout!, measured)
  }

  #tell(ended: Rollout, measured: Measured): void {
    const suggestions = suggested(ended, measured)
    this.#suggestions.set(ended.model, suggestions)
    for (const { sentence } of suggestions)
      log.info('measured beside itself', { model: ended.model, serial: ended.serial, sentence })
  }
}

function suggested({ policy, evidence }: Rollout, { counts }: Measured): Suggestion[] {
  return suggestTolerances(policy, evidence.references, counts)
}
