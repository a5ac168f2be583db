import { randomUUID } from 'node:crypto'
import { closeServer, httpServer, listen } from '../http-server.ts'
import { log } from '../log.ts'
import type { DownMessage, UpMessage } from '../messages.ts'
import { explain } from '../supervisor/ports.ts'
import { dataApp } from './app.ts'
import { DataPlane } from './data-plane.ts'

/** One data process: port 8080. It is told what to do by messages and waits for nobody. */
const METRICS_MS = 1_000
/** Answers may take this long after the end was announced. */
const DRAIN_MS = 25_000

const address = JSON.parse(process.env.COALMINE_DATA_LISTEN ?? '{"host":"127.0.0.1","port":8080}')
const send = (message: UpMessage | { kind: 'ready' } | { kind: 'fatal'; reason: string }) => {
  if (process.connected) process.send?.(message)
}

const incarnation = randomUUID()
const plane = new DataPlane({ report: send })
const server = httpServer(dataApp(plane))
const metrics = setInterval(sendMetrics, METRICS_MS)

process.on('message', (message: (DownMessage & { ageMs: number }) | { kind: 'drain' }) => {
  if (message.kind === 'drain') void drain()
  else {
    plane.apply(message, message.ageMs)
    sayReady()
  }
})
process.on('disconnect', () => void drain())
process.on('SIGTERM', () => void drain())
// Ctrl-C reaches the whole group; the supervisor says when to end.
process.on('SIGINT', () => {})

try {
  await listen(server, address)
} catch (error) {
  send({ kind: 'fatal', reason: explain('listen.data', address, error as NodeJS.ErrnoException) })
}

let saidReady = false

function sayReady(): void {
  if (saidReady || !plane.ready()) return
  saidReady = true
  send({ kind: 'ready' })
}

function sendMetrics(): void {
  send({ kind: 'metrics', incarnation, snapshot: plane.recorder.snapshot() })
}

async function drain(): Promise<void> {
  if (plane.draining) return
  plane.draining = true
  log.info('draining', { inFlight: plane.recorder.inFlight })
  await closeServer(server, DRAIN_MS)
  clearInterval(metrics)
  sendMetrics()
  await plane.close()
  process.disconnect?.()
  process.exit(0)
}
