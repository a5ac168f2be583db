import type { Encoder } from '@coalmine/contract/encode.ts'
import { elementsPerRow, type Manifest } from '@coalmine/contract/manifest.ts'
import type { Problem } from '@coalmine/contract/problem.ts'
import { compileRecord, type RecordValidator } from '@coalmine/contract/record.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Engine } from '../engine.ts'
import type { Attribution } from '../explain/attribution.ts'
import type { Table } from './table.ts'

type ModelRecord = Record<string, unknown>

/** Why a row has no prediction: as the 422 would say it, or that the model failed for it. */
export interface Reject {
  /** In the table. */
  readonly row: number
  readonly problems:
    | readonly Pick<Problem, 'loc' | 'type' | 'msg'>[]
    | readonly [{ type: string; msg: string }]
}

export interface ScoredPart {
  /** Rows of the table that have a prediction, ascending. */
  readonly kept: readonly number[]
  /** By output, whole rows of those that are kept, one after the other. */
  readonly outputs: readonly (readonly unknown[] | ArrayLike<unknown>)[]
  /** One for each row that is kept, where they are asked for. */
  readonly attributions: readonly Attribution[] | undefined
  readonly rejects: readonly Reject[]
}

export interface ScorerSettings {
  readonly manifest: Pick<Manifest, 'inputs' | 'outputs'>
  readonly engine: Pick<Engine, 'run'>
  readonly encode: Encoder
  readonly rowsPerRun: number
  readonly explain?: ((record: ModelRecord) => Promise<Attribution>) | undefined
}

/**
 * Scores tables with the validator, the encoder and the engine that a worker serves with: what a row gives here it gives
 * there, to the bit.
 */
export class Scorer {
  readonly #settings: ScorerSettings
  readonly #validate: RecordValidator

  constructor(settings: ScorerSettings) {
    this.#settings = settings
    this.#validate = compileRecord(settings.manifest.inputs)
  }

  async score({ rows, columns, broken }: Table): Promise<ScoredPart> {
    const { manifest, rowsPerRun, explain } = this.#settings
    const fields = manifest.inputs.map(({ name }) => ({ name, column: columns.get(name)! }))
    const rejects: Reject[] = []
    const valid: number[] = []
    const records: ModelRecord[] = []
    for (let row = 0; row < rows; row++) {
      const reason = broken.get(row)
      if (reason !== undefined) {
        rejects.push({ row, problems: [{ type: 'unreadable', msg: reason }] })
        continue
      }
      const record: ModelRecord = {}
      for (const { name, column } of fields) {
        const value = column[row]
        if (value !== undefined) record[name] = value
      }
      const problems: Problem[] = []
      this.#validate(record, [], problems)
      if (problems.length > 0) rejects.push({ row, problems })
      else {
        valid.push(row)
        records.push(record)
      }
    }
    const kept: number[] = []
    const outputs = manifest.outputs.map((): unknown[] => [])
    const attributions: Attribution[] | undefined = explain && []
    const elements = manifest.outputs.map(elementsPerRow)
    for (let first = 0; first < records.length; first += rowsPerRun) {
      const some = records.slice(first, first + rowsPerRun)
      for (const { at, count, data } of await this.#runs(some)) {
        for (let i = 0; i < count; i++) {
          const row = valid[first + at + i]!
          const failed = data === undefined ? 'the model fails for it' : notFinite(data, elements, i)
          if (failed !== undefined) {
            rejects.push({ row, problems: [{ type: 'model_error', msg: failed }] })
            continue
          }
          kept.push(row)
          for (const [o, values] of data!.entries())
            for (let e = i * elements[o]!; e < (i + 1) * elements[o]!; e++) outputs[o]!.push(values[e])
          if (explain) attributions!.push(await explain(records[first + at + i]!))
        }
      }
    }
    rejects.sort((a, b) => a.row - b.row)
    return { kept, outputs, attributions, rejects }
  }

  /** All rows in one run; where the model fails each alone, so that only the guilty ones do. */
  async #runs(
    records: readonly ModelRecord[],
  ): Promise<readonly { at: number; count: number; data: TensorData[] | undefined }[]> {
    const whole = await this.#run(records)
    if (whole !== undefined) return [{ at: 0, count: records.length, data: whole }]
    const alone = []
    for (const [at, record] of records.entries())
      alone.push({ at, count: 1, data: records.length === 1 ? undefined : await this.#run([record]) })
    return alone
  }

  async #run(records: readonly ModelRecord[]): Promise<TensorData[] | undefined> {
    const { engine, encode, manifest } = this.#settings
    try {
      const data = await engine.run(encode(records))
      const fits = data.every(
        (values, o) => values.length === records.length * elementsPerRow(manifest.outputs[o]!),
      )
      return fits ? data : undefined
    } catch {
      return undefined
    }
  }
}

function notFinite(
  data: readonly TensorData[],
  elements: readonly number[],
  row: number,
): string | undefined {
  for (const [o, values] of data.entries())
    for (let e = row * elements[o]!; e < (row + 1) * elements[o]!; e++) {
      const value = values[e]
      if (typeof value === 'number' && !Number.isFinite(value)) return `an output is ${value}`
    }
  return undefined
}
