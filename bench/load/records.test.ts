import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { expect, test } from 'vitest'
import { drawRecords, predictBodies } from './records.ts'

const MODELS = fileURLToPath(new URL('../../models', import.meta.url))

test.each([
  ['churn', '1.0.0'],
  ['digits', '1.0.0'],
])('records of %s keep its contract, differ, and are the same for the same seed', async (model, version) => {
  const { manifest } = await loadModelFolder(MODELS, model, version)
  const records = drawRecords(manifest, 200, 7)
  expect(new Set(records.map((record) => JSON.stringify(record))).size).toBe(200)
  expect(drawRecords(manifest, 200, 7)).toEqual(records)
  expect(drawRecords(manifest, 200, 8)).not.toEqual(records)
})

test('a body holds as many records as asked for, and every record is sent once', () => {
  const records = Array.from({ length: 7 }, (_, i) => ({ i }))
  const bodies = predictBodies(records, 3).trimEnd().split('\n')
  expect(bodies.map((body) => JSON.parse(body))).toEqual([
    { instances: [{ i: 0 }, { i: 1 }, { i: 2 }] },
    { instances: [{ i: 3 }, { i: 4 }, { i: 5 }] },
  ])
})
