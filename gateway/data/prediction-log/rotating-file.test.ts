import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RotatingFile } from './rotating-file.ts'

let folder: string
let nowMs: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-log-'))
  nowMs = 1_000
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (changes = {}) =>
  new RotatingFile(
    { folder, fileBytes: 1_000, fileMs: 60_000, keep: 10, queueBytes: 100_000, ...changes },
    () => nowMs,
  )
const files = () =>
  readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8'))

test('lines in the order in which they came, each whole', async () => {
  const file = open()
  for (const line of ['a', 'é', 'c']) file.append(line)
  await file.close()
  expect(files()).toEqual(['a\né\nc\n'])
  expect(file.counts).toEqual({ written: 3, dropped: 0 })
})

test('a file is closed when it is large enough, or old enough', async () => {
  const file = open({ fileBytes: 10 })
  for (const line of ['1234567890', 'b']) file.append(line)
  nowMs += 60_000
  file.append('c')
  await file.close()
  expect(files()).toEqual(['1234567890\n', 'b\n', 'c\n'])
})

test('what the disk does not take in time is dropped and counted, and nobody waits', async () => {
  const file = open({ queueBytes: 50, fileBytes: 1e9 })
  for (let i = 0; i < 100; i++) file.append('x'.repeat(20))
  const { written, dropped } = file.counts
  expect(written + dropped).toBe(100)
  expect(dropped).toBeGreaterThan(0)
  await file.close()
  expect(files().join('').trim().split('\n')).toHaveLength(written)
})

test('a folder that is not there costs the lines, and is tried again later', async () => {
  const file = open({ folder: join(folder, 'nowhere') })
  file.append('a')
  while (file.counts.dropped === 0) {
    await new Promise((resolve) => setImmediate(resolve))
    file.append('b')
  }
  file.settings = { ...file.settings, folder }
  nowMs += 10_000
  file.append('c')
  await file.close()
  expect(files()).toEqual(['c\n'])
})

test('the oldest files go', async () => {
  const file = open({ fileBytes: 1, keep: 3 })
  for (let i = 0; i < 6; i++) {
    file.append(`${i}`)
    await file.close()
  }
  while (readdirSync(folder).length > 3) await new Promise((resolve) => setImmediate(resolve))
  expect(files()).toEqual(['3\n', '4\n', '5\n'])
})
