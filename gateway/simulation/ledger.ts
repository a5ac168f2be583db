import { type Stratum, stratumKey } from '@coalmine/core/evidence/counts.ts'

/** What was really drawn in one second of one stratum. */
export interface Drawn {
  canary: number
  control: number
}

/** Every request that a data process assigned for evidence, by the second of the evidence. */
export class Ledger {
  /** Rollouts whose canary failed so hard that a data process took it out, by serial. */
  readonly trips = new Set<number>()
  readonly #cells = new Map<string, Map<number, Drawn>>()

  /** To be counted in. */
  cell(serial: number, second: number, stratum: Stratum): Drawn {
    const seconds = this.#seconds(serial, stratumKey(stratum))
    let cell = seconds.get(second)
    if (cell === undefined) {
      cell = { canary: 0, control: 0 }
      seconds.set(second, cell)
    }
    return cell
  }

  /** Everything of a stratum after one second and through another. */
  between(serial: number, key: string, afterSecond: number, throughSecond: number): Drawn {
    const total = { canary: 0, control: 0 }
    for (const [second, { canary, control }] of this.#seconds(serial, key)) {
      if (second <= afterSecond || second > throughSecond) continue
      total.canary += canary
      total.control += control
    }
    return total
  }

  #seconds(serial: number, key: string): Map<number, Drawn> {
    const name = `${serial} ${key}`
    let seconds = this.#cells.get(name)
    if (seconds === undefined) {
      seconds = new Map()
      this.#cells.set(name, seconds)
    }
    return seconds
  }
}
