import { readFile } from 'node:fs/promises'
import type { WrittenIdKey } from '../messages.ts'

const EXPECTED = 'keys such as "1:BASE64 0:BASE64", each a number from 0 to 15 and 32 to 64 bytes'

/**
 * The keys of prediction ids, as COALMINE_PREDICTION_KEYS has them or the file of COALMINE_PREDICTION_KEYS_FILE: the
 * first signs, all verify. Empty where neither is set. Throws an Error that names the variable and never the secret.
 */
export async function readIdKeys(env: NodeJS.ProcessEnv): Promise<WrittenIdKey[]> {
  const { COALMINE_PREDICTION_KEYS: text, COALMINE_PREDICTION_KEYS_FILE: file } = env
  if (text && file)
    throw new Error(
      'environment: expected no COALMINE_PREDICTION_KEYS_FILE beside COALMINE_PREDICTION_KEYS, found both',
    )
  if (text) return parseIdKeys(text, 'environment COALMINE_PREDICTION_KEYS')
  if (!file) return []
  return parseIdKeys(await read(file), file)
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const found = code === 'ENOENT' ? 'no file' : `a file that cannot be read (${code})`
    throw new Error(`${file}: expected the file of COALMINE_PREDICTION_KEYS_FILE, found ${found}`)
  }
}

/** @param where for the message of what is thrown */
export function parseIdKeys(text: string, where: string): WrittenIdKey[] {
  const keys = text
    .split(/[\s,]+/)
    .filter((part) => part !== '')
    .map((part, i) => parseKey(part, i, where))
  if (keys.length === 0) throw new Error(`${where}: expected ${EXPECTED}, found nothing`)
  const twice = keys.find(({ id }, i) => keys.findIndex((other) => other.id === id) < i)
  if (twice !== undefined) throw new Error(`${where}: expected each number once, found ${twice.id} twice`)
  return keys
}

function parseKey(part: string, index: number, where: string): WrittenIdKey {
  const [, number, secret] = /^(\d{1,2}):([A-Za-z0-9+/]+={0,2})$/.exec(part) ?? []
  const bytes = Buffer.from(secret ?? '', 'base64')
  const found = (what: string) =>
    new Error(`${where}: expected ${EXPECTED}, found ${what} at key ${index + 1}`)
  if (number === undefined) throw found('something else')
  if (bytes.length < 32 || bytes.length > 64) throw found(`${bytes.length} bytes`)
  const id = Number(number)
  if (id > 15) throw found(`the number ${id}`)
  return { id, secret: bytes.toString('base64') }
}
