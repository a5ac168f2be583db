import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { droppedLogLines, log, logWritten } from '@coalmine/contract/log.ts'
import { onCrash } from '../crash.ts'
import { TlsFront } from '../http1/tls-front.ts'
import type { DataMessage, TakenMessage, UpMessage } from '../messages.ts'
import { type CertificateFiles, readCertificate, watchCertificate } from '../tls/certificate.ts'
import { DataPlane } from './data-plane.ts'
import { dataServer } from './data-server.ts'
import { sampleLoad } from './load-sampler.ts'
import { type LoadReading, levelOf } from './overload.ts'
import { StallWatch } from './stall-watch.ts'
import { tracerOf } from './tracing/tracer.ts'

/** One data process: answers the connections it is given by the tables it was told, and waits for nobody. */
const METRICS_MS = 1_000
/** Control waits for the slowest process before it looks at a second of evidence. */
const FLUSH_MS = 200
const SPANS_MS = 1_000
/** Answers may take this long after the end was announced. */
const DRAIN_MS = 25_000
/** The same, of a process that has crashed: first its answers close their connections, then it closes the idle ones. */
const CRASH_LAME_DUCK_MS = 1_000
const CRASH_DRAIN_MS = 4_000

const send = (message: UpMessage | TakenMessage | { kind: 'serving' | 'ready' | 'crashed' }) => {
  // The callback takes the error of a supervisor that is gone; the end comes by `disconnect`.
  if (process.connected) process.send?.(message, () => {})
}

const incarnation = randomUUID()
const plane = new DataPlane({ report: send })
plane.tracer = await tracerOf(process.env)
const server = dataServer(plane)
/** Of the data port; undefined where it speaks in clear text. */
const files: CertificateFiles | undefined = JSON.parse(process.env.COALMINE_DATA_TLS || 'null') ?? undefined
const front = files && (await tlsFront(files))
let saidReady = false
let ending = false

onCrash(async () => {
  send({ kind: 'crashed' })
  plane.draining = true
  await wait(CRASH_LAME_DUCK_MS)
  await server.drain(CRASH_DRAIN_MS)
})

process.on('message', (message: DataMessage, socket?: Socket) => {
  switch (message.kind) {
    case 'connection':
      send({ kind: 'taken', number: message.number })
      // Gone already if the client left on the way here.
      if (socket) (front ?? server).adopt(socket)
      return
    case 'lame-duck':
      plane.draining = true
      return
    case 'drain':
      void end()
      return
    default:
      plane.apply(message, message.ageMs)
      server.settings = plane.listener
      if (!saidReady && plane.allReady()) {
        saidReady = true
        send({ kind: 'ready' })
      }
  }
})
process.on('disconnect', () => void end())
// A signal to the whole group is the supervisor's to handle: it says when to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

const metrics = setInterval(sendMetrics, METRICS_MS)
const load = sampleLoad(protect)
const stalls = new StallWatch(FLUSH_MS, plane.nowMs())
const flushes = setInterval(() => plane.flush(stalls.turned(plane.nowMs())), FLUSH_MS)
const spans = setInterval(() => plane.tracer?.queue.flush(), SPANS_MS)
send({ kind: 'serving' })
// The supervisor may have died before `disconnect` was listened for.
if (!process.connected) void end()

function protect(reading: LoadReading): void {
  const before = levelOf(plane.overload.protection)
  const level = levelOf(plane.overload.read(reading))
  if (level === before || (level !== 'shed' && before !== 'shed')) return
  log.warn(level === 'shed' ? 'predictions are refused for overload' : 'predictions are taken again', {
    loopDelayMs: Math.round(reading.loopDelayMs),
    heapShare: Number(reading.heapShare.toFixed(3)),
  })
}

function port() {
  return {
    connections: server.connections,
    droppedConnections: server.dropped,
    droppedLogLines: droppedLogLines(),
  }
}

function sendMetrics(): void {
  send({ kind: 'metrics', incarnation, snapshot: plane.snapshot(port()) })
}

/** Whatever cannot be read ends a new process before it gets a connection: those before it stay. */
async function tlsFront(files: CertificateFiles): Promise<TlsFront> {
  try {
    const certificate = await readCertificate(files, 'tls.data')
    const front = new TlsFront(server, certificate)
    watchCertificate(files, 'tls.data', { last: certificate, onNew: (pair) => front.use(pair) })
    return front
  } catch (error) {
    log.error('a data process cannot serve', { problem: (error as Error).message })
    process.exit(1)
  }
}

async function end(): Promise<void> {
  if (ending) return
  ending = true
  plane.draining = true
  log.info('draining', { inFlight: plane.recorder.inFlight })
  await front?.settled()
  await server.drain(DRAIN_MS)
  clearInterval(metrics)
  load.stop()
  clearInterval(flushes)
  clearInterval(spans)
  sendMetrics()
  plane.flush()
  await plane.close()
  await logWritten()
  process.exit(0)
}
