import { type InputFile, STDIN } from './input-files.ts'
import { ParquetFile } from './parquet-table.ts'
import { type Part, partName } from './part.ts'
import type { Shard } from './shard.ts'
import { textBlocks } from './text-blocks.ts'
import { counting, textStream } from './text-stream.ts'
import { csvHeader } from './text-table.ts'

export interface PartsSettings {
  readonly files: readonly InputFile[]
  readonly rowsPerPart: number
  readonly shard: Shard
  /** Standard input, where it is one of the files. */
  readonly stdin: AsyncIterable<Buffer> | undefined
  /** Parts that are there already. */
  readonly isDone: (name: string) => boolean
  /** Bytes of texts that were read, as they lie there. */
  readonly onBytes: (bytes: number) => void
}

/** The parts of a job that are this process's and are not done, in the order of the rows. */
export async function* partsOf(settings: PartsSettings): AsyncGenerator<Part> {
  let ordinal = 0
  for (const file of settings.files)
    for await (const part of file.format === 'parquet'
      ? parquetParts(file, settings)
      : textParts(file, settings)) {
      const isMine = ordinal++ % settings.shard.count === settings.shard.index
      if (isMine && !settings.isDone(part.name)) yield part
    }
}

async function* parquetParts(input: InputFile, { rowsPerPart }: PartsSettings): AsyncGenerator<Part> {
  const file = await ParquetFile.open(input.path)
  const total = file.rows
  await file.close()
  for (let firstRow = 0, number = 0; number === 0 || firstRow < total; firstRow += rowsPerPart, number++)
    yield {
      name: partName(input.index, number),
      input,
      firstRow,
      rows: Math.min(rowsPerPart, total - firstRow),
    }
}

async function* textParts(input: InputFile, settings: PartsSettings): AsyncGenerator<Part> {
  const { rowsPerPart, stdin, onBytes } = settings
  let header: readonly string[] = []
  const stream = input.path === STDIN ? counting(stdin!, onBytes) : textStream(input, onBytes)
  const { delimiter } = input
  let number = 0
  for await (const { bytes, rows, firstRow } of textBlocks(stream, {
    ...{ path: input.path, rowsPerBlock: rowsPerPart },
    ...(input.format === 'csv' && {
      delimiter,
      onHeader: (bytes: Buffer) => (header = csvHeader(input.path, bytes, delimiter)),
    }),
  })) {
    // A copy of its own, which can be given to a thread.
    const text = { bytes: new Uint8Array(bytes), header }
    yield { name: partName(input.index, number++), input, firstRow, rows, text }
  }
}
