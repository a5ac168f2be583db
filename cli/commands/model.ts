import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { CommandError } from '../exit-code.ts'
import { parseModelUri } from '../mlflow/model-uri.ts'
import { TrackingClient } from '../mlflow/tracking-client.ts'
import { paint } from '../text.ts'

const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
const READY_FD = 3

export function modelCommand(program: Command, context: Context): void {
  const model = program.command('model').summary('check and import versions; needs no gateway')
  importCommand(model, context)
  model
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

function importCommand(model: Command, context: Context): void {
  model
    .command('import')
    .summary('a version from a registry into the models folder')
    .command('mlflow')
    .summary('a registered version of an MLflow server')
    .description(
      'Fetches the ONNX file of a registered version, drafts its manifest from the file and the signature, notes run, parameters, metrics and data in its provenance, and checks in a worker that it can be served, before it is there. Credentials: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.',
    )
    .argument('<uri>', 'models:/NAME/VERSION, or models:/NAME@ALIAS')
    .option('--tracking-uri <uri>', 'of the server (or MLFLOW_TRACKING_URI)')
    .option('--models <folder>', 'where versions lie', 'models')
    .option('--name <name>', 'of the model here')
    .option('--version <version>', 'here; the number in the registry unless said')
    .option('--tag', 'tag the version in the registry with model, version and digest here')
    .addHelpText(
      'after',
      '\nExample:\n  coalmine model import mlflow models:/churn@champion --tracking-uri http://127.0.0.1:5000',
    )
    .action(async (uri: string, flags: ImportFlags, command: Command) => {
      // Here, as the other commands have no use for ONNX Runtime.
      const { importModel } = await import('../mlflow/import-model.ts')
      const client = new TrackingClient(flags.trackingUri, process.env)
      const imported = await importModel(client, parseModelUri(uri), {
        ...{ modelsFolder: flags.models, name: flags.name, version: flags.version, tag: flags.tag },
        fault: unreadiness,
      })
      context.print(command, imported, () => [
        `${paint('green', '✔')} ${imported.model} ${imported.version} is in ${imported.folder}`,
        ...imported.notes.map((note) => paint('yellow', `note: ${note}`)),
      ])
    })
}

interface ImportFlags {
  trackingUri?: string
  models: string
  name?: string
  version?: string
  tag?: boolean
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
