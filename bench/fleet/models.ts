import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../test/e2e/gateway-process.ts'

const VERSION = '1.0.0'

/**
 * Publishes copies of churn 1.0.0 under names of their own. The model's file is the same, so that its sha256 and golden
 * answers hold.
 */
export function publishCopies(modelsFolder: string, names: readonly string[]): void {
  for (const name of names) {
    const folder = join(modelsFolder, name, VERSION)
    cpSync(join(ROOT, 'models/churn', VERSION), folder, { recursive: true })
    const file = join(folder, 'model.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^name: churn$/m, `name: ${name}`))
  }
}
