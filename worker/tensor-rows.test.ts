import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sliceRows, stackRows } from './tensor-rows.ts'

const tensor = (data: TensorData, shape: number[]) => ({ name: 'x', data, shape }) as EncodedTensor

test('stacks numbers and strings', () => {
  const a = [tensor(Float32Array.of(1, 2), [1, 2]), tensor(['a'], [1, 1])]
  const b = [tensor(Float32Array.of(3, 4, 5, 6), [2, 2]), tensor(['b', 'c'], [2, 1])]
  expect(stackRows([a, b])).toEqual([
    tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]),
    tensor(['a', 'b', 'c'], [3, 1]),
  ])
})

test('property: rows that were sliced apart stack to what they were', () => {
  const columns = fc.integer({ min: 1, max: 4 })
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(columns, cuts, (width, heights) => {
      const rows = heights.reduce((sum, height) => sum + height, 0)
      const whole = [
        tensor(
          BigInt64Array.from({ length: rows * width }, (_, i) => BigInt(i)),
          [rows, width],
        ),
        tensor(
          Array.from({ length: rows }, (_, i) => `${i}`),
          [rows, 1],
        ),
      ]
      let first = 0
      const parts = heights.map((height) => {
        const part = sliceRows(whole, first, height)
        first += height
        return part
      })
      expect(stackRows(parts)).toEqual(whole)
    }),
  )
})
