import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listModelFolders, loadModelFolder } from './model-folder.ts'
import { CHURN_YAML } from './testing/churn-manifest.ts'
import { REFERENCE } from './testing/churn-reference.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const FILES: Record<string, string> = {
  'model.onnx': 'weights',
  'golden.jsonl': '{"record":{"tenure_months":14},"outputs":{"label":1}}\n',
  'reference.json': JSON.stringify(REFERENCE),
  'model-card.md': '# Churn',
  'model.yaml': CHURN_YAML.replace(/^sha256: .*$/m, `sha256: ${sha256('weights')}`),
}

let root: string
let folder: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coalmine-models-'))
  folder = join(root, 'churn', '1.1.0')
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(FILES)) await writeFile(join(folder, name), content)
})

afterEach(() => rm(root, { recursive: true }))

async function refusal(model = 'churn', version = '1.1.0'): Promise<string> {
  return loadModelFolder(root, model, version).then(
    () => 'the folder was accepted',
    (error: Error) => error.message,
  )
}

test('a folder is its manifest and one digest of all its files', async () => {
  const { manifest, digest } = await loadModelFolder(root, 'churn', '1.1.0')
  expect(manifest.version).toBe('1.1.0')
  const lines = Object.entries(FILES).map(([name, content]) => `${sha256(content)}  ${name}\n`)
  expect(digest).toBe(`sha256:${sha256(lines.sort().join(''))}`)
})

test.each(Object.keys(FILES))('the digest covers %s', async (name) => {
  const { digest } = await loadModelFolder(root, 'churn', '1.1.0')
  await writeFile(join(folder, name), `${FILES[name]}\n`)
  // The model's own bytes are held by the manifest already.
  if (name === 'model.onnx') expect(await refusal()).toContain('sha256: expected the hash of model.onnx')
  else expect((await loadModelFolder(root, 'churn', '1.1.0')).digest).not.toBe(digest)
})

test.each([
  ['golden.jsonl', `${FILES['golden.jsonl']}{"record":`, ':2: expected one JSON object a line, found '],
  ['golden.jsonl', '\n', ': expected at least one golden record, found none'],
  ['reference.json', '{"rows":0}', ': rows: '],
])('a broken %s (%j) is refused with its place', async (name, content, place) => {
  await writeFile(join(folder, name), content)
  expect(await refusal()).toContain(join(folder, name) + place)
})

test('golden records come with the folder', async () => {
  expect((await loadModelFolder(root, 'churn', '1.1.0')).golden).toEqual([
    { record: { tenure_months: 14 }, outputs: { label: 1 } },
  ])
})

test('a file beside those named does not matter', async () => {
  const { digest } = await loadModelFolder(root, 'churn', '1.1.0')
  await writeFile(join(folder, 'notes.txt'), 'mine')
  expect((await loadModelFolder(root, 'churn', '1.1.0')).digest).toBe(digest)
})

test.each(Object.keys(FILES))('a folder without %s is refused by name', async (name) => {
  await rm(join(folder, name))
  expect(await refusal()).toBe(`${join(folder, name)}: expected a file or folder, found nothing`)
})

test('a folder under another name than the manifest says is refused', async () => {
  await rename(folder, join(root, 'churn', '2.0.0'))
  expect(await refusal('churn', '2.0.0')).toBe(
    `${join(root, 'churn', '2.0.0', 'model.yaml')}: version: expected "2.0.0", as the folder, found "1.1.0"`,
  )
  await rename(join(root, 'churn'), join(root, 'fraud'))
  expect(await refusal('fraud', '2.0.0')).toContain('name: expected "fraud", as the folder, found "churn"')
})

test.each([
  ['churn', 'latest'],
  ['churn', '../1.1.0'],
  ['..', '1.1.0'],
  ['churn', '.1.1.0.tmp'],
])('%s %s is refused before anything is read', async (model, version) => {
  expect(await refusal(model, version)).toContain('expected the name of a ')
})

test('links that lead out of the folder are refused', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'coalmine-outside-'))
  await writeFile(join(outside, 'model.onnx'), 'weights')
  await rm(join(folder, 'model.onnx'))
  await symlink(join(outside, 'model.onnx'), join(folder, 'model.onnx'))
  expect(await refusal()).toContain(`${join(folder, 'model.onnx')}: expected a path inside`)
  await rm(folder, { recursive: true })
  await symlink(outside, folder)
  expect(await refusal()).toContain(`${folder}: expected a path inside`)
  await rm(outside, { recursive: true })
})

test('complete version folders are listed; hidden, unfinished and misnamed ones are not', async () => {
  for (const path of ['churn/1.0.0', 'churn/.1.2.0.tmp', 'churn/latest', 'Fraud/1.0.0']) {
    await mkdir(join(root, path), { recursive: true })
    await writeFile(join(root, path, 'model.yaml'), '')
  }
  await mkdir(join(root, 'churn/1.3.0'))
  await writeFile(join(root, 'README.md'), '')
  expect(await listModelFolders(root)).toEqual([
    { model: 'churn', version: '1.0.0' },
    { model: 'churn', version: '1.1.0' },
  ])
  expect(await listModelFolders(join(root, 'nowhere'))).toEqual([])
})
