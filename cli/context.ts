import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AdminClient } from './admin-client.ts'
import { CommandError, EXIT } from './exit-code.ts'
import { fileFault } from './file-fault.ts'

/** The admin API of a gateway that runs on this machine as it is shipped. */
export const DEFAULT_URL = 'http://127.0.0.1:8090'

/** What every command may ask for. */
export interface Context {
  /** Of the gateway that the command line or COALMINE_URL names. Throws a CommandError for a setting at fault. */
  client(command: Command): AdminClient
  /** Prints one answer: as JSON where that is asked for, else as its lines. */
  print(command: Command, view: unknown, lines: () => readonly string[]): void
}

interface GlobalOptions {
  url?: string
  tokenFile?: string
  json?: boolean
}

export function contextOf(env: NodeJS.ProcessEnv): Context {
  const options = (command: Command) => command.optsWithGlobals<GlobalOptions>()
  return {
    client(command) {
      const { url = env.COALMINE_URL || DEFAULT_URL, tokenFile } = options(command)
      return new AdminClient({
        url: checked(url),
        token: tokenFile ? tokenOf(tokenFile) : env.COALMINE_TOKEN || undefined,
      })
    },
    print(command, view, lines) {
      const text = options(command).json ? JSON.stringify(view, undefined, 2) : lines().join('\n')
      process.stdout.write(`${text}\n`)
    },
  }
}

function checked(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw new CommandError(
      `the address of the gateway is a URL such as ${DEFAULT_URL}, not ${url}`,
      EXIT.usage,
    )
  if (parsed.username !== '' || parsed.password !== '')
    throw new CommandError('an address holds no credentials: use COALMINE_TOKEN or --token-file', EXIT.usage)
  return url.replace(/\/+$/, '')
}

function tokenOf(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw fileFault(`--token-file ${file}`, error as Error)
  }
  if (text === '' || /\s/.test(text))
    throw new CommandError(`--token-file ${file}: expected one token`, EXIT.usage)
  return text
}
