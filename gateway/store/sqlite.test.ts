import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import { afterAll, expect, test } from 'vitest'
import { rolloutStoreConformance } from './conformance.ts'
import { StoreError } from './rollout-store.ts'
import { SqliteStore } from './sqlite.ts'
import { course } from './testing/commit-course.ts'

const folder = mkdtempSync(join(tmpdir(), 'coalmine-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newPath = () => join(folder, `${files++}`, 'coalmine.db')

rolloutStoreConformance('sqlite', () => new SqliteStore(newPath()))

const by = { actor: 'ann', reason: 'test', nowMs: 1000 }
const commits = course().take(50).toArray()
const first = commits[0]!

test('everything is still there after the store was closed and opened again', async () => {
  const path = newPath()
  const before = new SqliteStore(path)
  const { next, event } = setFreeze({ frozen: false }, true, by)!
  const answer = { fingerprint: 'a', status: 200, body: '{}' }
  await before.commit(commits)
  await before.setFreeze(next, event)
  await before.secret('ids', () => Uint8Array.of(1, 2, 3))
  await before.remember('key', answer, 0)
  await before.keepBookmark('ops', { event: 2, beside: [] })
  await before.close()

  const after = new SqliteStore(path)
  const events = [...commits.flatMap((commit) => commit.event ?? []), event]
  expect(await after.read('churn')).toEqual(commits.at(-1)!.next)
  expect(await after.rollouts({ model: 'churn', limit: 10 })).toMatchObject([
    commits.at(-1)!.next.rollout!,
    commits.find(({ ended }) => ended)!.ended!,
  ])
  expect(await after.events({ limit: 100 })).toEqual(
    events.map((one, i) => ({ ...one, id: i + 1 })).reverse(),
  )
  expect(await after.freeze()).toEqual(next)
  expect([...(await after.secret('ids', () => Uint8Array.of(9)))]).toEqual([1, 2, 3])
  expect(await after.recall('key', 1)).toEqual(answer)
  expect(await after.bookmarks()).toEqual(new Map([['ops', { event: 2, beside: [] }]]))
  await after.close()
})

test('two processes over one file: of two commits over one parent one wins, of ticks too', async () => {
  const path = newPath()
  const [a, b] = [new SqliteStore(path), new SqliteStore(path)]
  for (const [i, commit] of commits.entries()) {
    const [one, other] = i % 2 === 0 ? [a, b] : [b, a]
    expect(await one.commit([commit])).toEqual(['committed'])
    expect(await other.commit([commit])).toEqual(['stale'])
    expect(await other.read('churn')).toEqual(commit.next)
  }
  await Promise.all([a.close(), b.close()])
})

test('the file is for its owner alone: it holds keys', async () => {
  const path = newPath()
  const store = new SqliteStore(path)
  await store.commit([first])
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
  await store.close()
})

/** A store with a few hundred events, closed. */
async function filled(): Promise<string> {
  const path = newPath()
  const store = new SqliteStore(path)
  for (let i = 0; i < 300; i++) {
    const model = `model-${i}`
    const event = { ...first.event!, model, because: 'x'.repeat(100) }
    await store.commit([{ ...first, next: { ...first.next, model }, event }])
  }
  await store.close()
  return path
}

test.each([
  ['empty', (path: string) => truncateSync(path, 0)],
  ['half', (path: string) => truncateSync(path, statSync(path).size / 2)],
  ['not a database', (path: string) => writeFileSync(path, 'hello '.repeat(1000))],
  [
    'overwritten in the middle',
    (path: string) => writeFileSync(path, readFileSync(path).fill(0xff, 4096, 12_288)),
  ],
])('a file that is %s is refused, by name and with what to do', async (_what, damage) => {
  const path = await filled()
  damage(path)
  expect(() => new SqliteStore(path)).toThrow(StoreError)
  expect(() => new SqliteStore(path)).toThrow(`${path} is damaged`)
  expect(() => new SqliteStore(path)).toThrow('Restore it from a backup')
})

test('the store of a newer Coalmine is refused, untouched', async () => {
  const path = await filled()
  const newer = new DatabaseSync(path)
  newer.exec('UPDATE coalmine_schema SET version = 99')
  newer.close()
  expect(() => new SqliteStore(path)).toThrow('newer Coalmine (store version 99')
  const still = new DatabaseSync(path)
  expect(still.prepare('SELECT version FROM coalmine_schema').get()).toEqual({ version: 99 })
  still.close()
})

test('the database of another program is refused', () => {
  const path = join(folder, 'other.db')
  const other = new DatabaseSync(path)
  other.exec('CREATE TABLE customers (name TEXT)')
  other.close()
  expect(() => new SqliteStore(path)).toThrow('a database of another program')
})

test('a folder that cannot be made is a clear sentence', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  expect(() => new SqliteStore(join(file, 'coalmine.db'))).toThrow(
    /coalmine\.db cannot be used: (EEXIST|ENOTDIR)/,
  )
})
