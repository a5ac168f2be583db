import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bytesField } from './explain/wire.ts'
import { externalFiles } from './external-data.ts'
import { openModel } from './model.ts'
import { externalModel } from './testing/external-model.ts'

let models: string
beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'coalmine-external-'))
})
afterEach(() => rmSync(models, { recursive: true, force: true }))

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A version whose weights lie in `weights.bin`, named in its manifest or not. */
function version(name: string, { named = ['weights.bin'], location = 'weights.bin' } = {}): string {
  const { onnx, data } = externalModel(location)
  const folder = join(models, 'linear', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.onnx'), onnx)
  writeFileSync(join(folder, 'weights.bin'), data)
  const listed = named.length > 0 ? `externalData: [${named.join(', ')}]\n` : ''
  writeFileSync(
    join(folder, 'model.yaml'),
    `name: linear
version: ${name}
platform: onnxruntime_onnx
file: model.onnx
sha256: ${sha256(onnx)}
${listed}inputs: [{ name: x, type: float32, shape: [2] }]
outputs: [{ name: y, type: float32, shape: [1] }]
`,
  )
  return folder
}
const open = (name: string) =>
  openModel({ modelsRoot: models, model: 'linear', version: name, threading: 'inline' }, () => {})

test('weights in a file beside the model are served', async () => {
  version('1.0.0')
  const { engine, encode } = await open('1.0.0')
  const [y] = await engine.run(encode([{ x: [1, 10] }, { x: [2, 0] }]))
  expect([...(y as Float32Array)]).toEqual([32, 4])
  await engine.close()
})

test('and their bytes are a part of what the version is', async () => {
  const folder = version('1.0.0')
  const { digest } = await loadModelFolder(models, 'linear', '1.0.0')
  writeFileSync(join(folder, 'weights.bin'), Float32Array.of(2, 4))
  expect((await loadModelFolder(models, 'linear', '1.0.0')).digest).not.toBe(digest)
  rmSync(join(folder, 'weights.bin'))
  await expect(loadModelFolder(models, 'linear', '1.0.0')).rejects.toThrow(/weights\.bin: expected a file/)
})

test.each([
  ['that the manifest does not name', { named: [] }, /keeps weights in "weights\.bin", .* externalData/],
  ['of another folder', { location: '../other/weights.bin' }, /keeps weights in "\.\.\/other\/weights\.bin"/],
])('weights in a file %s are refused', async (_, changes, message) => {
  version('1.0.0', changes)
  await expect(open('1.0.0')).rejects.toThrow(message)
})

test('files are found wherever an ONNX file may hold a tensor, each once', () => {
  const text = (field: number, value: string) => bytesField(field, Buffer.from(value))
  const inside = (bytes: Uint8Array, ...fields: number[]) =>
    fields.reduceRight((inner: Uint8Array, field) => bytesField(field, inner), bytes)
  const entry = (key: string, value: string) => bytesField(13, Buffer.concat([text(1, key), text(2, value)]))
  const file = Buffer.concat([
    inside(Buffer.concat([entry('offset', '0'), entry('location', 'initializer')]), 7, 5),
    inside(entry('location', 'initializer'), 7, 5),
    inside(entry('location', 'attribute'), 7, 1, 5, 5),
    inside(entry('location', 'body-of-a-loop'), 7, 1, 5, 6, 5),
    inside(entry('location', 'sparse'), 7, 15, 1),
    inside(entry('location', 'function'), 25, 7, 5, 10),
  ])
  expect(externalFiles(file)).toEqual(['attribute', 'body-of-a-loop', 'function', 'initializer', 'sparse'])
  const churn = fileURLToPath(new URL('../models/churn/1.1.0/model.onnx', import.meta.url))
  expect(externalFiles(readFileSync(churn))).toEqual([])
})
