import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary folder that is gone when this process ends, however it was interrupted. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
