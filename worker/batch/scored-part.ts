import type { Encoder } from '@coalmine/contract/encode.ts'
import { elementsPerRow, type Manifest, type Output } from '@coalmine/contract/manifest.ts'
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
  /** By output, whole rows of those that are kept, one after the other; there may be room behind them. */
  readonly outputs: readonly ArrayLike<unknown>[]
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
  readonly #elements: readonly number[]

  constructor(settings: ScorerSettings) {
    this.#settings = settings
    this.#validate = compileRecord(settings.manifest.inputs)
    this.#elements = settings.manifest.outputs.map(elementsPerRow)
  }

  async score(table: Table): Promise<ScoredPart> {
    const { manifest, rowsPerRun } = this.#settings
    const part: Growing = {
      kept: [],
      outputs: manifest.outputs.map(({ type }, o) => room(type, table.rows * this.#elements[o]!)),
      attributions: this.#settings.explain && [],
      rejects: [],
    }
    const fields = manifest.inputs.map(({ name }) => ({ name, column: table.columns.get(name)! }))
    let rows: number[] = []
    let records: ModelRecord[] = []
    for (let row = 0; row < table.rows; row++) {
      const record = this.#record(table, fields, row, part.rejects)
      if (record === undefined) continue
      rows.push(row)
      records.push(record)
      if (records.length < rowsPerRun) continue
      await this.#predict(rows, records, part)
      rows = []
      records = []
    }
    if (records.length > 0) await this.#predict(rows, records, part)
    part.rejects.sort((a, b) => a.row - b.row)
    return part
  }

  /** One that can be encoded; what cannot is rejected. */
  #record(
    { broken }: Table,
    fields: readonly { name: string; column: ArrayLike<unknown> }[],
    row: number,
    rejects: Reject[],
  ): ModelRecord | undefined {
    const reason = broken.get(row)
    if (reason !== undefined) {
      rejects.push({ row, problems: [{ type: 'unreadable', msg: reason }] })
      return undefined
    }
    const record: ModelRecord = {}
    for (const { name, column } of fields) {
      const value = column[row]
      // One too large for a number is too large for every contract; its problem says so.
      if (value !== undefined) record[name] = typeof value === 'bigint' ? Number(value) : value
    }
    const problems: Problem[] = []
    this.#validate(record, [], problems)
    if (problems.length === 0) return record
    rejects.push({ row, problems })
    return undefined
  }

  async #predict(rows: readonly number[], records: readonly ModelRecord[], part: Growing): Promise<void> {
    const { explain } = this.#settings
    for (const { at, count, data } of await this.#runs(records)) {
      for (let i = 0; i < count; i++) {
        const row = rows[at + i]!
        const failed = data === undefined ? 'the model fails for it' : notFinite(data, this.#elements, i)
        if (failed !== undefined) {
          part.rejects.push({ row, problems: [{ type: 'model_error', msg: failed }] })
          continue
        }
        const target = part.kept.length
        part.kept.push(row)
        for (let o = 0; o < data!.length; o++) {
          const elements = this.#elements[o]!
          const [from, to] = [data![o]!, part.outputs[o] as { [at: number]: unknown }]
          for (let e = 0; e < elements; e++) to[target * elements + e] = from[i * elements + e]
        }
        if (explain) part.attributions!.push(await explain(records[at + i]!))
      }
    }
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

interface Growing {
  readonly kept: number[]
  readonly outputs: readonly TensorData[]
  readonly attributions: Attribution[] | undefined
  readonly rejects: Reject[]
}

/** As ONNX Runtime gives it: an array of the same kind copies without making an object of each value. */
function room(type: Output['type'], length: number): TensorData {
  switch (type) {
    case 'int64':
      return new BigInt64Array(length)
    case 'int32':
      return new Int32Array(length)
    case 'float32':
      return new Float32Array(length)
    case 'float64':
      return new Float64Array(length)
    case 'bool':
      return new Uint8Array(length)
    case 'string':
      return new Array<string>(length)
  }
}

function notFinite(
  data: readonly TensorData[],
  elements: readonly number[],
  row: number,
): string | undefined {
  for (let o = 0; o < data.length; o++) {
    const values = data[o]!
    if (!(values instanceof Float32Array || values instanceof Float64Array)) continue
    for (let e = row * elements[o]!; e < (row + 1) * elements[o]!; e++) {
      if (!Number.isFinite(values[e])) return `an output is ${values[e]}`
    }
  }
  return undefined
}
