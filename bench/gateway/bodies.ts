import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { drawRecords, predictBodies } from '../load/records.ts'
import { MODELS } from './coalmine.ts'
import { MODEL, STABLE } from './echo-upstream.ts'
import type { Peer } from './peer.ts'

const RECORDS = 1_000

/** Requests for predictions of so many records each, the same for every peer in its own form, as files for wrk. */
export interface Bodies {
  /** Mean length of one body, in bytes. */
  bytes: number
  lines: readonly string[]
  fileFor(peer: Pick<Peer, 'name'>): string
}

/** @param folder where the files lie */
export async function drawBodies(folder: string, rows: number, wraps: readonly Peer[]): Promise<Bodies> {
  const { manifest } = await loadModelFolder(MODELS, MODEL, STABLE)
  const lines = predictBodies(drawRecords(manifest, Math.max(RECORDS, 4 * rows), 1), rows)
    .trimEnd()
    .split('\n')
  const plain = join(folder, `bodies-${rows}.jsonl`)
  await writeFile(plain, lines.map((line) => `${line}\n`).join(''))
  const files = new Map<string, string>()
  for (const { name, wrap } of wraps) {
    if (wrap === undefined) continue
    const file = join(folder, `bodies-${rows}-${name}.jsonl`)
    await writeFile(file, lines.map((line) => `${wrap(line)}\n`).join(''))
    files.set(name, file)
  }
  const bytes = lines.reduce((sum, line) => sum + line.length, 0) / lines.length
  return { bytes, lines, fileFor: ({ name }) => files.get(name) ?? plain }
}
