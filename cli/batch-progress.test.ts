import { expect, test } from 'vitest'
import { barLine, batchProgress } from './batch-progress.ts'

const half = { rows: 1_500_000, rejected: 3, parts: 30, resumedRows: 500_000, share: 0.5 }

test('a bar says how far, how fast and how long; what an earlier run did took no time of this one', () => {
  expect(barLine(half, 10_000)).toBe(
    '████████████············  50 %  1,500,000 rows, 100,000 a second, 15 s left, 3 rejected',
  )
})

test('where nobody knows how much there is it says what was done', () => {
  const { share: _, ...unknown } = half
  expect(barLine({ ...unknown, rejected: 0 }, 10_000)).toBe('1,500,000 rows, 100,000 a second')
})

test('a terminal gets a line that is drawn anew and taken away, a pipe lines of JSON now and then', () => {
  const on = (isTTY: boolean) => {
    let text = ''
    let nowMs = 0
    const write = (some: string | Uint8Array) => {
      text += some
      return true
    }
    const progress = batchProgress({ isTTY, write }, () => nowMs)
    for (nowMs = 1_000; nowMs <= 12_000; nowMs += 1_000) progress.show(half)
    progress.end()
    return text
  }
  expect(on(true).split('\r').length).toBe(14)
  expect(on(true).endsWith('\r\u001b[K')).toBe(true)
  const lines = on(false).trim().split('\n')
  expect(lines).toHaveLength(3)
  expect(JSON.parse(lines[0]!)).toMatchObject({ rows: 1_500_000, rejected: 3, share: 0.5 })
})
