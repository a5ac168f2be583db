import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from './rollout-store.ts'

/** How long a statement waits for another process, such as the control process that this one replaces. */
const BUSY_TIMEOUT_MS = 2000

/** The steps from an empty file to the tables of today; step n leads to version n + 1. Never edit one. */
const STEPS = [
  `CREATE TABLE deployments (
     model TEXT PRIMARY KEY,
     revision INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     model TEXT,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_model ON events (model, id);
   CREATE TABLE freeze (
     only INTEGER PRIMARY KEY CHECK (only = 1),
     body TEXT NOT NULL
   ) STRICT;
   INSERT INTO freeze VALUES (1, '{"frozen":false}');
   CREATE TABLE secrets (
     name TEXT PRIMARY KEY,
     value BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE answers (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     at_ms INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX answers_by_age ON answers (at_ms);`,
  // What a rollout knows lies beside what it is: a tick writes no more than it has to.
  `CREATE TABLE rollouts (
     id INTEGER PRIMARY KEY,
     model TEXT NOT NULL,
     serial INTEGER NOT NULL,
     pair TEXT NOT NULL,
     policy TEXT NOT NULL,
     body TEXT NOT NULL,
     evidence BLOB NOT NULL,
     UNIQUE (model, serial)
   ) STRICT;
   CREATE INDEX rollouts_by_pair ON rollouts (model, pair, serial);
   CREATE TABLE policies (
     hash TEXT PRIMARY KEY,
     body TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   ALTER TABLE deployments ADD COLUMN evaluation INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE deployments ADD COLUMN rollout INTEGER;`,
  `CREATE TABLE bookmarks (
     name TEXT PRIMARY KEY,
     body TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // Each row holds the inputs of one commit, as doubles; `through` counts them from the first one on.
  `CREATE TABLE mirror_inputs (
     model TEXT NOT NULL,
     serial INTEGER NOT NULL,
     through INTEGER NOT NULL,
     inputs BLOB NOT NULL,
     PRIMARY KEY (model, serial, through)
   ) STRICT;`,
]

/**
 * Opens the file, creating folder, file (mode 0600: it holds keys) and tables where they are missing. Throws a
 * StoreError that names the file for one that is damaged, foreign or of a newer Coalmine.
 */
export function openSqliteFile(path: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    prepareFile(path)
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    // FULL: a decision that was answered survives a power cut, at about 0.2 ms a commit.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    checkIntegrity(path, database)
    upgrade(path, database)
    return database
  } catch (error) {
    database?.close()
    throw error instanceof StoreError
      ? error
      : new StoreError(explain(path, error as Error), { cause: error })
  }
}

function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const size = statSync(path, { throwIfNoEntry: false })?.size
  // SQLite would take it for a new store and begin again with the first versions.
  if (size === 0) throw new StoreError(damaged(path, 'it is empty'))
  if (size === undefined) closeSync(openSync(path, 'a', 0o600))
}

function checkIntegrity(path: string, database: DatabaseSync): void {
  const [first] = database.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[]
  if (first?.quick_check !== 'ok') throw new StoreError(damaged(path, String(first?.quick_check)))
}

function upgrade(path: string, database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE')
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const known = tables.some(({ name }) => name === 'coalmine_schema')
  if (!known && tables.length > 0)
    throw new StoreError(`${path} is a database of another program; choose another path for the store`)
  if (!known) {
    database.exec(
      'CREATE TABLE coalmine_schema (version INTEGER NOT NULL) STRICT; INSERT INTO coalmine_schema VALUES (0)',
    )
  }
  const version = Number(database.prepare('SELECT version FROM coalmine_schema').get()?.version)
  if (version > STEPS.length)
    throw new StoreError(
      `${path} was written by a newer Coalmine (store version ${version}, this one knows ${STEPS.length}); run that one, or give this one another store`,
    )
  for (const step of STEPS.slice(version)) database.exec(step)
  database.prepare('UPDATE coalmine_schema SET version = ?').run(STEPS.length)
  database.exec('COMMIT')
}

/** SQLite's result codes, https://sqlite.org/rescode.html */
const CORRUPT = 11
const CANTOPEN = 14
const NOTADB = 26

/** What went wrong with the file, and what a person can do. */
export function explain(path: string, error: Error & { errcode?: number; code?: string }): string {
  if (error.errcode === CORRUPT || error.errcode === NOTADB) return damaged(path, error.message)
  if (error.errcode === CANTOPEN || error.code === 'EACCES' || error.code === 'EROFS')
    return `${path} cannot be opened: this user needs to read and write the file and its folder (${error.message})`
  return `${path} cannot be used: ${error.message}`
}

function damaged(path: string, detail: string): string {
  return `${path} is damaged and not a store any more (${detail}). Restore it from a backup; or move it away together with ${path}-wal and -shm, and the gateway begins with each model's initial version`
}
