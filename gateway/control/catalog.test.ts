import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Catalog } from './catalog.ts'

const PUBLISHED = fileURLToPath(new URL('../../models', import.meta.url))
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-catalog-'))
  cpSync(join(PUBLISHED, 'digits'), join(folder, 'digits'), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const scanned = async (catalog = new Catalog(folder)) => {
  await catalog.scan(['digits'])
  return catalog
}

test('a published version is known by its digest', async () => {
  const catalog = await scanned()
  expect(catalog.versions('digits')).toMatchObject([
    { version: '1.0.0', digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
  ])
  expect(catalog.faults('digits')).toEqual([])
})

test('a version that is published later is found by the next scan', async () => {
  const catalog = await scanned()
  cpSync(join(folder, 'digits/1.0.0'), join(folder, 'digits/1.0.1'), { recursive: true })
  const manifest = join(folder, 'digits/1.0.1/model.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('version: 1.0.0', 'version: 1.0.1'))
  await scanned(catalog)
  expect(catalog.versions('digits').map((v) => v.version)).toEqual(['1.0.0', '1.0.1'])
})

test('a broken version is a fault that says why, and is known as soon as it is whole', async () => {
  const model = join(folder, 'digits/1.0.0/model.onnx')
  const whole = readFileSync(model)
  appendFileSync(model, 'x')
  const catalog = await scanned()
  expect(catalog.versions('digits')).toEqual([])
  expect(catalog.faults('digits')).toEqual([{ version: '1.0.0', reason: expect.stringContaining('sha256') }])
  writeFileSync(model, whole)
  await scanned(catalog)
  expect([catalog.versions('digits').length, catalog.faults('digits')]).toEqual([1, []])
})

test('a deployed version whose bytes changed is tampered with: it is not known any more', async () => {
  const { digest } = (await scanned()).version('digits', '1.0.0')!
  appendFileSync(join(folder, 'digits/1.0.0/model-card.md'), '\nedited\n')
  const catalog = new Catalog(folder)
  catalog.expect('digits', '1.0.0', digest)
  await scanned(catalog)
  expect(catalog.version('digits', '1.0.0')).toBeUndefined()
  expect(catalog.faults('digits')[0]!.reason).toMatch(
    /^tampered: the bytes of digits 1\.0\.0 are not those it was known by/,
  )
})

test('files that change under a known version are a fault, and none any more when they are restored', async () => {
  const catalog = await scanned()
  const model = join(folder, 'digits/1.0.0/model.onnx')
  const whole = readFileSync(model)
  appendFileSync(model, 'x')
  await scanned(catalog)
  expect(catalog.faults('digits')[0]!.reason).toMatch(/^tampered: .*sha256/)
  expect([catalog.startable('digits', '1.0.0'), catalog.versions('digits').length]).toEqual([false, 1])
  writeFileSync(model, whole)
  await scanned(catalog)
  expect([catalog.startable('digits', '1.0.0'), catalog.faults('digits')]).toEqual([true, []])
})

test('the fault of a folder that was removed goes with it', async () => {
  appendFileSync(join(folder, 'digits/1.0.0/model.onnx'), 'x')
  const catalog = await scanned()
  expect(catalog.faults('digits')).toHaveLength(1)
  rmSync(join(folder, 'digits/1.0.0'), { recursive: true })
  await scanned(catalog)
  expect(catalog.faults('digits')).toEqual([])
})

test('an endpoint that serves another model, version or other bytes is not believed', async () => {
  const catalog = await scanned()
  const { manifest, digest } = catalog.version('digits', '1.0.0')!
  expect(catalog.learn('digits', '1.0.0', digest, manifest)).toBeUndefined()
  expect(catalog.learn('churn', '1.0.0', digest, manifest)).toContain(
    'it serves version 1.0.0 of digits, not 1.0.0 of churn',
  )
  expect(catalog.learn('digits', '2.0.0', digest, manifest)).toContain('not 2.0.0 of digits')
  expect(catalog.learn('digits', '1.0.0', 'sha256:other', manifest)).toMatch(/^tampered/)
})
