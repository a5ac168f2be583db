import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { UncleanEnds } from './unclean-ends.ts'

const MINUTE = 60_000
let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-ends-'))
  file = join(folder, 'ends.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a gateway that stops by itself leaves nothing behind', () => {
  new UncleanEnds(file, 0).stopped()
  expect(new UncleanEnds(file, MINUTE).recent(MINUTE)).toBe(0)
})

test('one that died is counted by the next', () => {
  new UncleanEnds(file, 0)
  new UncleanEnds(file, MINUTE)
  expect(new UncleanEnds(file, 2 * MINUTE).recent(2 * MINUTE)).toBe(2)
})

test('ends of data processes count too, and survive the gateway', () => {
  const first = new UncleanEnds(file, 0)
  first.add(MINUTE)
  first.add(2 * MINUTE)
  expect(new UncleanEnds(file, 3 * MINUTE).recent(3 * MINUTE)).toBe(3)
})

test('after ten minutes they are forgotten, whichever way the clock went', () => {
  const ends = new UncleanEnds(file, 0)
  ends.add(20 * MINUTE)
  expect(ends.recent(20 * MINUTE)).toBe(1)
  expect(ends.recent(31 * MINUTE)).toBe(0)
  expect(ends.recent(5 * MINUTE)).toBe(0)
})

test('a broken file, and one that cannot be written, count nothing', () => {
  writeFileSync(file, '{"running": tru')
  expect(new UncleanEnds(file, 0).recent(0)).toBe(0)
  expect(new UncleanEnds(join(folder, 'nowhere/ends.json'), 0).recent(0)).toBe(0)
})
