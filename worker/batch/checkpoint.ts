import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Written } from './durable-file.ts'
import type { Format } from './input-files.ts'
import type { PartDone } from './part.ts'

/** What is done for good, a line for each part, each on the disk before the next part begins to count. */
export class Checkpoint {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<Checkpoint> {
    const file = await open(path, 'a')
    // A line that was cut off when the machine ended must not run into the next one.
    if ((await file.stat()).size > 0) await file.appendFile('\n')
    return new Checkpoint(file)
  }

  async add(done: PartDone): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(done)}\n`)
    await this.#file.sync()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Parts that a checkpoint names and whose files are as it says; whatever else lies there is made again. */
export async function doneParts(path: string, out: string, format: Format): Promise<Map<string, PartDone>> {
  const done = new Map<string, PartDone>()
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  for (const line of text.split('\n')) {
    const one = partOf(line)
    if (one === undefined) continue
    const isThere = await isAs(join(out, `${one.part}.${format}`), one)
    const rejectsAreThere =
      one.rejects === undefined || (await isAs(join(out, 'rejects', `${one.part}.jsonl`), one.rejects))
    if (isThere && rejectsAreThere) done.set(one.part, one)
    else done.delete(one.part)
  }
  return done
}

function partOf(line: string): PartDone | undefined {
  try {
    const parsed: PartDone = JSON.parse(line)
    return typeof parsed.part === 'string' ? parsed : undefined
  } catch {
    return undefined
  }
}

async function isAs(path: string, { bytes, sha256 }: Written): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size !== bytes) return false
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex') === sha256
}
