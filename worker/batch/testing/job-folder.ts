import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach } from 'vitest'
import { CUSTOMER } from '../../testing/customer.ts'
import { type JobOptions, runJob } from '../job.ts'
import { WHOLE } from '../shard.ts'

const MODELS = fileURLToPath(new URL('../../../models', import.meta.url))

export const NAMES = Object.keys(CUSTOMER)
export type Row = Record<string, unknown>
export const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ customer_id: `c${i}`, ...CUSTOMER, tenure_months: i % 100 }))
export const csv = (rows: readonly Row[], names: readonly string[] = ['customer_id', ...NAMES]) =>
  `${[names, ...rows.map((row) => names.map((name) => row[name] ?? ''))].map((cells) => cells.join(',')).join('\n')}\n`
export const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

/** Jobs in a folder of their own for each test, and what is found there afterwards. */
export function jobFolder() {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'coalmine-batch-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const inFolder = (name: string) => join(folder, name)
  function put(name: string, content: string | Uint8Array): string {
    writeFileSync(inFolder(name), content)
    return inFolder(name)
  }
  async function* nothing(): AsyncGenerator<Buffer> {}
  const run = (inputs: readonly string[], changes: Partial<JobOptions> = {}) =>
    runJob(
      {
        ...{ modelsRoot: MODELS, model: 'churn', version: '1.0.0', inputs, out: inFolder('out') },
        ...{ explain: 'none', maxErrorRate: 1, concurrency: 1, rowsPerPart: 10, resume: false },
        ...{ shard: WHOLE, stdin: nothing() },
        ...changes,
      },
      () => {},
    )
  const written = (ending = '') =>
    readdirSync(inFolder('out'))
      .filter((name) => name.startsWith('part-') && name.endsWith(ending))
      .toSorted()
  const scored = (): Row[] =>
    written('.jsonl').flatMap((name) =>
      readFileSync(join(inFolder('out'), name), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    )
  const rejects = (): Row[] =>
    readdirSync(join(inFolder('out'), 'rejects')).flatMap((name) =>
      readFileSync(join(inFolder('out'), 'rejects', name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    )
  const hashes = () =>
    Object.fromEntries(
      written().map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(inFolder('out'), name)))
          .digest('hex'),
      ]),
    )
  const isDone = () => existsSync(join(inFolder('out'), '_SUCCESS'))
  return { inFolder, put, run, written, scored, rejects, hashes, isDone }
}
