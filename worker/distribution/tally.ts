import {
  binsOf,
  countsOf,
  EXTRA,
  type Layout,
  misfits,
  type Series,
} from '@coalmine/contract/distribution/layout.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { ContractError } from '@coalmine/contract/problem.ts'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import type { RowFacts } from '../serving.ts'

/** One run of the model: inputs in the order of the manifest, every output, and how many records. */
export type Run = { inputs: readonly EncodedTensor[]; outputs: readonly TensorData[]; rows: number }

/** Adds the values of one series in a run. */
type Column = (run: Run) => void

const UNSEEN = EXTRA.indexOf('unseen')
const MISSING = EXTRA.indexOf('missing')
const REFUSED = EXTRA.indexOf('refused')

/**
 * Counts what a version sees in the bins of one layout. A run costs a search among the edges for each number and a
 * look-up for each text; nothing is kept of a value but its bin. Series that the version does not have stay at zero.
 */
export class Tally {
  /** See `Layout`; doubles, so that none overflows. */
  readonly counts: Float64Array
  readonly #columns: readonly Column[]
  /** Where the counts of what is beside the bins begin, by field. */
  readonly #beside = new Map<string, { at: number; categorical: boolean }>()

  constructor(layout: Layout, manifest: Manifest, facts: RowFacts) {
    this.counts = new Float64Array(countsOf(layout))
    const unfit = new Set(misfits(layout, manifest).map(({ name }) => name))
    const columns: Column[] = []
    let first = 0
    for (const series of layout.series) {
      if (series.kind !== 'feature' || !unfit.has(series.name)) {
        columns.push(this.#column(series, first, manifest, facts))
        if (series.kind === 'feature')
          this.#beside.set(series.name, { at: first + binsOf(series), categorical: 'categories' in series })
      }
      first += binsOf(series) + EXTRA.length
    }
    this.#columns = columns
  }

  add(run: Run): void {
    for (let i = 0; i < this.#columns.length; i++) this.#columns[i]!(run)
  }

  /** A request that broke the contract: what the problems that are listed say of fields. */
  refused({ problems, fieldOf }: ContractError): void {
    for (const problem of problems) {
      const field = fieldOf(problem)
      const beside = typeof field === 'string' ? this.#beside.get(field) : undefined
      if (beside === undefined) continue
      const isNew = beside.categorical && problem.type === 'not_in_enum'
      const at = beside.at + (isNew ? UNSEEN : REFUSED)
      this.counts[at]! += 1
    }
  }

  #column(series: Series, first: number, manifest: Manifest, facts: RowFacts): Column {
    const { counts } = this
    const beside = first + binsOf(series)
    if (series.kind === 'class') {
      const labels = manifest.outputs.find(({ labels }) => labels !== undefined)?.labels ?? []
      const binOf = labels.map((label) => indexIn(series, label, first, beside))
      return ({ outputs, rows }) => {
        for (let row = 0; row < rows; row++) {
          const at = binOf[facts.classOf(outputs, row)] ?? beside + MISSING
          counts[at]! += 1
        }
      }
    }
    if (series.kind === 'score') {
      const edges = Float64Array.from('edges' in series ? series.edges : [])
      return ({ outputs, rows }) => {
        for (let row = 0; row < rows; row++) {
          const score = facts.score(outputs, row)
          const at = Number.isFinite(score) ? first + edgesUpTo(score, edges) : beside + MISSING
          counts[at]! += 1
        }
      }
    }
    const index = manifest.inputs.findIndex(({ name }) => name === series.name)
    const { type } = manifest.inputs[index]!
    if ('edges' in series) {
      const place = { counts, first, missing: beside + MISSING, edges: Float64Array.from(series.edges) }
      return NUMBERS[type as keyof typeof NUMBERS](index, place)
    }
    const binOf = new Map(series.categories.map((category, i) => [category, first + i]))
    if (type === 'bool') {
      const bins = ['false', 'true'].map((category) => binOf.get(category) ?? beside + UNSEEN)
      return ({ inputs }) => {
        const data = inputs[index]!.data as Uint8Array
        for (let i = 0; i < data.length; i++) {
          const at = bins[data[i]!]!
          counts[at]! += 1
        }
      }
    }
    if (type !== 'string') {
      return ({ inputs }) => {
        const data = inputs[index]!.data as Int32Array | BigInt64Array
        for (let i = 0; i < data.length; i++) {
          const at = binOf.get(`${data[i]}`) ?? beside + UNSEEN
          counts[at]! += 1
        }
      }
    }
    return ({ inputs }) => {
      const data = inputs[index]!.data as string[]
      for (let i = 0; i < data.length; i++) {
        const value = data[i]!
        const at = binOf.get(value) ?? beside + (value === '' ? MISSING : UNSEEN)
        counts[at]! += 1
      }
    }
  }
}

/** Where the values of a number go. */
type Place = { counts: Float64Array; first: number; missing: number; edges: Float64Array }

/**
 * One function for each type of number: one that sees arrays of several types reads all of them more slowly (a run of one
 * record of churn: 810 against 605 ns).
 */
const NUMBERS = {
  float32: (index: number, { counts, first, missing, edges }: Place): Column => {
    return ({ inputs }) => {
      const data = inputs[index]!.data as Float32Array
      for (let i = 0; i < data.length; i++) {
        const value = data[i]!
        // NaN is how a value that is missing reaches the model.
        const at = Number.isNaN(value) ? missing : first + edgesUpTo(value, edges)
        counts[at]! += 1
      }
    }
  },
  float64: (index: number, { counts, first, missing, edges }: Place): Column => {
    return ({ inputs }) => {
      const data = inputs[index]!.data as Float64Array
      for (let i = 0; i < data.length; i++) {
        const value = data[i]!
        const at = Number.isNaN(value) ? missing : first + edgesUpTo(value, edges)
        counts[at]! += 1
      }
    }
  },
  int64: (index: number, { counts, first, edges }: Place): Column => {
    return ({ inputs }) => {
      const data = inputs[index]!.data as BigInt64Array
      for (let i = 0; i < data.length; i++) {
        const at = first + edgesUpTo(Number(data[i]), edges)
        counts[at]! += 1
      }
    }
  },
  int32: (index: number, { counts, first, edges }: Place): Column => {
    return ({ inputs }) => {
      const data = inputs[index]!.data as Int32Array
      for (let i = 0; i < data.length; i++) {
        const at = first + edgesUpTo(data[i]!, edges)
        counts[at]! += 1
      }
    }
  },
}

function indexIn(series: Series, category: string, first: number, beside: number): number {
  const at = 'categories' in series ? series.categories.indexOf(category) : -1
  return at < 0 ? beside + UNSEEN : first + at
}

/** How many of the ascending edges are at or below a value. */
function edgesUpTo(value: number, edges: Float64Array): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (edges[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low
}
