import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { type DeploymentEvent, raisesCanary } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import {
  ANSWER_AGE_MS,
  ANSWERS_MAX,
  type RecordedEvent,
  type RememberedAnswer,
  type RolloutStore,
  StoreError,
} from './rollout-store.ts'
import { explain, openSqliteFile } from './sqlite-file.ts'

/**
 * The store of one host: one file, transactions on disk before they are answered. `node:sqlite` blocks its
 * thread, so it lives in the control process, away from the requests.
 */
export class SqliteStore implements RolloutStore {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #sql: Statements

  /** Throws a StoreError when the file cannot be used. */
  constructor(path: string) {
    this.#path = path
    this.#database = openSqliteFile(path)
    this.#sql = statements(this.#database)
  }

  async read(model: string): Promise<Deployment | undefined> {
    return this.#guarded(() => parsed<Deployment>(this.#sql.read.get(model)))
  }

  async readAll(): Promise<Deployment[]> {
    return this.#guarded(() => this.#sql.readAll.all().map((row) => parsed<Deployment>(row)!))
  }

  async commit(next: Deployment, event: DeploymentEvent): Promise<'committed' | 'stale'> {
    return this.#transaction(() => {
      if (raisesCanary(event) && this.#freeze().frozen) return 'stale'
      const { model, revision } = next
      const body = JSON.stringify(next)
      const { changes } =
        revision === 1
          ? this.#sql.insert.run(model, revision, body)
          : this.#sql.update.run(revision, body, model, revision - 1)
      if (changes !== 1) return 'stale'
      this.#sql.record.run(model, JSON.stringify(event))
      return 'committed'
    })
  }

  async events({
    model,
    limit,
    before = Number.MAX_SAFE_INTEGER,
  }: {
    model?: string
    limit: number
    before?: number
  }) {
    return this.#guarded(() => {
      const rows =
        model === undefined
          ? this.#sql.events.all(before, limit)
          : this.#sql.eventsOf.all(model, before, limit)
      return rows.map(
        (row): RecordedEvent => ({ ...parsed<DeploymentEvent | FreezeEvent>(row)!, id: Number(row.id) }),
      )
    })
  }

  async freeze(): Promise<Freeze> {
    return this.#guarded(() => this.#freeze())
  }

  async setFreeze(next: Freeze, event: FreezeEvent): Promise<'committed' | 'stale'> {
    return this.#transaction(() => {
      if (this.#freeze().frozen === next.frozen) return 'stale'
      this.#sql.setFreeze.run(JSON.stringify(next))
      this.#sql.record.run(null, JSON.stringify(event))
      return 'committed'
    })
  }

  async secret(name: string, make: () => Uint8Array): Promise<Uint8Array> {
    return this.#transaction(() => {
      const kept = this.#sql.secret.get(name)?.value
      if (kept instanceof Uint8Array) return kept
      const made = make()
      this.#sql.keepSecret.run(name, made)
      return Uint8Array.from(made)
    })
  }

  async remember(key: string, answer: RememberedAnswer, nowMs: number): Promise<RememberedAnswer> {
    return this.#transaction(() => {
      this.#sql.forgetOld.run(nowMs - ANSWER_AGE_MS)
      const known = parsed<RememberedAnswer>(this.#sql.recall.get(key, nowMs - ANSWER_AGE_MS))
      if (known) return known
      this.#sql.remember.run(key, nowMs, JSON.stringify(answer))
      this.#sql.forgetMany.run(ANSWERS_MAX)
      return answer
    })
  }

  async recall(key: string, nowMs: number): Promise<RememberedAnswer | undefined> {
    return this.#guarded(() => parsed<RememberedAnswer>(this.#sql.recall.get(key, nowMs - ANSWER_AGE_MS)))
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  #freeze(): Freeze {
    return parsed<Freeze>(this.#sql.freeze.get())!
  }

  #transaction<T>(work: () => T): T {
    return this.#guarded(() => {
      // IMMEDIATE: the lock comes before the first look, so that what is read is what is written over.
      this.#sql.begin.run()
      try {
        const result = work()
        this.#sql.end.run()
        return result
      } catch (error) {
        if (this.#database.isTransaction) this.#sql.undo.run()
        throw error
      }
    })
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw new StoreError(explain(this.#path, error as Error), { cause: error })
    }
  }
}

type Statements = ReturnType<typeof statements>

function statements(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text)
  return {
    begin: sql('BEGIN IMMEDIATE'),
    end: sql('COMMIT'),
    undo: sql('ROLLBACK'),
    read: sql('SELECT body FROM deployments WHERE model = ?'),
    readAll: sql('SELECT body FROM deployments ORDER BY model'),
    insert: sql('INSERT INTO deployments VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    update: sql('UPDATE deployments SET revision = ?, body = ? WHERE model = ? AND revision = ?'),
    record: sql('INSERT INTO events (model, body) VALUES (?, ?)'),
    events: sql('SELECT id, body FROM events WHERE id < ? ORDER BY id DESC LIMIT ?'),
    eventsOf: sql('SELECT id, body FROM events WHERE model = ? AND id < ? ORDER BY id DESC LIMIT ?'),
    freeze: sql('SELECT body FROM freeze'),
    setFreeze: sql('UPDATE freeze SET body = ?'),
    secret: sql('SELECT value FROM secrets WHERE name = ?'),
    keepSecret: sql('INSERT INTO secrets VALUES (?, ?)'),
    recall: sql('SELECT body FROM answers WHERE key = ? AND at_ms > ?'),
    remember: sql('INSERT INTO answers (key, at_ms, body) VALUES (?, ?, ?)'),
    forgetOld: sql('DELETE FROM answers WHERE at_ms <= ?'),
    forgetMany: sql(
      'DELETE FROM answers WHERE id IN (SELECT id FROM answers ORDER BY id DESC LIMIT -1 OFFSET ?)',
    ),
  }
}

function parsed<T>(row: Record<string, unknown> | undefined): T | undefined {
  return row === undefined ? undefined : (JSON.parse(String(row.body)) as T)
}
