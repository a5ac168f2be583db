import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import { applyIntent, type Change } from '@coalmine/core/rollout/intent.ts'
import { afterAll, expect, test } from 'vitest'
import { rolloutStoreConformance } from './conformance.ts'
import { StoreError } from './rollout-store.ts'
import { SqliteStore } from './sqlite.ts'

const folder = mkdtempSync(join(tmpdir(), 'coalmine-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newPath = () => join(folder, `${files++}`, 'coalmine.db')

rolloutStoreConformance('sqlite', () => new SqliteStore(newPath()))

const by = { actor: 'ann', reason: 'test', nowMs: 1000 }
const first = applyIntent(
  emptyDeployment('churn'),
  { kind: 'initialise', stable: { version: '1.0.0', digest: 'sha256:1' } },
  { ...by, frozen: false },
) as Change

test('everything is still there after the store was closed and opened again', async () => {
  const path = newPath()
  const before = new SqliteStore(path)
  const { next, event } = setFreeze({ frozen: false }, true, by)!
  const answer = { fingerprint: 'a', status: 200, body: '{}' }
  await before.commit(first.next, first.event)
  await before.setFreeze(next, event)
  await before.secret('ids', () => Uint8Array.of(1, 2, 3))
  await before.remember('key', answer, 0)
  await before.close()

  const after = new SqliteStore(path)
  expect(await after.read('churn')).toEqual(first.next)
  expect(await after.events({ limit: 10 })).toEqual([
    { ...event, id: 2 },
    { ...first.event, id: 1 },
  ])
  expect(await after.freeze()).toEqual(next)
  expect([...(await after.secret('ids', () => Uint8Array.of(9)))]).toEqual([1, 2, 3])
  expect(await after.recall('key', 1)).toEqual(answer)
  await after.close()
})

test('two processes over one file: of two commits over one parent one wins', async () => {
  const path = newPath()
  const [a, b] = [new SqliteStore(path), new SqliteStore(path)]
  expect(await a.commit(first.next, first.event)).toBe('committed')
  expect(await b.commit(first.next, first.event)).toBe('stale')
  expect(await b.read('churn')).toEqual(first.next)
  await Promise.all([a.close(), b.close()])
})

test('the file is for its owner alone: it holds keys', async () => {
  const path = newPath()
  const store = new SqliteStore(path)
  await store.commit(first.next, first.event)
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
  await store.close()
})

/** A store with a few hundred events, closed. */
async function filled(): Promise<string> {
  const path = newPath()
  const store = new SqliteStore(path)
  for (let i = 0; i < 300; i++) {
    const { next, event } = first
    await store.commit(
      { ...next, model: `model-${i}` },
      { ...event, model: `model-${i}`, because: 'x'.repeat(100) },
    )
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

const COMMIT_FOREVER = fileURLToPath(new URL('commit-forever.ts', import.meta.url))

/** Commits in another process until it has said so this often, then kills it; the last revision it said. */
async function commitAndKill(path: string, commits: number): Promise<number> {
  const child = spawn(process.execPath, [COMMIT_FOREVER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  let said = 0
  let last = 0
  for await (const line of createInterface(child.stdout)) {
    last = Number(line)
    if (++said === commits) child.kill('SIGKILL')
  }
  await exited
  return last
}

test('kill -9 in the middle of committing leaves the old or the new state, each with one event', async () => {
  const path = newPath()
  for (const commits of [1, 7, 20, 55]) {
    const said = await commitAndKill(path, commits)
    const store = new SqliteStore(path)
    const { revision } = (await store.read('churn'))!
    // One more than was said may be on disk: committed, killed before it could say so.
    expect([said, said + 1]).toContain(revision)
    const events = await store.events({ model: 'churn', limit: 100_000 })
    expect(events.map((event) => 'after' in event && event.after.revision)).toEqual(
      Array.from({ length: revision }, (_, i) => revision - i),
    )
    await store.close()
  }
})
