import type { ChildProcess } from 'node:child_process'
import { log } from '@coalmine/contract/log.ts'

/** A process that could not be started has no exit, only an error; both are an end, told once. */
export function onEnd(child: ChildProcess, told: (how: string) => void): void {
  child.once('exit', (code, signal) => told(signal ? `was killed by ${signal}` : `exited with code ${code}`))
  child.on('error', (error: NodeJS.ErrnoException) => {
    if (child.pid === undefined) told(`could not be started (${error.code ?? error.message})`)
    else log.warn('a process cannot be reached', { pid: child.pid, error: error.message })
  })
}

/** Resolves when the process is gone; after `withinMs` it is killed. */
export function ended(child: ChildProcess, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve()
    const kill = setTimeout(() => child.kill('SIGKILL'), withinMs)
    child.once('exit', () => {
      clearTimeout(kill)
      resolve()
    })
  })
}
