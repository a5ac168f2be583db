// First, before anything can load ONNX Runtime.
import './telemetry-off.ts'
import { closeSync, fstatSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { log, logWritten } from '@coalmine/contract/log.ts'
import { HELP, parseSettings, type Settings, SettingsError } from './settings.ts'
import { workerTracer } from './tracing/worker-tracer.ts'
import { startWorker, type Worker } from './worker.ts'

/** Kubernetes, ECS and Cloud Run kill after 10 s at the earliest; connections still open by then are cut. */
const DRAIN_MS_MAX = 9_000
const BAD_SETTINGS = 2

const args = process.argv.slice(2)
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(HELP)
  process.exit(0)
}

process.on('uncaughtException', (error) => {
  log.error('crashed', { error: String(error), stack: error?.stack })
  void logWritten().then(() => process.exit(1))
})
const settings = settingsOrExit()
let worker: Worker
let exiting = false

try {
  const lost = (reason: string) => {
    log.error('the model is lost', { reason })
    void logWritten().then(() => process.exit(1))
  }
  worker = await startWorker(settings, log, lost, await workerTracer(settings, process.env))
} catch (error) {
  report({ ready: false, reason: (error as Error).message })
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (exiting) process.exit(128 + constants.signals[signal])
    exit(signal)
  })
}
if (settings.dieWithStdin) {
  process.stdin.on('end', () => exit('end of standard input'))
  process.stdin.on('error', () => exit('end of standard input'))
  process.stdin.resume()
}
worker.readiness.then(report)

/** Drains, then exits 0; a drain that takes too long is cut. */
function exit(because: string) {
  if (exiting) return
  exiting = true
  log.info('draining', { because })
  setTimeout(() => {
    log.warn('requests were still in flight', { drainMsMax: DRAIN_MS_MAX })
    process.exit(0)
  }, DRAIN_MS_MAX).unref()
  worker.drain().then(() => {
    log.info('stopped')
    void logWritten().then(() => process.exit(0))
  })
}

function settingsOrExit(): Settings {
  try {
    const settings = parseSettings(args, process.env)
    if (settings.readyFd !== undefined && !isOpen(settings.readyFd)) {
      throw new SettingsError([`--ready-fd ${settings.readyFd} is not an open file descriptor.`])
    }
    return settings
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(BAD_SETTINGS)
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** One line on the descriptor that the starter gave, once. */
function report(readiness: { ready: boolean; address?: string; reason?: string }) {
  const { readyFd } = settings
  if (readyFd === undefined) return
  const line = readiness.ready ? { ready: true, pid: process.pid, address: readiness.address } : readiness
  try {
    writeSync(readyFd, `${JSON.stringify(line)}\n`)
    if (readyFd > 2) closeSync(readyFd)
  } catch (error) {
    log.warn('nobody reads the ready line', { error: String(error) })
  }
}
