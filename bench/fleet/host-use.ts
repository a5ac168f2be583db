import { readFileSync } from 'node:fs'

/** What processes use together. */
export interface HostUse {
  readonly processes: number
  /** Pages that several share are counted once. */
  readonly memoryMb: number
  readonly cpuSeconds: number
}

/** /proc counts processor time in these; USER_HZ is 100 on every Linux. */
const TICKS_A_SECOND = 100

/** Sums over /proc; what has ended, and everything where there is no /proc, counts nothing. */
export function hostUse(pids: readonly number[]): HostUse {
  let processes = 0
  let memoryKb = 0
  let ticks = 0
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // utime and stime: fields 14 and 15 of proc(5), counted from the state (3) here.
      ticks += Number(fields[11]) + Number(fields[12])
      memoryKb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))![1])
      processes++
    } catch {}
  }
  return { processes, memoryMb: memoryKb / 1024, cpuSeconds: ticks / TICKS_A_SECOND }
}
