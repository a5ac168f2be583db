import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hostUse } from '../fleet/host-use.ts'
import { cpuMs, isPinned, pinned, serverCoreMs } from '../machine.ts'
import { NoVerdict } from '../report.ts'
import { median } from '../rounds.ts'
import { tool } from '../tools.ts'

export interface LoadPlan {
  url: string
  /** One request body a line. */
  bodiesFile: string
  /** Requests in flight. */
  connections: number
  durationS: number
  /** Sent with every request beside the body's type. */
  headers?: Readonly<Record<string, string>>
  /** The process group whose processor time is counted; undefined leaves it NaN. */
  serverGroup?: number
  /** Counted instead of a whole group. */
  serverPids?: readonly number[]
  /** Not on a core of its own. */
  anywhere?: boolean
}

export interface Load {
  requestsPerS: number
  p50Ms: number
  p99Ms: number
  /** Processor time of the server for one request. Unlike the others it hardly sees a busy neighbour. */
  cpuUsPerRequest: number
  /** Share of the server's core that other programs had. */
  othersPercent: number
}

const SCRIPT = fileURLToPath(new URL('./rotate.lua', import.meta.url))
const run = promisify(execFile)

/** Loads a server with wrk for a fixed time. Throws NoVerdict when any answer was an error. */
export async function load({
  url,
  bodiesFile,
  connections,
  durationS,
  headers = {},
  serverGroup,
  serverPids,
  anywhere = false,
}: LoadPlan): Promise<Load> {
  const [program, ...args] = [
    ...(anywhere ? [] : pinned('load')),
    ...[tool('wrk'), '--threads', '1', '--connections', `${connections}`, '--duration', `${durationS}s`],
    ...['--timeout', '5s', '--script', SCRIPT, url, '--', bodiesFile],
    ...Object.entries(headers).flat(),
  ]
  const spent = () => ({
    serverMs: serverMs(serverGroup, serverPids),
    coreMs: serverCoreMs(),
    wallMs: performance.now(),
  })
  const before = spent()
  const finished = run(program!, args, { timeout: (durationS + 20) * 1000 })
  const interrupt = () => void finished.child.kill()
  process.once('exit', interrupt)
  const { stdout } = await finished.catch((error) => {
    throw new NoVerdict(`wrk failed against ${url}: ${error.stderr || error.message}`)
  })
  process.off('exit', interrupt)
  const after = spent()
  const spentMs = after.serverMs - before.serverMs
  const othersMs = after.coreMs - before.coreMs - spentMs
  const measured = /^measured (.+)$/m.exec(stdout)?.[1]
  if (measured === undefined) throw new NoVerdict(`wrk said nothing of use about ${url}:\n${stdout}`)
  const { requests, durationUs, p50Us, p99Us, refused, broken } = JSON.parse(measured)
  if (refused > 0 || broken > 0 || requests === 0) {
    throw new NoVerdict(
      `The run against ${url} is not valid: of ${requests} requests ${refused} were answered with an error status and ${broken} connections failed.`,
    )
  }
  return {
    requestsPerS: requests / (durationUs / 1e6),
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
    cpuUsPerRequest: (spentMs * 1000) / requests,
    othersPercent: (100 * Math.max(0, othersMs)) / (after.wallMs - before.wallMs),
  }
}

function serverMs(group: number | undefined, pids: readonly number[] | undefined): number {
  if (pids !== undefined) return hostUse(pids).cpuSeconds * 1000
  return group === undefined ? Number.NaN : cpuMs(group)
}

/** Above this share others' work is in the figures. */
const QUIET_PERCENT = 5

/** What the share that others had of the server's core means for figures; `loads` by row of the table. */
export function neighbourNote(loads: readonly (readonly Load[])[]): string {
  const most = Math.max(...loads.map((row) => median(row.map(({ othersPercent }) => othersPercent))))
  if (!isPinned() || !Number.isFinite(most)) return 'whether other programs disturbed the runs is not known'
  return most > QUIET_PERCENT
    ? `NOT QUIET: other programs had up to ${most.toFixed(0)} % of the server's core (others %); run it again on a quiet machine`
    : `quiet: other programs had at most ${most.toFixed(0)} % of the server's core`
}
