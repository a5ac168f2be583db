import { readdirSync, readFileSync } from 'node:fs'

/** The processes of a group that run a program, by the end of its file's name: those of a gateway that answer, say. */
export function processesOf(group: number, program: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => groupOf(pid) === group && runs(pid, program))
}

/** Every process of a group. */
export function groupMembers(group: number): number[] {
  return processesOf(group, '')
}

function groupOf(pid: number): number | undefined {
  const text = read(pid, 'stat')
  // The name before may hold spaces: fields count from behind it, the group is the third.
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[2])
}

function runs(pid: number, program: string): boolean {
  return (read(pid, 'cmdline') ?? '').split('\0').some((part) => part.endsWith(program))
}

function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
