import { createHash } from 'node:crypto'
import { glob, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { permanent } from './batch-error.ts'
import { COMMA } from './delimiter.ts'

export const FORMATS = ['csv', 'jsonl', 'parquet'] as const
export type Format = (typeof FORMATS)[number]

const ENDINGS: Record<string, Format> = {
  '.csv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
}
const PACKED = '.gz'
const KNOWN_ENDINGS = `${Object.keys(ENDINGS).join(', ')}, texts also with ${PACKED}`
export const STDIN = '-'
/** As much of both ends of a file as its fingerprint covers. */
const FINGERPRINT_BYTES = 1024 * 1024

export interface InputFile {
  /** From 0, in the order in which rows are scored. */
  readonly index: number
  /** As it was given, or `-`. */
  readonly path: string
  readonly format: Format
  /** By gzip, as its name says. */
  readonly packed: boolean
  /** Between the columns of a CSV. */
  readonly delimiter: string
  readonly bytes: number
  /** Of size and both ends; that of standard input is its format's alone. */
  readonly fingerprint: string
}

/**
 * The files that the patterns name, those of a folder or a glob in the order of their names. Throws a BatchError that
 * names the pattern.
 */
export async function inputFiles(
  patterns: readonly string[],
  { format, delimiter }: { format?: Format | undefined; delimiter?: string | undefined } = {},
): Promise<InputFile[]> {
  const paths: string[] = []
  for (const pattern of patterns) paths.push(...(await pathsOf(pattern)))
  const twice = paths.find((path, i) => paths.indexOf(path) !== i)
  if (twice !== undefined) throw permanent(`--in: expected each file once, found ${twice} twice`)
  const files: InputFile[] = []
  for (const [index, path] of paths.entries())
    files.push(await fileOf(index, path, format, delimiter ?? COMMA))
  if (delimiter !== undefined && !files.some((file) => file.format === 'csv'))
    throw permanent('--delimiter: expected a CSV among the input, found none')
  return files
}

async function pathsOf(pattern: string): Promise<string[]> {
  if (pattern === STDIN) return [STDIN]
  const found = await stat(pattern).catch(() => undefined)
  if (found?.isFile()) return [pattern]
  const inFolder = found?.isDirectory()
    ? (await readdir(pattern)).map((name) => join(pattern, name)).filter((path) => endingOf(path))
    : await Array.fromAsync(glob(pattern))
  if (inFolder.length > 0) return inFolder.toSorted()
  throw permanent(
    found?.isDirectory()
      ? `--in ${pattern}: expected files that end with ${KNOWN_ENDINGS}, found none`
      : `--in ${pattern}: expected a file, a folder or a pattern that matches some, found none`,
  )
}

async function fileOf(
  index: number,
  path: string,
  wanted: Format | undefined,
  delimiter: string,
): Promise<InputFile> {
  const format = wanted ?? endingOf(path)
  if (format === undefined)
    throw permanent(`--in ${path}: expected a name that ends with ${KNOWN_ENDINGS}, or --in-format`)
  if (path === STDIN) {
    if (format === 'parquet') throw permanent('--in -: a Parquet file is read from its end; give a file')
    return { index, path, format, packed: false, delimiter, bytes: 0, fingerprint: `stdin ${format}` }
  }
  const packed = path.endsWith(PACKED)
  if (packed && format === 'parquet')
    throw permanent(`--in ${path}: a Parquet file is read from its end and is packed within; unpack it`)
  const { size } = await stat(path)
  return { index, path, format, packed, delimiter, bytes: size, fingerprint: await fingerprintOf(path, size) }
}

function endingOf(path: string): Format | undefined {
  const name = path.endsWith(PACKED) ? path.slice(0, -PACKED.length) : path
  const dot = name.lastIndexOf('.')
  return dot < 0 ? undefined : ENDINGS[name.slice(dot).toLowerCase()]
}

async function fingerprintOf(path: string, size: number): Promise<string> {
  const file = await open(path)
  try {
    const hash = createHash('sha256').update(`${size} `)
    const ends = [0, Math.max(FINGERPRINT_BYTES, size - FINGERPRINT_BYTES)]
    for (const position of ends) {
      const { buffer, bytesRead } = await file.read({
        buffer: Buffer.alloc(FINGERPRINT_BYTES),
        position,
      })
      hash.update(buffer.subarray(0, bytesRead))
    }
    return `sha256:${hash.digest('hex')}`
  } finally {
    await file.close()
  }
}
