import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A policy file as it was read. */
export interface PolicyText {
  readonly file: string
  readonly text: string
}

/**
 * The texts of a folder's policies, by name; none when there is no folder. Hidden files are somebody else's: editors
 * and Kubernetes keep theirs there. Throws an Error that names the file that cannot be read.
 */
export async function readPolicies(folder: string): Promise<PolicyText[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new Error(`${folder}: expected a folder of policies, found one that cannot be read (${error.code})`)
  })
  const files = names.filter((name) => !name.startsWith('.') && /\.ya?ml$/.test(name)).toSorted()
  return Promise.all(files.map((name) => readPolicy(join(folder, name))))
}

/** Throws an Error that names the file when it cannot be read. */
export async function readPolicy(file: string): Promise<PolicyText> {
  try {
    return { file, text: await readFile(file, 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const found = code === 'ENOENT' ? 'no file' : `a file that cannot be read (${code})`
    throw new Error(`${file}: expected a policy, found ${found}`)
  }
}
