import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { type DeploymentEvent, raisesCanary } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { judgedPair, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { deploymentBody, rolloutOf, rolloutRow } from './rollout-row.ts'
import {
  ANSWER_AGE_MS,
  ANSWERS_MAX,
  type Bookmark,
  type Commit,
  INPUTS_MAX,
  isOver,
  type Outcome,
  type Parent,
  type RecordedEvent,
  type RememberedAnswer,
  type RolloutStore,
  StoreError,
} from './rollout-store.ts'
import { explain, openSqliteFile } from './sqlite-file.ts'

/** The rows of a hundred rollouts are written each second, and read before: they stay in memory. */
const CACHE_KB = 16_384
/**
 * Pages of 4 kB after which the log is worked into the file, for which the thread waits for the disk. Ticks overwrite
 * the same pages again and again, and only the last state of each is moved: a longer log costs 16 MB and moves less.
 */
const LOG_PAGES = 4_000

/**
 * The store of one host: one file, transactions on disk before they are answered. `node:sqlite` blocks its
 * thread, so it lives in the control process, away from the requests.
 */
export class SqliteStore implements RolloutStore {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #sql: Statements
  /** Policies that are known to be in the file. */
  readonly #policies = new Map<string, Policy>()

  /** Throws a StoreError when the file cannot be used. */
  constructor(path: string) {
    this.#path = path
    this.#database = openSqliteFile(path)
    this.#database.exec(`PRAGMA cache_size = -${CACHE_KB}; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`)
    this.#sql = statements(this.#database)
  }

  async read(model: string): Promise<Deployment | undefined> {
    return this.#guarded(() => this.#deploymentOf(this.#sql.read.get(model)))
  }

  async readAll(): Promise<Deployment[]> {
    return this.#guarded(() => this.#sql.readAll.all().map((row) => this.#deploymentOf(row)!))
  }

  async commit(commits: readonly Commit[]): Promise<Outcome[]> {
    // A decision that was answered survives a power cut; what a lost tick knew comes again with the next.
    const isDecision = commits.some(({ event }) => event !== undefined)
    return this.#transaction(() => commits.map((commit) => this.#commit(commit)), isDecision)
  }

  #commit(commit: Commit): Outcome {
    const { next, ended, inputs, event } = commit
    const { model, revision, rollout } = next
    if (!isOver(this.#parent(model), commit)) return 'stale'
    if (event !== undefined && raisesCanary(event) && this.#freeze().frozen) return 'stale'
    const evaluation = rollout?.evaluation ?? 0
    if (event === undefined) this.#sql.evaluated.run(evaluation, model)
    else {
      const body = deploymentBody(next)
      this.#sql.write.run(model, revision, body, evaluation, rollout?.serial ?? null)
      this.#sql.record.run(model, JSON.stringify(event))
    }
    if (ended) this.#write(ended)
    if (rollout) this.#write(rollout)
    if (rollout?.mirror !== undefined) this.#keepInputs(rollout, inputs ?? [])
    // Ticks do not end a mirror.
    else if (event !== undefined) this.#sql.forgetInputs.run(model)
    return 'committed'
  }

  #keepInputs({ model, serial }: Rollout, inputs: readonly number[]): void {
    if (inputs.length === 0) return
    const through = Number(this.#sql.lastInput.get(model, serial)?.through ?? 0) + inputs.length
    this.#sql.keepInputs.run(model, serial, through, new Uint8Array(Float64Array.from(inputs).buffer))
    this.#sql.forgetOldInputs.run(model, serial, through - INPUTS_MAX)
  }

  async mirrorInputs(model: string, serial: number): Promise<number[]> {
    return this.#guarded(() =>
      this.#sql.inputs.all(model, serial).flatMap(({ inputs }) => [
        // A copy lies where doubles may lie.
        ...new Float64Array(Uint8Array.from(inputs as Uint8Array).buffer),
      ]),
    )
  }

  #write(rollout: Rollout): void {
    const { model, serial, policy } = rollout
    const { body, evidence } = rolloutRow(rollout)
    const { changes } = this.#sql.updateRollout.run(body, evidence, policy.hash, model, serial)
    if (changes === 0)
      this.#sql.insertRollout.run(model, serial, judgedPair(rollout), policy.hash, body, evidence)
    if (this.#policies.get(policy.hash) === policy) return
    this.#sql.keepPolicy.run(policy.hash, JSON.stringify(policy))
    this.#policies.set(policy.hash, policy)
  }

  #parent(model: string): Parent {
    const row = this.#sql.parent.get(model)
    return { revision: Number(row?.revision ?? 0), evaluation: Number(row?.evaluation ?? 0) }
  }

  #deploymentOf(row: Row | undefined): Deployment | undefined {
    const deployment = parsed<Deployment>(row)
    if (deployment === undefined || row?.rollout === null) return deployment
    const rollout = this.#rolloutOf(this.#sql.rollout.get(deployment.model, Number(row?.rollout)))
    return { ...deployment, rollout } as Deployment
  }

  #rolloutOf(row: Row | undefined): Rollout {
    if (row === undefined) throw new Error('a deployment names a rollout that is not there')
    const policy = this.#policy(String(row.policy))
    if (policy === undefined) throw new Error(`policy ${row.policy} is not there`)
    return rolloutOf({ body: String(row.body), evidence: row.evidence as Uint8Array }, policy)
  }

  #policy(hash: string): Policy | undefined {
    return parsed<Policy>(this.#sql.policy.get(hash))
  }

  async rollouts({
    model,
    limit,
    before = Number.MAX_SAFE_INTEGER,
  }: {
    model: string
    limit: number
    before?: number
  }) {
    return this.#guarded(() =>
      this.#sql.rollouts.all(model, before, limit).map((row) => this.#rolloutOf(row)),
    )
  }

  async rolloutsOfPair(model: string, pair: string): Promise<Rollout[]> {
    return this.#guarded(() => this.#sql.rolloutsOfPair.all(model, pair).map((row) => this.#rolloutOf(row)))
  }

  async policy(hash: string): Promise<Policy | undefined> {
    return this.#guarded(() => this.#policy(hash))
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

  async setFreeze(next: Freeze, event: FreezeEvent): Promise<Outcome> {
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

  async bookmarks(): Promise<Map<string, Bookmark>> {
    return this.#guarded(
      () => new Map(this.#sql.bookmarks.all().map((row) => [String(row.name), parsed<Bookmark>(row)!])),
    )
  }

  async keepBookmark(name: string, bookmark: Bookmark): Promise<void> {
    this.#transaction(() => this.#sql.keepBookmark.run(name, JSON.stringify(bookmark)), false)
  }

  async forgetBookmark(name: string): Promise<void> {
    this.#transaction(() => this.#sql.forgetBookmark.run(name), false)
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  #freeze(): Freeze {
    return parsed<Freeze>(this.#sql.freeze.get())!
  }

  /** @param isDurable on disk before it is answered, as against in the order of commits */
  #transaction<T>(work: () => T, isDurable = true): T {
    return this.#guarded(() => {
      this.#database.exec(`PRAGMA synchronous = ${isDurable ? 'FULL' : 'NORMAL'}`)
      // IMMEDIATE: the lock comes before the first look, so that what is read is what is written over.
      this.#sql.begin.run()
      try {
        const result = work()
        this.#sql.end.run()
        return result
      } catch (error) {
        this.#policies.clear()
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
    read: sql('SELECT body, rollout FROM deployments WHERE model = ?'),
    readAll: sql('SELECT body, rollout FROM deployments ORDER BY model'),
    parent: sql('SELECT revision, evaluation FROM deployments WHERE model = ?'),
    write: sql(
      'INSERT OR REPLACE INTO deployments (model, revision, body, evaluation, rollout) VALUES (?, ?, ?, ?, ?)',
    ),
    evaluated: sql('UPDATE deployments SET evaluation = ? WHERE model = ?'),
    rollout: sql('SELECT policy, body, evidence FROM rollouts WHERE model = ? AND serial = ?'),
    rollouts: sql(
      'SELECT policy, body, evidence FROM rollouts WHERE model = ? AND serial < ? ORDER BY serial DESC LIMIT ?',
    ),
    rolloutsOfPair: sql(
      'SELECT policy, body, evidence FROM rollouts WHERE model = ? AND pair = ? ORDER BY serial DESC',
    ),
    insertRollout: sql(
      'INSERT INTO rollouts (model, serial, pair, policy, body, evidence) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    updateRollout: sql(
      'UPDATE rollouts SET body = ?, evidence = ?, policy = ? WHERE model = ? AND serial = ?',
    ),
    inputs: sql('SELECT inputs FROM mirror_inputs WHERE model = ? AND serial = ? ORDER BY through'),
    lastInput: sql('SELECT MAX(through) AS through FROM mirror_inputs WHERE model = ? AND serial = ?'),
    keepInputs: sql('INSERT INTO mirror_inputs (model, serial, through, inputs) VALUES (?, ?, ?, ?)'),
    forgetOldInputs: sql('DELETE FROM mirror_inputs WHERE model = ? AND serial = ? AND through <= ?'),
    forgetInputs: sql('DELETE FROM mirror_inputs WHERE model = ?'),
    keepPolicy: sql('INSERT OR IGNORE INTO policies VALUES (?, ?)'),
    policy: sql('SELECT body FROM policies WHERE hash = ?'),
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
    bookmarks: sql('SELECT name, body FROM bookmarks'),
    keepBookmark: sql('INSERT OR REPLACE INTO bookmarks (name, body) VALUES (?, ?)'),
    forgetBookmark: sql('DELETE FROM bookmarks WHERE name = ?'),
    forgetMany: sql(
      'DELETE FROM answers WHERE id IN (SELECT id FROM answers ORDER BY id DESC LIMIT -1 OFFSET ?)',
    ),
  }
}

type Row = Record<string, unknown>

function parsed<T>(row: Row | undefined): T | undefined {
  return row === undefined ? undefined : (JSON.parse(String(row.body)) as T)
}
