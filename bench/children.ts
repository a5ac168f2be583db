import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Place, pinned } from './machine.ts'
import { NoVerdict } from './report.ts'

export interface Child {
  name: string
  /** The process and the group of its descendants have this number. */
  pid: number
  alive(): boolean
  /** What it printed last, for a failure's message. */
  output(): string
  /** Waits until `GET path` is answered with 200. Throws NoVerdict when the child ends or the time is over. */
  ready(url: string, timeoutMs?: number): Promise<void>
  stop(): Promise<void>
}

const OUTPUT_BYTES = 4_000
const STOP_MS = 10_000

/** The processes that this benchmark started; nothing else is ever ended. */
class Children {
  readonly #running = new Set<Child>()
  #over = false

  /**
   * Starts a program in a process group of its own, so that its descendants end with it.
   *
   * @param place the core it is pinned to; undefined leaves that to the system
   */
  spawn(
    name: string,
    command: readonly string[],
    place?: Place,
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ): Child {
    if (this.#over) throw new NoVerdict(`interrupted before ${name} was started`)
    const [program, ...args] = [...(place === undefined ? [] : pinned(place)), ...command]
    const process = spawn(program!, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_BYTES)
    }
    process.stdout!.on('data', keep)
    process.stderr!.on('data', keep)
    process.once('error', (error) => keep(Buffer.from(error.message)))
    const child: Child = {
      name,
      pid: process.pid ?? 0,
      alive: () => isAlive(process),
      output: () => output.trim(),
      ready: (url, timeoutMs = 30_000) => answers(child, url, timeoutMs),
      stop: async () => {
        this.#running.delete(child)
        await end(process)
      },
    }
    this.#running.add(child)
    return child
  }

  /** Ends every child, the last started first; no other can be started any more. */
  async stop(): Promise<void> {
    this.#over = true
    for (const child of [...this.#running].toReversed()) await child.stop()
  }
}

export const children = new Children()

async function answers(child: Child, url: string, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs
  while (performance.now() < end) {
    if (!child.alive()) throw new NoVerdict(`${child.name} ended before it was ready:\n${child.output()}`)
    const ok = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      async (answer) => {
        await answer.arrayBuffer()
        return answer.ok
      },
      () => false,
    )
    if (ok) return
    await delay(50)
  }
  throw new NoVerdict(`${child.name} was not ready within ${timeoutMs / 1000} s:\n${child.output()}`)
}

function isAlive({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null
}

async function end(process: ChildProcess): Promise<void> {
  if (process.pid === undefined) return
  if (isAlive(process)) {
    const exit = once(process, 'exit')
    signal(process.pid, 'SIGTERM')
    await Promise.race([exit, delay(STOP_MS, undefined, { ref: false })])
  }
  // What a crashed or stubborn parent left behind in its group.
  signal(process.pid, 'SIGKILL')
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    globalThis.process.kill(-group, name)
  } catch {
    // The group is gone.
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
