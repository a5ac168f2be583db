import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { onPath } from './tools.ts'

/** One line about the machine, for the reader of the figures. */
export function machineLine(): string {
  const cores = os.availableParallelism()
  const model = os.cpus()[0]?.model.trim() ?? os.arch()
  const memory = (os.totalmem() / 1024 ** 3).toFixed(1)
  const load = os.loadavg()[0]!.toFixed(2)
  return `${model}, ${cores} cores, ${memory} GiB, ${os.type()} ${os.release()}, Node ${process.versions.node}, load ${load} at the start`
}

/** What runs where. The server has a core of its own; what loads it and what stands behind it do not share it. */
export type Place = 'server' | 'load' | 'upstream'

/** As they were at the start: moved to one, this program would be told of one. */
const cores = os.availableParallelism()

/** `taskset -c N` for a place; nothing where there is one core, or no taskset. */
export function pinned(place: Place): string[] {
  if (cores < 2 || onPath('taskset') === undefined) return []
  const core = { server: SERVER_CORE, load: 1, upstream: cores > 2 ? 2 : 1 }[place]
  return ['taskset', '-c', String(core)]
}

/** Moves this program, and what it starts from now on, to a place or back to all cores. */
export function moveTo(place: Place | 'anywhere'): void {
  if (!isPinned()) return
  const those = place === 'anywhere' ? `0-${os.cpus().length - 1}` : pinned(place).at(-1)!
  execFileSync('taskset', ['-a', '-c', '-p', those, `${process.pid}`])
}

export const isPinned = (): boolean => pinned('server').length > 0

/** /proc counts processor time in these; USER_HZ is 100 on every Linux. */
const TICK_MS = 10
const SERVER_CORE = 0

/** Processor time in ms that a process group has used so far; NaN where there is no /proc. */
export function cpuMs(group: number): number {
  let ticks = 0
  let found = false
  let processes: string[]
  try {
    processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return Number.NaN
  }
  for (const pid of processes) {
    const stat = statOf(pid)
    if (stat === undefined || Number(stat[2]) !== group) continue
    found = true
    // utime and stime: fields 14 and 15 of proc(5), counted from the state (3) here.
    ticks += Number(stat[11]) + Number(stat[12])
  }
  return found ? ticks * TICK_MS : Number.NaN
}

/**
 * Processor time in ms that the server's core has spent so far on programs, ours and others', and on waiting for
 * the host of a virtual machine; NaN where there is no /proc. Interrupts are left out: much of that is our load.
 */
export function serverCoreMs(): number {
  try {
    const fields = new RegExp(`^cpu${SERVER_CORE} (.+)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))![1]!
    const [user, nice, system, , , , , steal] = fields.trim().split(/\s+/).map(Number)
    return (user! + nice! + system! + steal!) * TICK_MS
  } catch {
    return Number.NaN
  }
}

/** The fields of /proc/PID/stat behind the name, which may hold spaces; undefined for a process that is gone. */
function statOf(pid: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
