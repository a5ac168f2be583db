import { murmur3 } from '@coalmine/core/routing/affinity.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'

/** Sixteen seed bytes of any text. */
export function seedBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const words = new DataView(bytes.buffer)
  for (let word = 0; word < 4; word++) words.setUint32(word * 4, murmur3(text, word + 1), true)
  return bytes
}

/** All chance of a simulation. Equal names give equal sequences, and one user of chance does not shift another's. */
export class Dice {
  readonly #name: string
  readonly #next: () => number

  constructor(name: string) {
    this.#name = name
    this.#next = seededRandom(seedBytes(name))
  }

  /** Dice of somebody's own. */
  of(name: string): Dice {
    return new Dice(`${this.#name}/${name}`)
  }

  /** Above 0 and below 1. */
  uniform(): number {
    return (this.#next() + 0.5) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  between(from: number, to: number): number {
    return from + (to - from) * this.uniform()
  }

  /** Spread evenly over orders of magnitude. */
  around(from: number, to: number): number {
    return from * (to / from) ** this.uniform()
  }

  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number {
    return Math.floor(this.uniform() * below)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(list.length)]!
  }

  exponential(mean: number): number {
    return -Math.log(this.uniform()) * mean
  }

  /** Of this median; `sigma` is the standard deviation of the logarithm. */
  logNormal(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
    return median * Math.exp(sigma * normal)
  }
}
