import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { log, logWritten } from '@coalmine/contract/log.ts'
import { readConfig } from './config/read-config.ts'
import { onCrash } from './crash.ts'
import { stateFolderOf } from './state-folder.ts'
import { lockFolder } from './supervisor/lock.ts'
import { assertPortsFree } from './supervisor/ports.ts'
import { Supervisor } from './supervisor/supervisor.ts'
import { UncleanEnds } from './supervisor/unclean-ends.ts'
import { readCertificate } from './tls/certificate.ts'
import { welcome } from './welcome.ts'

const HELP = `Usage: node gateway/main.ts [--config FILE]

Starts the gateway: the data port, the admin API, metrics, and the workers of models with runtime process.

  --config FILE  the configuration (default: config/gateway.yaml)
`

const WELCOME_MS = 15_000
/** A second signal ends at once; one that comes sooner is the first, passed on by npm to the group that had it. */
const IMPATIENT_MS = 500

onCrash()
const options = readArguments()
const config = await orEnd(() => readConfig(options.config, process.env))
await orEnd(() =>
  assertPortsFree({
    'listen.admin': config.listen.admin,
    'listen.metrics': config.listen.metrics,
  }),
)
const lock = await orEnd(() => lockFolder(stateFolderOf(config)))

for (const [port, files] of Object.entries(config.tls))
  await orEnd(() => readCertificate(files, `tls.${port}`))

process.env.COALMINE_CONFIG = options.config
// Before control has spoken: what comes to the port must not be read as clear text.
process.env.COALMINE_DATA_TLS = config.tls.data ? JSON.stringify(config.tls.data) : ''
const uncleanEnds = new UncleanEnds(join(stateFolderOf(config), 'ends.json'), Date.now())
const supervisor = new Supervisor({ dataProcesses: config.processes, uncleanEnds })
await orEnd(() => supervisor.start(config.listen.data))

let stoppedMs: number | undefined
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    const nowMs = performance.now()
    if (stoppedMs === undefined) {
      stoppedMs = nowMs
      log.info('stopping: answering what is in flight', { signal })
      void supervisor.stop()
    } else if (nowMs - stoppedMs > IMPATIENT_MS) process.exit(130)
  })
}

// Nobody's connection is lost by it: each process is replaced by one that serves before it goes.
process.on('SIGHUP', () => void supervisor.restartData())

// A model that never becomes ready must not keep the others' users waiting for a word.
void Promise.race([supervisor.ready.then(() => true), wait(WELCOME_MS, false, { ref: false })]).then(
  async (ready) => process.stdout.write(await welcome(config, ready)),
)
const reason = await supervisor.exited
await lock.release()
await logWritten()
if (reason !== undefined) end(reason, 1)
process.exit(0)

function readArguments(): { config: string } {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', default: 'config/gateway.yaml' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    const config = resolve(values.config)
    if (!existsSync(config)) end(`there is no configuration file ${config}`, 2)
    return { config }
  } catch (error) {
    return end(`${(error as Error).message}\n\n${HELP}`, 2)
  }
}

/** What cannot be started is one clear sentence and an exit, never a stack. */
async function orEnd<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    return end((error as Error).message, 2)
  }
}

function end(message: string, code: number): never {
  process.stderr.write(`coalmine: ${message}\n`)
  process.exit(code)
}
