import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { NoVerdict } from './report.ts'

/** How each tool that npm does not bring is installed. */
const INSTALL = {
  wrk: 'apt-get install wrk',
  nginx: 'apt-get install nginx-light',
  haproxy: 'apt-get install haproxy',
  python3: 'apt-get install python3-venv',
} as const

/** The path of a program, or undefined. Debian keeps nginx where only root's PATH looks. */
export function onPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

/** The path of a program. Throws NoVerdict with the command that installs it. */
export function tool(program: keyof typeof INSTALL): string {
  const path = onPath(program)
  if (path === undefined)
    throw new NoVerdict(`${program} is needed and not installed. Debian and Ubuntu: ${INSTALL[program]}`)
  return path
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
