/** An answer that is fetched later. */
export type KeptAnswer = { status: number; body: Buffer }

export type KeptLimits = { countMax: number; bytesMax: number; ageMaxMs: number }

/** Answers by their number, the newest of them: so many, so many bytes, and for so long. */
export class KeptAnswers {
  readonly #limits: KeptLimits
  readonly #nowMs: () => number
  /** In the order in which they came: a Map keeps that. */
  readonly #answers = new Map<number, KeptAnswer & { sinceMs: number }>()
  #bytes = 0

  constructor(limits: KeptLimits, nowMs: () => number) {
    this.#limits = limits
    this.#nowMs = nowMs
  }

  get count(): number {
    this.#expire()
    return this.#answers.size
  }

  get bytes(): number {
    this.#expire()
    return this.#bytes
  }

  get(number: number): KeptAnswer | undefined {
    this.#expire()
    return this.#answers.get(number)
  }

  /** The newest is kept whatever its size; it is as large as an answer may be. */
  set(number: number, answer: KeptAnswer): void {
    this.#answers.set(number, { ...answer, sinceMs: this.#nowMs() })
    this.#bytes += answer.body.length
    const { countMax, bytesMax } = this.#limits
    for (const oldest of this.#answers.keys()) {
      const fits = this.#answers.size <= countMax && this.#bytes <= bytesMax
      if (fits || oldest === number) break
      this.#drop(oldest)
    }
    this.#expire()
  }

  #expire(): void {
    const bornAfterMs = this.#nowMs() - this.#limits.ageMaxMs
    for (const [number, { sinceMs }] of this.#answers) {
      if (sinceMs > bornAfterMs) return
      this.#drop(number)
    }
  }

  #drop(number: number): void {
    this.#bytes -= this.#answers.get(number)!.body.length
    this.#answers.delete(number)
  }
}
