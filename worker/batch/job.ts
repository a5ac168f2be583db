import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { BatchError, permanent } from './batch-error.ts'
import { Checkpoint, doneParts } from './checkpoint.ts'
import { COMMA } from './delimiter.ts'
import { writeDurably } from './durable-file.ts'
import { passedColumns, peek } from './input-columns.ts'
import { type Format, inputFiles, STDIN } from './input-files.ts'
import { jobIn } from './job-file.ts'
import { checkPassed } from './output-columns.ts'
import { ParquetFile } from './parquet-table.ts'
import { type ExplainChoice, FOLDERS, type PartDone } from './part.ts'
import { makeParts } from './part-threads.ts'
import { partsOf } from './parts.ts'
import type { Shard } from './shard.ts'

export interface JobOptions {
  readonly modelsRoot: string
  readonly model: string
  readonly version: string
  readonly inputs: readonly string[]
  readonly inputFormat?: Format | undefined
  /** Between the columns of CSV input; a comma unless said. */
  readonly delimiter?: string | undefined
  readonly out: string
  /** That of the first file unless said. */
  readonly format?: Format | undefined
  /** All columns unless said. */
  readonly keys?: readonly string[] | undefined
  readonly explain: ExplainChoice
  /** From 0 to 1; looked at from the thousandth row on, and at the end. */
  readonly maxErrorRate: number
  readonly concurrency: number
  readonly rowsPerPart: number
  readonly resume: boolean
  readonly shard: Shard
  readonly stdin: AsyncIterable<Buffer>
}

/** How far a job is. */
export interface Progress {
  readonly rows: number
  readonly rejected: number
  readonly parts: number
  /** Of an earlier run. */
  readonly resumedRows: number
  /** From 0 to 1; undefined where nobody knows, as of standard input. */
  readonly share?: number
}

export interface JobSummary {
  readonly job: string
  readonly rows: number
  readonly rejected: number
  readonly parts: number
  readonly resumedParts: number
  /** All shards are done, and the folder says so. */
  readonly complete: boolean
}

/** No rate is judged by fewer rows. */
const JUDGED_ROWS_MIN = 1_000

/** Scores files of records. Rejects with a BatchError; what is done until then stays, and is gone on with. */
export async function runJob(
  options: JobOptions,
  onProgress: (progress: Progress) => void,
): Promise<JobSummary> {
  const { modelsRoot, model, version, out, explain, rowsPerPart, shard, resume } = options
  const { manifest, digest } = await loadModelFolder(modelsRoot, model, version).catch((error: Error) => {
    throw permanent(error.message)
  })
  const files = await inputFiles(options.inputs, {
    format: options.inputFormat,
    delimiter: options.delimiter,
  })
  const fromStdin = files.some(({ path }) => path === STDIN)
  if (fromStdin && resume) throw permanent('--resume: standard input cannot be read again; give files')
  const stdin = fromStdin ? await peek(options.stdin) : undefined
  const format = options.format ?? files[0]!.format
  const passed = await passedColumns(manifest, files, options.keys, stdin)
  checkPassed(passed)
  for (const folder of [out, join(out, FOLDERS.rejects)]) await mkdir(folder, { recursive: true })
  const facts = await jobIn(
    out,
    {
      ...{ model, version, digest, format, explain, rowsPerPart, shards: shard.count },
      inputs: files.map(({ path, format, fingerprint, delimiter }) => ({
        ...{ path, format, fingerprint },
        ...(format === 'csv' && delimiter !== COMMA && { delimiter }),
      })),
      passed: passed.map(({ name }) => name),
    },
    resume || shard.count > 1,
  )
  const path = join(out, `_checkpoint${suffixOf(shard)}.jsonl`)
  const done = await doneParts(path, out, format)
  const resumedParts = done.size
  const total = await totalOf(files)
  let bytes = 0
  let { rows, rejected } = sums(done.values())
  const resumedRows = rows
  const progress = () =>
    onProgress({
      ...{ rows, rejected, parts: done.size, resumedRows },
      ...(total !== undefined && {
        share: Math.min(1, 'rows' in total ? (rows * shard.count) / total.rows : bytes / total.bytes),
      }),
    })
  const checkpoint = await Checkpoint.open(path)
  try {
    const parts = partsOf({
      ...{ files, rowsPerPart, shard, stdin: stdin?.stream },
      isDone: (name) => done.has(name),
      onBytes: (count) => {
        bytes += count
      },
    })
    const settings = { modelsRoot, model, version, out, format, passed, explain, facts }
    await makeParts(settings, options.concurrency, parts, async (part) => {
      await checkpoint.add(part)
      done.set(part.part, part)
      rows += part.rows
      rejected += part.rejected
      progress()
      if (rows >= JUDGED_ROWS_MIN) judge(rows, rejected, options.maxErrorRate)
    })
  } finally {
    await checkpoint.close()
  }
  judge(rows, rejected, options.maxErrorRate)
  const complete = await finish(out, shard, facts.job, [...done.values()])
  return { job: facts.job, rows, rejected, parts: done.size, resumedParts, complete }
}

function judge(rows: number, rejected: number, maxErrorRate: number): void {
  if (rejected > rows * maxErrorRate)
    throw new BatchError(
      `${rejected} of ${rows} rows were rejected, more than --max-error-rate ${maxErrorRate}; rejects/ says why`,
    )
}

function suffixOf({ index, count }: Shard): string {
  return count === 1 ? '' : `-${`${index}`.padStart(5, '0')}-of-${`${count}`.padStart(5, '0')}`
}

/** What all the files have, where that is known before they are read. */
async function totalOf(
  files: Awaited<ReturnType<typeof inputFiles>>,
): Promise<{ rows: number } | { bytes: number } | undefined> {
  if (files.some(({ path }) => path === STDIN)) return undefined
  if (files.some(({ format }) => format !== 'parquet')) {
    const texts = files.filter(({ format }) => format !== 'parquet')
    return {
      bytes: Math.max(
        1,
        texts.reduce((sum, { bytes }) => sum + bytes, 0),
      ),
    }
  }
  let rows = 0
  for (const { path } of files) {
    const file = await ParquetFile.open(path)
    rows += file.rows
    await file.close()
  }
  return { rows: Math.max(1, rows) }
}

function sums(parts: Iterable<PartDone>): { rows: number; rejected: number } {
  let [rows, rejected] = [0, 0]
  for (const part of parts) {
    rows += part.rows
    rejected += part.rejected
  }
  return { rows, rejected }
}

/**
 * Says that this shard is done, and if all are that the job is: `_manifest.json` with every part, and `_SUCCESS`. Whichever
 * shard is last finds the others done; two that are last at once write the same.
 */
async function finish(out: string, shard: Shard, job: string, parts: readonly PartDone[]): Promise<boolean> {
  const temporary = join(out, FOLDERS.temporary)
  const write = (name: string, value: unknown) =>
    writeDurably(join(out, name), Buffer.from(`${JSON.stringify(value, null, 2)}\n`), temporary)
  let all = parts
  if (shard.count > 1) {
    await write(`_shard${suffixOf(shard)}.json`, parts)
    const names = (await readdir(out)).filter((name) => name.startsWith('_shard-'))
    if (names.length < shard.count) return false
    const lists = await Promise.all(names.map((name) => readFile(join(out, name), 'utf8')))
    all = lists.flatMap((text) => JSON.parse(text) as PartDone[])
  }
  const sorted = all.toSorted((a, b) => (a.part < b.part ? -1 : 1))
  await write('_manifest.json', { job, ...sums(sorted), parts: sorted })
  await writeDurably(join(out, '_SUCCESS'), Buffer.alloc(0), temporary)
  if (shard.count === 1) await rm(temporary, { recursive: true, force: true })
  return true
}
