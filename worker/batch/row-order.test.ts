import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column } from './column.ts'
import { alikeTogether, ranked } from './row-order.ts'

const ROWS = 40

const words = fc
  .tuple(fc.integer({ min: 1, max: 200 }), fc.array(fc.nat(), { minLength: ROWS, maxLength: ROWS }))
  .map(
    ([count, places]): Column => ({
      kind: 'words',
      words: Array.from({ length: count }, (_, i) => `${i}`),
      places: Uint32Array.from(places, (place) => place % count),
    }),
  )
const others = fc.constant<Column>({ kind: 'values', values: Array.from({ length: ROWS }, (_, i) => `${i}`) })
const someRows = fc
  .uniqueArray(fc.nat(ROWS - 1))
  .map((rows) => Uint32Array.from(rows.toSorted((a, b) => a - b)))

test('the same rows, those with the same words together and as they were among themselves', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(words, others), { maxLength: 5 }), someRows, (columns, rows) => {
      const order = alikeTogether(columns, rows)
      expect(order.toSorted()).toEqual(rows)
      let groups = 1
      const counted = columns.filter((column) => {
        if (column.kind !== 'words' || groups * column.words.length > 4_096) return false
        groups *= column.words.length
        return true
      }) as Extract<Column, { kind: 'words' }>[]
      const group = (row: number) => counted.map(({ places }) => `${places[row]}`.padStart(5)).join()
      const expected = [...rows].toSorted((a, b) => {
        if (group(a) === group(b)) return a - b
        return group(a) < group(b) ? -1 : 1
      })
      expect([...order]).toEqual(expected)
    }),
  )
})

test('ranks say where the least stands, then the next', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(99)), (numbers) => {
      const places = ranked(Uint32Array.from(numbers), 100)
      expect(Array.from(places, (place) => numbers[place])).toEqual(numbers.toSorted((a, b) => a - b))
    }),
  )
})
