import type { Socket } from 'node:net'
import type { Answer } from './forward.ts'

/**
 * Ways to break HTTP itself, written to the socket: no server library can be made to send them. None of them is an
 * answer that a gateway may pass on, but `poison`: there the answer is good, and what follows it is nobody's.
 */
export const WIRE_FORMS = [
  'header-flood',
  'header-nul',
  'two-lengths',
  'length-and-chunks',
  'no-status-line',
  'version-nine',
  'early-hints-flood',
  'switching-protocols',
  'length-too-long',
  'length-too-short',
  'bad-chunk-size',
  'no-last-chunk',
  'poison',
] as const
export type WireForm = (typeof WIRE_FORMS)[number]

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
const HINTS = Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n'.repeat(1_000))
const HINTS_MAX_BYTES = 256 * 1024 * 1024

/** Writes a worker's answer in a form that is wrong, and closes the connection where only that ends it. */
export function breakWire(socket: Socket, form: WireForm, { body }: Answer): void {
  const lengthOf = (bytes: number) => `content-length: ${bytes}\r\n`
  const whole = (head: string, payload: Buffer | string = body) =>
    socket.write(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(payload)]))
  const last = (head: string, payload: Buffer | string = body) =>
    socket.end(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(payload)]))
  const chunked = (size: string, end: string) => `${size}\r\n${body.toString()}\r\n${end}`
  const size = body.length.toString(16)
  switch (form) {
    case 'header-flood':
      whole(`${OK}${lengthOf(body.length)}${`x-filler: ${'a'.repeat(1_000)}\r\n`.repeat(100)}`)
      return
    case 'header-nul':
      whole(`${OK}${lengthOf(body.length)}x-nul: a\0b\r\n`)
      return
    case 'two-lengths':
      whole(`${OK}${lengthOf(body.length)}${lengthOf(body.length - 1)}`)
      return
    case 'length-and-chunks':
      whole(`${OK}${lengthOf(body.length)}transfer-encoding: chunked\r\n`, chunked(size, '0\r\n\r\n'))
      return
    case 'no-status-line':
      last('welcome to the machine\r\n')
      return
    case 'version-nine':
      whole(`HTTP/9.9 200 OK\r\n${lengthOf(body.length)}`)
      return
    case 'early-hints-flood':
      return flood(socket)
    case 'switching-protocols':
      whole('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n', '')
      return
    case 'length-too-long':
      last(`${OK}${lengthOf(body.length + 10)}`)
      return
    case 'length-too-short':
      whole(`${OK}${lengthOf(body.length - 10)}`)
      return
    case 'bad-chunk-size':
      whole(`${OK}transfer-encoding: chunked\r\n`, chunked(`${size}z`, '0\r\n\r\n'))
      return
    case 'no-last-chunk':
      last(`${OK}transfer-encoding: chunked\r\n`, chunked(size, ''))
      return
    case 'poison':
      whole(`${OK}${lengthOf(body.length)}`)
      whole(`${OK}${lengthOf(STRANGERS.length)}`, STRANGERS)
      return
  }
}

/** What nobody asked for: whoever gets it got an answer that is not theirs. */
export const STRANGERS = '{"predictions":[{"label":"stay","probabilities":[0.5,0.5],"stranger":true}]}'

/** Interim answers as fast as they are taken, until the other end has had enough. */
function flood(socket: Socket): void {
  let left = HINTS_MAX_BYTES
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= HINTS.length
      if (!socket.write(HINTS)) return
    }
    if (left <= 0) socket.destroy()
  }
  socket.on('drain', more)
  more()
}
