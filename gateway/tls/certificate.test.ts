import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { certificateFiles, newCertificate } from '../testing/certificate.ts'
import { readCertificate, watchCertificate } from './certificate.ts'

let folder: string
let files: ReturnType<typeof certificateFiles>
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-tls-'))
  files = certificateFiles(folder)
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('the files of a certificate', () => {
  test('are what a server needs, at least TLS 1.2', async () => {
    const { cert, key } = await newCertificate()
    files.write({ cert, key })
    expect(await readCertificate(files, 'tls.data')).toEqual({ cert, key, minVersion: 'TLSv1.2' })
  })

  test('that are not there are named', async () => {
    await expect(readCertificate(files, 'tls.data')).rejects.toThrow(
      /^tls\.data\.certificate: .*tls\.crt cannot be read \(ENOENT\)/,
    )
  })

  test.each(['the key of another', 'no PEM', 'nothing'])(
    'are refused with %s, and nothing of a key is said',
    async (what) => {
      const { cert, key } = await newCertificate()
      const wrong = { 'the key of another': (await newCertificate()).key, 'no PEM': 'hunter2', nothing: '' }[
        what
      ]!
      files.write({ cert, key: wrong })
      const error = await readCertificate(files, 'tls.admin').catch((error: Error) => error)
      expect((error as Error).message).toMatch(/^tls\.admin: expected a PEM certificate and its private key/)
      const lines = [...key.split('\n'), ...wrong.split('\n')].filter(
        (line) => line.length > 4 && !line.startsWith('---'),
      )
      for (const line of lines) expect((error as Error).message).not.toContain(line)
    },
  )
})

test('a new pair is taken up, and one that is half there, or broken, is not', async () => {
  const [first, second] = [await newCertificate(), await newCertificate()]
  files.write(first)
  const seen: SecureContextOptions[] = []
  const news = Promise.withResolvers<void>()
  const watch = watchCertificate(files, 'tls.data', {
    last: await readCertificate(files, 'tls.data'),
    onNew: (pair) => {
      seen.push(pair)
      news.resolve()
    },
    lookMs: 5,
  })
  writeFileSync(files.certificate, second.cert)
  // Longer than it takes to look once.
  await expect(readCertificate(files, 'tls.data')).rejects.toThrow('tls.data')
  writeFileSync(files.key, second.key)
  await news.promise
  watch.close()
  expect(seen).toEqual([{ cert: second.cert, key: second.key, minVersion: 'TLSv1.2' }])
})
