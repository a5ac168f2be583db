import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { log } from '@coalmine/contract/log.ts'
import type { WorkerReport, WorkerSpec, WorkerState } from '../messages.ts'
import { afterCrash, type Backoff, FRESH } from './backoff.ts'
import { ended, onEnd } from './process-end.ts'

const PROGRAM = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
/** How long a worker may take to answer what it has before it is killed. */
const STOP_MS = 12_000

interface Entry {
  spec: WorkerSpec
  child?: ChildProcess
  backoff: Backoff
  restart?: NodeJS.Timeout
  state: WorkerState
  reason?: string
}

/**
 * Owns the worker processes that control wants. A worker says `ready` on file descriptor 3 and learns of our
 * death by end-of-file on its standard input, so that none is left behind however this process ends.
 */
export class Workers {
  readonly #entries = new Map<string, Entry>()
  readonly #stopping = new Set<Promise<void>>()
  readonly #report: (report: WorkerReport) => void
  #closed = false

  constructor(report: (report: WorkerReport) => void) {
    this.#report = report
  }

  /** Starts what is missing, stops what is no longer wanted. Other settings are another id. */
  desire(specs: readonly WorkerSpec[]): void {
    if (this.#closed) return
    const wanted = new Set(specs.map(({ id }) => id))
    for (const [id, entry] of this.#entries) {
      if (!wanted.has(id)) this.#stop(entry)
    }
    for (const spec of specs) {
      if (this.#entries.has(spec.id)) continue
      const entry: Entry = { spec, backoff: FRESH, state: 'starting' }
      this.#entries.set(spec.id, entry)
      this.#start(entry)
    }
  }

  /** Ends a worker; as after any other end, it is started again. */
  restart(id: string, reason: string): void {
    const child = this.#entries.get(id)?.child
    if (!child) return
    log.warn('a worker is restarted', { worker: id, reason })
    child.kill('SIGKILL')
  }

  reports(): WorkerReport[] {
    return [...this.#entries.values()].map(reportOf)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const entry of this.#entries.values()) this.#stop(entry)
    await Promise.all(this.#stopping)
  }

  #start(entry: Entry): void {
    const { spec } = entry
    const child = spawn(
      process.execPath,
      [
        ...[PROGRAM, '--models', spec.modelsFolder, '--model', spec.model, '--version', spec.version],
        ...[
          '--socket',
          spec.socketPath,
          '--body-limit',
          String(spec.bodyBytes),
          '--instances',
          String(spec.instances),
        ],
        ...['--json-depth', String(spec.jsonDepth), '--json-keys', String(spec.jsonKeys)],
        ...['--ready-fd', '3', '--die-with-stdin'],
      ],
      {
        // A group of its own: Ctrl-C in the terminal is the supervisor's to handle, in its order.
        detached: true,
        stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
        env: environment(),
      },
    )
    entry.child = child
    this.#become(entry, 'starting')
    child.stdin?.on('error', () => {})
    // Absent where the process could not be started for want of descriptors.
    const ready = child.stdio?.[3] as Readable | undefined
    if (ready) {
      createInterface({ input: ready }).on('line', (line) => {
        if (entry.child === child) this.#heard(entry, line)
      })
    }
    onEnd(child, (how) => {
      if (entry.child !== child) return
      delete entry.child
      if (this.#closed || this.#entries.get(spec.id) !== entry) return
      const { waitMs, failed, next } = afterCrash(entry.backoff, performance.now())
      entry.backoff = next
      this.#become(entry, failed ? 'failed' : 'backoff', `${how}; next start in ${waitMs / 1000} s`)
      log.warn('a worker ended', { worker: spec.id, how, restartMs: waitMs })
      entry.restart = setTimeout(() => this.#start(entry), waitMs)
    })
  }

  #heard(entry: Entry, line: string): void {
    const said = parseReady(line)
    if (!said) return
    if (said.ready) this.#become(entry, 'ready')
    else this.#become(entry, 'not-ready', said.reason ?? 'the worker gave no reason')
  }

  #become(entry: Entry, state: WorkerState, reason?: string): void {
    entry.state = state
    if (reason === undefined) delete entry.reason
    else entry.reason = reason
    this.#report(reportOf(entry))
  }

  #stop(entry: Entry): void {
    this.#entries.delete(entry.spec.id)
    clearTimeout(entry.restart)
    this.#become(entry, 'stopped')
    const { child } = entry
    if (!child) return
    const gone = ended(child, STOP_MS)
    this.#stopping.add(gone)
    gone.then(() => this.#stopping.delete(gone))
    child.stdin?.end()
  }
}

/** A model needs no key of the gateway's. */
function environment(): NodeJS.ProcessEnv {
  const { COALMINE_ADMIN_TOKEN: _, COALMINE_ADMIN_TOKEN_FILE: __, ...rest } = process.env
  const { OTEL_SERVICE_NAME: name } = rest
  return {
    ...rest,
    // In a trace gateway and workers are two services.
    ...(name && { OTEL_SERVICE_NAME: `${name}-worker` }),
    ORT_DISABLE_TELEMETRY: '1',
  }
}

function reportOf({ spec, child, state, reason }: Entry): WorkerReport {
  return {
    kind: 'worker',
    id: spec.id,
    state,
    ...(child?.pid === undefined ? {} : { pid: child.pid }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function parseReady(line: string): { ready: boolean; reason?: string } | undefined {
  try {
    const said = JSON.parse(line)
    return typeof said.ready === 'boolean' ? said : undefined
  } catch {
    return undefined
  }
}
