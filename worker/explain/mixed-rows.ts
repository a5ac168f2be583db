import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import { ENUMERATED_PLAYERS_MAX, ORDERS } from './coalitions.ts'

/** Answers of the model that one explanation may cost, about 0.2 s of a small one. */
const ANSWERS_MAX = 50_000
/** Rows that say enough of what is usual. */
const ROWS_MAX = 100
/** Rows of one run. */
const CHUNK_ROWS = 512

/** Background rows that an explanation can afford. */
export function rowsWithin(method: 'exact' | 'permutation', players: number): number {
  const coalitions =
    method === 'exact' ? 2 ** Math.min(players, ENUMERATED_PLAYERS_MAX) : 2 * ORDERS * (players + 1)
  return Math.max(1, Math.min(ROWS_MAX, Math.floor(ANSWERS_MAX / coalitions)))
}

/** Rows with the values of one record where a coalition has them, and those of background rows elsewhere. */
export class MixedRows {
  /** Of the background. */
  readonly rows: number
  readonly #own: readonly EncodedTensor[]
  readonly #background: readonly EncodedTensor[]

  constructor(own: readonly EncodedTensor[], background: readonly EncodedTensor[], rows: number) {
    this.#own = own
    this.#background = background
    this.rows = rows
  }

  /** `count` coalitions from the `first` on, each with all background rows. */
  *chunks(
    coalitions: readonly Uint8Array[],
  ): Generator<{ first: number; count: number; tensors: EncodedTensor[] }> {
    const most = Math.max(1, Math.floor(CHUNK_ROWS / this.rows))
    for (let first = 0; first < coalitions.length; first += most) {
      const some = coalitions.slice(first, first + most)
      yield { first, count: some.length, tensors: this.#tensors(some) }
    }
  }

  #tensors(coalitions: readonly Uint8Array[]): EncodedTensor[] {
    let player = 0
    return this.#own.map((own, position) => {
      const { data: usual } = this.#background[position]!
      const elements = own.data.length
      const data = emptyLike(own.data, coalitions.length * this.rows * elements)
      let at = 0
      for (const coalition of coalitions)
        for (let row = 0; row < this.rows; row++)
          for (let i = 0; i < elements; i++)
            data[at++] = (coalition[player + i] === 1 ? own.data[i] : usual[row * elements + i]) as never
      player += elements
      return { ...own, shape: [coalitions.length * this.rows, ...own.shape.slice(1)], data }
    })
  }
}

function emptyLike(data: TensorData, length: number): TensorData {
  if (Array.isArray(data)) return new Array<string>(length)
  return new (data.constructor as new (length: number) => TensorData)(length)
}
