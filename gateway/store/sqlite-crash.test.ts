import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { encodeEvidence } from '@coalmine/core/evidence/evidence-bytes.ts'
import { around } from '@coalmine/core/rollout/testing/deployments.ts'
import { POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { inPhase } from '@coalmine/core/rollout/testing/rollouts.ts'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { type Commit, StoreError } from './rollout-store.ts'
import { SqliteStore } from './sqlite.ts'
import { course } from './testing/commit-course.ts'

const folder = mkdtempSync(join(tmpdir(), 'coalmine-crash-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newPath = () => join(folder, `${files++}`, 'coalmine.db')

const [initial, start, ...ticks] = course().take(12).toArray() as [Commit, Commit, ...Commit[]]

/** The same commit of another model. */
function named(model: string, { parent, next, event }: Commit): Commit {
  const rollout = next.rollout && { rollout: { ...next.rollout, model } }
  return { parent, next: { ...next, ...rollout, model } as Commit['next'], event: { ...event!, model } }
}

/** Everything that a store says of the course's model and of another. */
async function all(store: SqliteStore) {
  return {
    deployments: await store.readAll(),
    rollouts: await store.rollouts({ model: 'churn', limit: 10 }),
    policy: await store.policy(POLICY.hash),
    events: await store.events({ limit: 1000 }),
  }
}

describe('a transaction that fails', () => {
  const failing = ['deployments', 'rollouts', 'policies', 'events'].flatMap((table) =>
    ['ABORT', 'ROLLBACK'].map((how) => [table, how] as const),
  )

  test.each(failing)(
    'at a new row of %s, by %s, changes nothing, and the next one works',
    async (table, how) => {
      const path = newPath()
      const store = new SqliteStore(path)
      await store.commit([initial])
      const before = await all(store)
      const other = new DatabaseSync(path)
      other.exec(
        `CREATE TRIGGER broken BEFORE INSERT ON ${table} BEGIN SELECT RAISE(${how}, 'the disk is gone'); END`,
      )
      const failed = store.commit([start, ...ticks])
      await expect(failed).rejects.toThrow(StoreError)
      await expect(failed).rejects.toThrow(`${path} cannot be used: the disk is gone`)
      expect(await all(store)).toEqual(before)

      other.exec('DROP TRIGGER broken')
      other.close()
      expect(await store.commit([start])).toEqual(['committed'])
      expect(await store.read('churn')).toEqual(start.next)
      await store.close()
    },
  )

  test('after one of its models was written leaves that one as it was, its policy too', async () => {
    const path = newPath()
    const store = new SqliteStore(path)
    await store.commit([initial, named('apples', initial)])
    const before = await all(store)
    const other = new DatabaseSync(path)
    other.exec(
      `CREATE TRIGGER broken BEFORE INSERT ON events WHEN NEW.model = 'apples'
       BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END`,
    )
    const both = [start, named('apples', start)]
    await expect(store.commit(both)).rejects.toThrow(StoreError)
    expect(await all(store)).toEqual(before)
    other.exec('DROP TRIGGER broken')
    other.close()
    expect(await store.commit(both)).toEqual(['committed', 'committed'])
    expect(await store.readAll()).toEqual([both[1]!.next, both[0]!.next])
    await store.close()
  })

  test('for lack of room on the disk changes nothing, and what fits later is committed', async () => {
    const { store, database } = opened(newPath())
    await store.commit([initial, start])
    const before = await all(store)
    database.exec('PRAGMA max_page_count = 1')
    const many = Array.from({ length: 50 }, (_, i) => named(`model-${i}`, initial))
    await expect(store.commit([...ticks, ...many])).rejects.toThrow('database or disk is full')
    expect(await all(store)).toEqual(before)
    database.exec('PRAGMA max_page_count = 100000')
    expect(await store.commit([...ticks, ...many])).not.toContain('stale')
    expect(await store.read('churn')).toEqual(ticks.at(-1)!.next)
    await store.close()
  })

  test('for evidence that cannot be written changes nothing', async () => {
    const store = new SqliteStore(newPath())
    const rollout = inPhase('stepping')
    const evidence = { ...rollout.evidence, plannedSteps: 0.5 }
    const event = start.event!
    const parent = { revision: 0, evaluation: 0 }
    await expect(store.commit([{ parent, next: around({ ...rollout, evidence }), event }])).rejects.toThrow(
      StoreError,
    )
    expect(await store.readAll()).toEqual([])
    expect(await store.commit([initial])).toEqual(['committed'])
    await store.close()
  })
})

afterEach(() => vi.restoreAllMocks())

/** A store with the connection that it made: what limits it is the connection's own. */
function opened(path: string): { store: SqliteStore; database: DatabaseSync } {
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec')
  const store = new SqliteStore(path)
  return { store, database: exec.mock.contexts[0] as DatabaseSync }
}

test('a file of the first version is upgraded and keeps what it has', async () => {
  const path = join(folder, 'first-version.db')
  const { next, event } = initial
  const old = new DatabaseSync(path)
  old.exec(`
    CREATE TABLE coalmine_schema (version INTEGER NOT NULL) STRICT;
    INSERT INTO coalmine_schema VALUES (1);
    CREATE TABLE deployments (
      model TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT, body TEXT NOT NULL) STRICT;
    CREATE INDEX events_by_model ON events (model, id);
    CREATE TABLE freeze (only INTEGER PRIMARY KEY CHECK (only = 1), body TEXT NOT NULL) STRICT;
    INSERT INTO freeze VALUES (1, '{"frozen":false}');
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE answers (
      id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX answers_by_age ON answers (at_ms);`)
  old.prepare('INSERT INTO deployments VALUES (?, ?, ?)').run('churn', 1, JSON.stringify(next))
  old.prepare('INSERT INTO events (model, body) VALUES (?, ?)').run('churn', JSON.stringify(event))
  old.prepare('INSERT INTO secrets VALUES (?, ?)').run('ids', Uint8Array.of(1, 2, 3))
  old.close()

  for (const _ of ['upgraded', 'opened again']) {
    const store = new SqliteStore(path)
    expect(await store.readAll()).toEqual([next])
    expect(await store.events({ limit: 10 })).toEqual([{ ...event, id: 1 }])
    expect([...(await store.secret('ids', () => Uint8Array.of(9)))]).toEqual([1, 2, 3])
    expect(await store.rollouts({ model: 'churn', limit: 10 })).toEqual([])
    await store.close()
  }
  const store = new SqliteStore(path)
  expect(await store.commit([start, ...ticks])).not.toContain('stale')
  expect(await store.read('churn')).toEqual(ticks.at(-1)!.next)
  await store.close()
})

const COMMIT_FOREVER = fileURLToPath(new URL('commit-forever.ts', import.meta.url))

/** Commits in another process until it has said so this often, then kills it; what it said last. */
async function commitAndKill(path: string, often: number): Promise<string> {
  const child = spawn(process.execPath, [COMMIT_FOREVER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  let said = 0
  let last = ''
  for await (const line of createInterface(child.stdout)) {
    last = line
    if (++said === often) child.kill('SIGKILL')
  }
  await exited
  return last
}

const place = ({ next }: Commit) => `${next.revision} ${next.rollout?.evaluation ?? 0}`

/** The course up to the commit that was said last, and the one after it, which may be on disk already. */
function courseTo(said: string): { past: Commit[]; next: Commit } {
  const past: Commit[] = []
  for (const commit of course()) {
    if (past.length > 0 && place(past.at(-1)!) === said) return { past, next: commit }
    past.push(commit)
    if (past.length > 50_000) break
  }
  throw new Error(`the course never comes to ${said}`)
}

test('kill -9 in the middle of ticks and decisions leaves the old or the new state, whole', async () => {
  const path = newPath()
  for (const often of [1, 2, 3, 7, 20, 55, 100]) {
    const { past, next } = courseTo(await commitAndKill(path, often))
    const store = new SqliteStore(path)
    const stored = (await store.read('churn'))!
    const isNew = place({ ...next, next: stored }) === place(next)
    const made = isNew ? [...past, next] : past

    const last = made.at(-1)!
    expect(stored).toEqual(last.next)
    if (stored.rollout)
      expect(encodeEvidence(stored.rollout.evidence)).toEqual(encodeEvidence(last.next.rollout!.evidence))

    const events = await store.events({ model: 'churn', limit: 1_000_000 })
    expect(events.map(({ id: _, ...event }) => event)).toEqual(
      made.flatMap(({ event }) => event ?? []).reverse(),
    )
    const ended = made.flatMap((commit) => commit.ended ?? []).reverse()
    expect(await store.rollouts({ model: 'churn', limit: 1_000_000 })).toEqual(
      stored.rollout ? [stored.rollout, ...ended] : ended,
    )
    await store.close()
  }
}, 60_000)
