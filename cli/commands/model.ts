import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { CommandError } from '../exit-code.ts'
import { paint } from '../text.ts'

const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
const READY_FD = 3

export function modelCommand(program: Command, context: Context): void {
  program
    .command('model')
    .summary('check versions; needs no gateway')
    .command('verify')
    .summary('is a version complete, unchanged, and does it answer as its training framework did?')
    .description(
      'Checks manifest and hashes, loads the model in a worker as it would be served, and has it answer its golden records. 0 when all is good, 1 otherwise.',
    )
    .argument('<model>')
    .argument('<version>')
    .option('--models <folder>', 'where versions lie', 'models')
    .addHelpText(
      'after',
      '\nExample, before publishing:\n  coalmine model verify churn 1.2.0 --models build/models',
    )
    .action(async (model: string, version: string, { models }: { models: string }, command: Command) => {
      const folder = await loadModelFolder(models, model, version).catch((error: Error) => {
        throw new CommandError(error.message)
      })
      const reason = await unreadiness(models, model, version)
      if (reason !== undefined) throw new CommandError(`${join(models, model, version)}: ${reason}`)
      const { digest } = folder
      context.print(command, { model, version, digest, good: true }, () => [
        `${paint('green', '✔')} ${model} ${version} is good: ${digest}`,
      ])
    })
}

/** Why a worker would not serve it; undefined when it would. */
async function unreadiness(models: string, model: string, version: string): Promise<string | undefined> {
  const flags = ['--models', models, '--model', model, '--version', version, '--port', '0']
  const worker = spawn(
    process.execPath,
    [WORKER, ...flags, '--ready-fd', `${READY_FD}`, '--die-with-stdin'],
    {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    },
  )
  const ended = once(worker, 'exit')
  const said = worker.stdio[READY_FD] as NodeJS.ReadableStream
  const line = await Promise.race([firstLine(said), ended.then(() => undefined)])
  worker.stdin!.end()
  await ended
  if (line === undefined) return 'the worker ended before it was ready'
  const { ready, reason } = JSON.parse(line) as { ready: boolean; reason?: string }
  return ready ? undefined : (reason ?? 'the worker did not become ready')
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string | undefined> {
  let read = ''
  for await (const chunk of stream) {
    read += chunk
    const end = read.indexOf('\n')
    if (end >= 0) return read.slice(0, end)
  }
  return read === '' ? undefined : read
}
