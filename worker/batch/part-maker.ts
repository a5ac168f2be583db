import { join } from 'node:path'
import { compareOutputs } from '@coalmine/contract/golden.ts'
import { type Explainer, openExplainer, openInterventional } from '../explain/explainer.ts'
import { compileRowWriter } from '../json-rows.ts'
import { type Model, openModel } from '../model.ts'
import { batchRowsMax } from '../signature.ts'
import { permanent } from './batch-error.ts'
import { reader } from './column.ts'
import { writeDurably } from './durable-file.ts'
import { outputColumns } from './output-columns.ts'
import { jsonOf } from './parquet/plain-values.ts'
import { ParquetFile } from './parquet-table.ts'
import { type ExplainChoice, FOLDERS, type Part, type PartDone, type PartSettings } from './part.ts'
import { partBytes } from './part-bytes.ts'
import { type Reject, Scorer } from './scored-part.ts'
import type { Table } from './table.ts'
import { csvTable, jsonlTable } from './text-table.ts'

/** Rows of one run: more make none of the measured models faster. */
const ROWS_PER_RUN = 512

/** Makes parts, one after the other, with a model of its own. */
export class PartMaker {
  readonly #settings: PartSettings
  readonly #model: Model
  readonly #scorer: Scorer
  #file: ParquetFile | undefined

  private constructor(settings: PartSettings, model: Model, scorer: Scorer) {
    this.#settings = settings
    this.#model = model
    this.#scorer = scorer
  }

  /** Loads the version and has it answer its golden records. Rejects with a BatchError. */
  static async open(settings: PartSettings): Promise<PartMaker> {
    const { modelsRoot, model: name, version, explain } = settings
    try {
      const model = await openModel({ modelsRoot, model: name, version, threading: 'inline' }, () => {})
      await checkGolden(model)
      const explainer = await explainerOf(explain, model)
      const { manifest, engine } = model
      const rowsPerRun = Math.min(ROWS_PER_RUN, batchRowsMax(engine.inputs))
      const attribute = explainer && ((record: Record<string, unknown>) => explainer.explain(record))
      return new PartMaker(settings, model, new Scorer({ manifest, engine, rowsPerRun, explain: attribute }))
    } catch (error) {
      throw permanent((error as Error).message)
    }
  }

  /** Writes the part's files. Deterministic: made again they are the same to the byte. */
  async make(part: Part): Promise<PartDone> {
    const { out, format, passed, facts } = this.#settings
    const { manifest } = this.#model
    const table = await this.#read(part)
    const scored = await this.#scorer.score(table)
    const columns = outputColumns(manifest, table, scored, {
      ...{ passed, facts, file: part.input.index, firstRow: part.firstRow },
    })
    const temporary = join(out, FOLDERS.temporary)
    const { rejects } = scored
    const rejected =
      rejects.length === 0
        ? undefined
        : await writeDurably(
            join(out, FOLDERS.rejects, `${part.name}.jsonl`),
            Buffer.from(rejects.map(rejectLines(part, table)).join('')),
            temporary,
          )
    const written = await writeDurably(
      join(out, `${part.name}.${format}`),
      partBytes(format, columns, scored.kept.length),
      temporary,
    )
    return {
      part: part.name,
      input: part.input.path,
      firstRow: part.firstRow,
      rows: table.rows,
      rejected: rejects.length,
      ...written,
      ...(rejected && { rejects: rejected }),
    }
  }

  async #read({ input, firstRow, rows, text }: Part): Promise<Table> {
    const { passed } = this.#settings
    const { inputs } = this.#model.manifest
    if (text !== undefined) {
      const bytes = Buffer.from(text.bytes.buffer, text.bytes.byteOffset, text.bytes.byteLength)
      const { header } = text
      return input.format === 'csv'
        ? csvTable(bytes, { ...input, firstRow, header }, { inputs, passed })
        : jsonlTable(bytes, { inputs, passed })
    }
    if (this.#file?.path !== input.path) {
      await this.#file?.close()
      this.#file = await ParquetFile.open(input.path)
    }
    const names = new Set([...inputs, ...passed].map(({ name }) => name))
    return this.#file.table([...names], firstRow, firstRow + rows)
  }

  async close(): Promise<void> {
    await this.#file?.close()
    await this.#model.engine.close()
  }
}

async function explainerOf(choice: ExplainChoice, { explainer }: Model): Promise<Explainer | undefined> {
  if (choice === 'none') return undefined
  return choice === 'own' ? openExplainer(explainer) : openInterventional(explainer)
}

/** Before the first row: a model that answers otherwise than its training framework scores nothing. */
async function checkGolden({ manifest, golden, engine, encode }: Model): Promise<void> {
  const write = compileRowWriter(manifest.outputs)
  for (const [i, { record, outputs }] of golden.entries()) {
    const data = await engine.run(encode([record]))
    const difference = compareOutputs(manifest.outputs, outputs, JSON.parse(`{${write(data, 0)}}`))
    if (difference === undefined) continue
    const { output, index, expected, actual } = difference
    throw new Error(
      `golden record ${i + 1} of ${manifest.name} ${manifest.version}: ${output}[${index}] should be ${expected} and is ${actual}`,
    )
  }
}

/** A rejected row with where it stood, everything that is wrong with it, and what came. */
function rejectLines(part: Part, { columns }: Table): (reject: Reject) => string {
  const cells = [...columns].map(([name, column]) => ({ name, read: reader(column) }))
  return ({ row, problems }) => {
    const raw = cells.flatMap(({ name, read }) => {
      const value = read(row)
      return value === undefined ? [] : [[name, shown(value)]]
    })
    const line = jsonOf({
      file: part.input.path,
      row_number: part.firstRow + row + 1,
      problems: problems.map((problem) => ({
        field: 'loc' in problem ? problem.loc.join('.') : null,
        type: problem.type,
        message: problem.msg,
      })),
      raw: Object.fromEntries(raw),
    })
    return `${line}\n`
  }
}

/** Readers of JSON would round it. */
function shown(value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value
}
