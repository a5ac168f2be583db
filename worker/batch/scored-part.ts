import { elementsPerRow, type Manifest } from '@coalmine/contract/manifest.ts'
import type { Problem } from '@coalmine/contract/problem.ts'
import { compileRecord, type RecordValidator } from '@coalmine/contract/record.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Engine } from '../engine.ts'
import type { Attribution } from '../explain/attribution.ts'
import { gathered, picked, reader } from './column.ts'
import { asInRecord, type ColumnInput, compileFieldColumn, type FieldColumn } from './field-column.ts'
import { alikeTogether, ranked } from './row-order.ts'
import type { Table } from './table.ts'
import { atPlaces, cut, room, valuePlaces } from './tensor-data.ts'

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
  readonly kept: Uint32Array
  /** By output, whole rows of those that are kept, one after the other. */
  readonly outputs: readonly TensorData[]
  /** One for each row that is kept, where they are asked for. */
  readonly attributions: readonly Attribution[] | undefined
  readonly rejects: readonly Reject[]
}

export interface ScorerSettings {
  readonly manifest: Pick<Manifest, 'inputs' | 'outputs'>
  readonly engine: Pick<Engine, 'run'>
  readonly rowsPerRun: number
  readonly explain?: ((record: ModelRecord) => Promise<Attribution>) | undefined
}

/**
 * Scores tables with the rules, the encoding and the engine that a worker serves with: what a row gives here it gives there,
 * to the bit. Columns are looked at as a whole; only a row that is refused, or explained, becomes a record.
 */
export class Scorer {
  readonly #settings: ScorerSettings
  readonly #fields: readonly FieldColumn[]
  readonly #validate: RecordValidator
  readonly #elements: readonly number[]

  constructor(settings: ScorerSettings) {
    const { inputs, outputs } = settings.manifest
    this.#settings = settings
    this.#fields = inputs.map(compileFieldColumn)
    this.#validate = compileRecord(inputs)
    this.#elements = outputs.map(elementsPerRow)
  }

  async score(table: Table): Promise<ScoredPart> {
    const { manifest, rowsPerRun, explain } = this.#settings
    const { valid, rejects } = this.#sorted(table)
    const columns = this.#fields.map(({ name }) => table.columns.get(name)!)
    const order = alikeTogether(columns, valid)
    const inputs = this.#fields.map((field, f) => field.encode(picked(columns[f]!, order)))
    const part: Growing = {
      rows: 0,
      kept: new Uint32Array(valid.length),
      outputs: manifest.outputs.map(({ type }, o) => room(type, valid.length * this.#elements[o]!)),
      rejects,
    }
    for (let from = 0; from < order.length; from += rowsPerRun)
      await this.#predict(inputs, order.subarray(from, from + rowsPerRun), from, part)
    const places = ranked(part.kept.subarray(0, part.rows), table.rows)
    const kept = gathered(part.kept, places)
    return {
      kept,
      outputs: part.outputs.map((data, o) => atPlaces(data, valuePlaces(places, this.#elements[o]!))),
      attributions: explain && (await this.#explained(table, kept, explain)),
      rejects: rejects.toSorted((a, b) => a.row - b.row),
    }
  }

  /** Rows that can be encoded, and why the others cannot. */
  #sorted(table: Table): { valid: Uint32Array; rejects: Reject[] } {
    const refused = new Uint8Array(table.rows)
    for (const row of table.broken.keys()) refused[row] = 1
    for (const field of this.#fields) field.refuse(table.columns.get(field.name)!, refused)
    const valid = new Uint32Array(table.rows)
    const rejects: Reject[] = []
    const recordOf = this.#records(table)
    let count = 0
    for (let row = 0; row < table.rows; row++) {
      if (refused[row] === 0) {
        valid[count++] = row
        continue
      }
      const reason = table.broken.get(row)
      const problems: Problem[] = []
      if (reason === undefined) this.#validate(recordOf(row), [], problems)
      rejects.push({ row, problems: reason === undefined ? problems : [{ type: 'unreadable', msg: reason }] })
    }
    return { valid: valid.subarray(0, count), rejects }
  }

  #records(table: Table): (row: number) => ModelRecord {
    const readers = this.#fields.map(({ name }) => ({ name, read: reader(table.columns.get(name)!) }))
    return (row) => {
      const record: ModelRecord = {}
      for (const { name, read } of readers) {
        const value = read(row)
        if (value !== undefined) record[name] = asInRecord(value)
      }
      return record
    }
  }

  /** @param from where the rows stand in the inputs */
  async #predict(
    inputs: readonly ColumnInput[],
    rows: Uint32Array,
    from: number,
    part: Growing,
  ): Promise<void> {
    for (const { at, count, data } of await this.#runs(inputs, from, rows.length)) {
      if (data?.every((values) => notFinite(values, 0, values.length) === undefined)) {
        this.#keep(data, rows.subarray(at, at + count), 0, part)
        continue
      }
      for (let i = 0; i < count; i++) {
        const row = rows[at + i]!
        const failed = data === undefined ? 'the model fails for it' : this.#fault(data, i)
        if (failed === undefined) this.#keep(data!, Uint32Array.of(row), i, part)
        else part.rejects.push({ row, problems: [{ type: 'model_error', msg: failed }] })
      }
    }
  }

  /** What is wrong with one row of outputs. */
  #fault(data: readonly TensorData[], row: number): string | undefined {
    for (const [o, elements] of this.#elements.entries()) {
      const value = notFinite(data[o]!, row * elements, (row + 1) * elements)
      if (value !== undefined) return `an output is ${value}`
    }
    return undefined
  }

  /** @param from where the rows stand in the data */
  #keep(data: readonly TensorData[], rows: Uint32Array, from: number, part: Growing): void {
    for (const [o, elements] of this.#elements.entries()) {
      const some = cut(data[o]!, from * elements, (from + rows.length) * elements)
      const target = part.outputs[o]!
      const at = part.rows * elements
      if (Array.isArray(target)) for (let i = 0; i < some.length; i++) target[at + i] = some[i] as string
      else (target as Float32Array).set(some as Float32Array, at)
    }
    part.kept.set(rows, part.rows)
    part.rows += rows.length
  }

  /** All rows in one run; where the model fails each alone, so that only the guilty ones do. */
  async #runs(
    inputs: readonly ColumnInput[],
    from: number,
    rows: number,
  ): Promise<readonly { at: number; count: number; data: TensorData[] | undefined }[]> {
    const whole = await this.#run(inputs, from, rows)
    if (whole !== undefined) return [{ at: 0, count: rows, data: whole }]
    const alone = []
    for (let at = 0; at < rows; at++)
      alone.push({ at, count: 1, data: rows === 1 ? undefined : await this.#run(inputs, from + at, 1) })
    return alone
  }

  async #run(inputs: readonly ColumnInput[], from: number, rows: number): Promise<TensorData[] | undefined> {
    const { engine, manifest } = this.#settings
    try {
      const data = await engine.run(inputs.map((input) => input(from, from + rows)))
      const fits = data.every((values, o) => values.length === rows * elementsPerRow(manifest.outputs[o]!))
      return fits ? data : undefined
    } catch {
      return undefined
    }
  }

  async #explained(
    table: Table,
    kept: Uint32Array,
    explain: (record: ModelRecord) => Promise<Attribution>,
  ): Promise<Attribution[]> {
    const recordOf = this.#records(table)
    const attributions: Attribution[] = []
    for (const row of kept) attributions.push(await explain(recordOf(row)))
    return attributions
  }
}

interface Growing {
  /** That are kept by now, in the order in which they were scored. */
  rows: number
  readonly kept: Uint32Array
  readonly outputs: readonly TensorData[]
  readonly rejects: Reject[]
}

/** The first of some values that is none to give anybody. */
function notFinite(values: TensorData, from: number, to: number): number | undefined {
  if (!(values instanceof Float32Array || values instanceof Float64Array)) return undefined
  for (let i = from; i < to; i++) if (!Number.isFinite(values[i])) return values[i]
  return undefined
}
