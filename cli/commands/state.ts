import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import net from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { parse } from 'yaml'
import { confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { fileFault } from '../file-fault.ts'

const CONFIG = 'config/gateway.yaml'
const DEFAULT_STORE = 'sqlite:./data/coalmine.db'
/** SQLite's own files beside a database. */
const COMPANIONS = ['', '-wal', '-shm']

export function stateCommand(program: Command, context: Context): void {
  program
    .command('state')
    .summary('what a gateway on this machine remembers; needs none to run')
    .command('reset')
    .summary('begin anew: rollouts, decisions and what is stable are put aside')
    .description(
      'Renames the store of a gateway that does not run; the next start begins with `initial` of each model. Nothing is deleted. Asks on a terminal; elsewhere say --yes.',
    )
    .option('--config <file>', 'configuration of the gateway', CONFIG)
    .option('-y, --yes', 'do not ask')
    .action(async ({ config, yes }: { config: string; yes?: true }, command: Command) => {
      const store = storeOf(config)
      if (!existsSync(store))
        throw new CommandError(`there is no store at ${store}: there is nothing to reset`)
      if (await isRunning(dirname(store)))
        throw new CommandError(`a gateway is running with ${store}: stop it first`)
      await confirmed(yes, `Forget every rollout and decision of ${store}?`)
      const aside = `${store}.${nextNumber(store)}`
      for (const companion of COMPANIONS)
        if (existsSync(store + companion)) renameSync(store + companion, aside + companion)
      context.print(command, { store, aside }, () => [`${store} is now ${aside}; the next start begins anew`])
    })
}

/** The path of the store that a configuration names. */
function storeOf(config: string): string {
  let text: string
  try {
    text = readFileSync(config, 'utf8')
  } catch (error) {
    throw fileFault(config, error as Error)
  }
  const written = (parse(text) as { store?: unknown } | null)?.store ?? DEFAULT_STORE
  const path = typeof written === 'string' ? /^sqlite:(.+)$/.exec(written)?.[1] : undefined
  if (path === undefined || path === ':memory:')
    throw new CommandError(
      `${config}: store: expected sqlite:PATH, found ${JSON.stringify(written)}`,
      EXIT.usage,
    )
  // As the gateway resolves it: beside the folder that holds the configuration.
  return resolve(dirname(resolve(config)), '..', path)
}

/** The gateway's lock is a socket that it listens on. */
function isRunning(folder: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = net.connect(join(folder, 'run', 'gateway.sock'))
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

function nextNumber(store: string): number {
  const numbers = readdirSync(dirname(store))
    .filter((name) => name.startsWith(`${basename(store)}.`))
    .map((name) => Number(name.slice(basename(store).length + 1)))
    .filter(Number.isInteger)
  return Math.max(0, ...numbers) + 1
}
