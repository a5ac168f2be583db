import { readFileSync } from 'node:fs'

/** A process and its descendants that run a program, by the end of its file's name: those of a gateway that answer, say. */
export function processesOf(pid: number, program: string): number[] {
  return familyOf(pid).filter((member) => runs(member, program))
}

/** A process with all its descendants. */
export function familyOf(pid: number): number[] {
  const children = (read(pid, `task/${pid}/children`) ?? '').trim().split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(familyOf)]
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
