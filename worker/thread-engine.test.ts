import { join } from 'node:path'
import { expect, test } from 'vitest'
import { modelsRoot, publishTabular } from './testing/model-fixture.ts'
import { openThread } from './thread-engine.ts'

const noLoss = (reason: string) => {
  throw new Error(reason)
}

test('a file that is no model is refused with the reason', async () => {
  const root = modelsRoot()
  publishTabular(root)
  const path = join(root.path, 'tabular/1.0.0/model.yaml')
  await expect(openThread({ path, outputNames: [] }, noLoss)).rejects.toThrow(/model\.yaml/)
  root.remove()
})

test('a closed thread takes no more runs, and its end is no loss', async () => {
  const root = modelsRoot()
  publishTabular(root)
  const path = join(root.path, 'tabular/1.0.0/model.onnx')
  const engine = await openThread({ path, outputNames: ['total'] }, noLoss)
  await engine.close()
  await expect(engine.run([])).rejects.toThrow('the inference thread has ended')
  root.remove()
})
