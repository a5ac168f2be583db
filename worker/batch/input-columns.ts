import type { Manifest } from '@coalmine/contract/manifest.ts'
import { suggestion } from '@coalmine/contract/spelling.ts'
import { permanent } from './batch-error.ts'
import { type Format, type InputFile, STDIN } from './input-files.ts'
import { ParquetFile } from './parquet-table.ts'
import { checkColumns, type Passed } from './table.ts'
import { textStream } from './text-stream.ts'
import { csvHeader } from './text-table.ts'

const HEAD_BYTES = 1024 * 1024

/** The first bytes of standard input, which are read once, and all of it. */
export interface Peeked {
  readonly head: Buffer
  readonly stream: AsyncIterable<Buffer>
}

/** Looks at the beginning of a stream without taking it away. */
export async function peek(stream: AsyncIterable<Buffer>): Promise<Peeked> {
  const source = stream[Symbol.asyncIterator]()
  const packets: Buffer[] = []
  let bytes = 0
  for (;;) {
    const { done, value } = await source.next()
    if (done) break
    packets.push(value)
    bytes += value.length
    if (value.includes(0x0a) || bytes >= HEAD_BYTES) break
  }
  return {
    head: Buffer.concat(packets),
    stream: (async function* () {
      yield* packets
      yield* { [Symbol.asyncIterator]: () => source }
    })(),
  }
}

/**
 * The columns that go into the output unchanged: those that are named, else all of the first file. Throws a BatchError for a
 * file that lacks one of them, or one that the contract asks for.
 */
export async function passedColumns(
  manifest: Manifest,
  files: readonly InputFile[],
  keys: readonly string[] | undefined,
  stdin: Peeked | undefined,
): Promise<readonly Passed[]> {
  let passed: readonly Passed[] | undefined
  for (const file of files) {
    const columns = await columnsOf(file, stdin)
    const names = columns.map(({ name }) => name)
    // A line of JSON may have any of them; each is told for itself.
    if (file.format !== 'jsonl') checkColumns(file.path, names, manifest)
    passed ??= (keys ?? names).map((name) => typed(name, columns, file.format, manifest))
    const missing = file.format === 'jsonl' ? undefined : passed.find(({ name }) => !names.includes(name))
    if (missing !== undefined)
      throw permanent(
        `${file.path}: expected the column "${missing.name}", which is passed on${suggestion(missing.name, names)}, found ${names.slice(0, 20).join(', ')}`,
      )
  }
  return passed ?? []
}

/** Parquet says of which type a column is; of a text the contract does, where it knows the column. */
function typed(
  name: string,
  columns: readonly Passed[],
  format: Format,
  { inputs }: Pick<Manifest, 'inputs'>,
): Passed {
  const own = columns.find((column) => column.name === name)?.type
  const field = inputs.find((input) => input.name === name && !input.shape?.length)?.type
  return { name, type: (format === 'parquet' ? own : (field ?? own)) ?? 'json' }
}

async function columnsOf(file: InputFile, stdin: Peeked | undefined): Promise<Passed[]> {
  if (file.format === 'parquet') {
    const parquet = await ParquetFile.open(file.path)
    await parquet.close()
    return parquet.columns
  }
  const head = file.path === STDIN ? stdin!.head : await headOf(file)
  if (file.format === 'csv') {
    const names = csvHeader(file.path, head.subarray(0, endOfHeader(head)), file.delimiter)
    return names.map((name) => ({ name, type: 'string' }))
  }
  const line =
    head
      .toString('utf8')
      .split('\n')
      .find((one) => one.trim() !== '') ?? '{}'
  try {
    return Object.keys(JSON.parse(line.replace(/^\ufeff/, ''))).map((name) => ({ name, type: 'json' }))
  } catch {
    return []
  }
}

/** After the first line end that stands in no quotes. */
function endOfHeader(head: Buffer): number {
  let inQuotes = false
  for (let i = 0; i < head.length; i++) {
    if (head[i] === 0x22) inQuotes = !inQuotes
    else if (head[i] === 0x0a && !inQuotes) return i + 1
  }
  return head.length
}

async function headOf(file: InputFile): Promise<Buffer> {
  const packets: Buffer[] = []
  let bytes = 0
  for await (const packet of textStream(file)) {
    packets.push(packet)
    bytes += packet.length
    if (bytes >= HEAD_BYTES) break
  }
  const head = Buffer.concat(packets)
  return head[0] === 0xef && head[1] === 0xbb ? head.subarray(3) : head
}
