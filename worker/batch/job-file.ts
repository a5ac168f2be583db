import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { permanent } from './batch-error.ts'
import type { JobFacts } from './output-columns.ts'
import type { ExplainChoice } from './part.ts'

/** Everything that decides what a job writes. */
export interface JobDescription {
  readonly model: string
  readonly version: string
  readonly digest: string
  readonly inputs: readonly {
    readonly path: string
    readonly format: string
    readonly fingerprint: string
    /** Of a CSV without commas. */
    readonly delimiter?: string
  }[]
  readonly format: string
  readonly passed: readonly string[]
  readonly explain: ExplainChoice
  readonly rowsPerPart: number
  readonly shards: number
}

const FILE = '_job.json'

/**
 * What the job in this folder is: a new one, or the one that is there, which must be the same. Several shards may ask at
 * once. Throws a BatchError that says what differs.
 *
 * @param mayGoOn a job may be there already
 */
export async function jobIn(out: string, description: JobDescription, mayGoOn: boolean): Promise<JobFacts> {
  const job = createHash('sha256').update(JSON.stringify(description)).digest('hex').slice(0, 12)
  const path = join(out, FILE)
  const facts: JobFacts = { job, startedAt: new Date().toISOString() }
  try {
    await writeFile(path, `${JSON.stringify({ ...facts, ...description }, null, 2)}\n`, {
      flag: 'wx',
      flush: true,
    })
    return facts
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (!mayGoOn)
    throw permanent(`${path}: there is a job already; go on with it by --resume, or name another folder`)
  const there = parsed(await readFile(path, 'utf8'), path)
  const other = (Object.keys(description) as (keyof JobDescription)[]).find(
    (key) => JSON.stringify(there[key]) !== JSON.stringify(description[key]),
  )
  if (other !== undefined)
    throw permanent(
      `${path}: another job is there: its ${WORDS[other]} ${shown(there[other])}, now ${shown(description[other])}; name another folder`,
    )
  return { job, startedAt: there.startedAt }
}

const WORDS: Record<keyof JobDescription, string> = {
  model: 'model was',
  version: 'version was',
  digest: 'files of the version were',
  inputs: 'input was',
  format: 'format was',
  passed: 'columns to pass on were',
  explain: '--explain was',
  rowsPerPart: '--part-rows was',
  shards: '--shard-count was',
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}

function parsed(text: string, path: string): JobDescription & JobFacts {
  try {
    return JSON.parse(text)
  } catch {
    throw permanent(`${path}: expected JSON, found a broken file; name another folder`)
  }
}
