import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readIdKeys } from './id-keys.ts'

const secret = (byte: number, length = 32) => Buffer.alloc(length, byte).toString('base64')

test('there are none unless they are given', async () => {
  expect(await readIdKeys({})).toEqual([])
})

test('keys come from the environment or a file, in their order', async () => {
  const text = `2:${secret(2)}\n0:${secret(1)}\n`
  const keys = [
    { id: 2, secret: secret(2) },
    { id: 0, secret: secret(1) },
  ]
  expect(await readIdKeys({ COALMINE_PREDICTION_KEYS: text.replaceAll('\n', ' ') })).toEqual(keys)
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-keys-'))
  const file = join(folder, 'keys')
  writeFileSync(file, text)
  expect(await readIdKeys({ COALMINE_PREDICTION_KEYS_FILE: file })).toEqual(keys)
  rmSync(folder, { recursive: true })
})

test.each([
  ['swordfish', 'found something else at key 1'],
  [`16:${secret(1)}`, 'found the number 16 at key 1'],
  [`0:${secret(1)} 1:${secret(1, 31)}`, 'found 31 bytes at key 2'],
  [`1:${secret(1)},1:${secret(2)}`, 'found 1 twice'],
  [' \n', 'found nothing'],
])('%j is refused without its secret being told', async (text, found) => {
  const error = await readIdKeys({ COALMINE_PREDICTION_KEYS: text }).catch((e: Error) => e)
  expect(String(error)).toContain(found)
  expect(String(error)).not.toMatch(/swordfish|AQEB|AgIC/)
})

test('a file that is not there, and two sources, are refused', async () => {
  await expect(readIdKeys({ COALMINE_PREDICTION_KEYS_FILE: '/nowhere/keys' })).rejects.toThrow(
    '/nowhere/keys: expected the file of COALMINE_PREDICTION_KEYS_FILE, found no file',
  )
  await expect(
    readIdKeys({ COALMINE_PREDICTION_KEYS_FILE: 'a', COALMINE_PREDICTION_KEYS: 'b' }),
  ).rejects.toThrow('found both')
})
