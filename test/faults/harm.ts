import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'
import type { Clock } from './clock.ts'
import { broken, emptied, miscounted, notFinite, shifted } from './content.ts'
import type { Harm } from './fault.ts'
import { type Answer, headerOf, withHeader } from './forward.ts'
import { breakFrame } from './link-frame.ts'
import { breakWire } from './wire.ts'

const JSON_TYPE = ['content-type', 'application/json']
const PAGE = '<!doctype html><title>Welcome</title><h1>It works!</h1>\n'
const BOMB = gzipSync(Buffer.alloc(32 * 1024 * 1024, ' '))
const SPACES = Buffer.alloc(64 * 1024, ' ')

/** Harms for which the worker need not be asked. */
type Blunt = Extract<Harm, { kind: 'errors' | 'status' | 'hang' | 'reset' | 'html' }>
/** Harms of what the worker answered. */
type Twist = Exclude<Harm, Blunt>

export function isBlunt(harm: Harm): harm is Blunt {
  return ['errors', 'status', 'hang', 'reset', 'html'].includes(harm.kind)
}

/** Harms a prediction that the worker never hears of. */
export function refuse(outgoing: ServerResponse, harm: Blunt): void {
  switch (harm.kind) {
    case 'errors':
      return pass(outgoing, said(500, JSON_TYPE, '{"error":"model error"}'))
    case 'status': {
      const { status, retryAfterS } = harm
      const headers = retryAfterS === 0 ? JSON_TYPE : [...JSON_TYPE, 'retry-after', `${retryAfterS}`]
      return pass(outgoing, said(status, headers, `{"error":"a fault of status ${status}"}`))
    }
    case 'html':
      return pass(outgoing, said(200, ['content-type', 'text/html; charset=utf-8'], PAGE))
    case 'hang':
      return
    case 'reset':
      return reset(outgoing.socket)
  }
}

/** One prediction whose answer is to be harmed. */
interface Harmed {
  outgoing: ServerResponse
  answer: Answer
  /** How long the worker took. */
  workerMs: number
  clock: Clock
  /** Aborts when the client is gone. */
  signal: AbortSignal
}

/**
 * Sends the worker's answer, harmed. What is wrong with an answer's content befalls good answers alone: those of
 * another status go through as they are.
 */
export async function twist(
  harm: Twist,
  { outgoing, answer, workerMs, clock, signal }: Harmed,
): Promise<void> {
  switch (harm.kind) {
    case 'slow':
      await clock.wait((harm.factor - 1) * workerMs + harm.addMs, signal)
      return pass(outgoing, answer)
    case 'reset-mid':
      head(outgoing, answer)
      outgoing.write(half(answer), () => reset(outgoing.socket))
      return
    case 'cut': {
      // Without chunks and without a length, the end of the connection is the end of the answer.
      outgoing.useChunkedEncodingByDefault = false
      head(outgoing, { ...answer, headers: withHeader(answer.headers, 'content-length', undefined) })
      outgoing.end(half(answer))
      return
    }
    case 'encoded':
      return pass(outgoing, encoded(answer, harm.times))
    case 'wire':
      return breakWire(outgoing.socket!, harm.form, answer)
    case 'frame':
      return pass(outgoing, isCall(answer) ? breakFrame(answer, harm.form) : answer)
    case 'trickle':
      head(outgoing, answer)
      for (const byte of answer.body) {
        outgoing.write(Uint8Array.of(byte))
        await clock.wait(harm.byteMs, signal)
      }
      outgoing.end()
      return
  }
  if (answer.status !== 200) return pass(outgoing, answer)
  if (harm.kind === 'huge') return inflate(outgoing, answer, harm.bytes)
  pass(outgoing, changed(harm, answer))
}

type ContentHarm = Extract<Harm, { kind: 'garbage' | 'empty' | 'nan' | 'rows' | 'shift' }>

function changed(harm: ContentHarm, answer: Answer): Answer {
  switch (harm.kind) {
    case 'garbage':
      return broken(answer)
    case 'empty':
      return emptied(answer)
    case 'nan':
      return notFinite(answer, harm.word)
    case 'rows':
      return miscounted(answer, harm.by)
    case 'shift':
      return shifted(answer, harm.by)
  }
}

/** Sends an answer as it is. */
export function pass(outgoing: ServerResponse, answer: Answer): void {
  head(outgoing, answer)
  outgoing.end(answer.body)
}

/** Ends a connection as a process that dies does: on a Unix socket, which has no resets, by closing it. */
export function reset(socket: Socket | null): void {
  if (socket?.remoteAddress === undefined) socket?.destroy()
  else socket.resetAndDestroy()
}

async function inflate(outgoing: ServerResponse, answer: Answer, bytes: number): Promise<void> {
  head(outgoing, { ...answer, headers: withHeader(answer.headers, 'content-length', `${bytes}`) })
  function* parts() {
    yield answer.body.subarray(0, bytes)
    for (let left = bytes - answer.body.length; left > 0; left -= SPACES.length)
      yield SPACES.subarray(0, left)
  }
  await pipeline(Readable.from(parts()), outgoing)
}

function head(outgoing: ServerResponse, { status, statusText, headers }: Answer): void {
  // The worker's own date goes through, or none.
  outgoing.sendDate = false
  outgoing.writeHead(status, ...(statusText === '' ? [] : [statusText]), headers)
}

/** Once it is a bomb, oftener the worker's own bytes: whoever goes by the header unpacks them in vain. */
function encoded(answer: Answer, times: number): Answer {
  const body = times === 1 ? BOMB : answer.body
  const encoding = Array(times).fill('gzip').join(', ')
  const headers = withHeader(answer.headers, 'content-length', `${body.length}`)
  return { ...answer, headers: [...headers, 'content-encoding', encoding], body }
}

function isCall({ status, headers }: Answer): boolean {
  return status === 200 && headerOf(headers, 'content-type') === 'application/octet-stream'
}

function half({ body }: Answer): Buffer {
  return body.subarray(0, body.length >>> 1)
}

function said(status: number, headers: string[], text: string): Answer {
  const body = Buffer.from(text)
  return { status, statusText: '', headers: [...headers, 'content-length', `${body.length}`], body }
}
