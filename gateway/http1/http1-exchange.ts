import { STATUS_CODES } from 'node:http'
import type { BodyFault, Exchange } from '@coalmine/contract/http/exchange.ts'
import type { Connection } from './connection.ts'
import { headerField } from './header-fields.ts'
import type { RequestHead } from './request-head.ts'

/** Measured: up to here, bytes cost less as a string in one write with the head than as a write of their own. */
const ONE_WRITE_BYTES_MAX = 1024

/** One request on a connection of our own server. */
export class Http1Exchange implements Exchange {
  readonly head: RequestHead
  readonly #connection: Connection
  #onGone: (() => void) | undefined
  #isOver = false

  constructor(connection: Connection, head: RequestHead) {
    this.#connection = connection
    this.head = head
  }

  header(name: string): string | undefined {
    return headerField(this.head, name)
  }

  readBody(bytesMax: number, done: (body: Buffer | BodyFault) => void): void {
    this.#connection.body(this.head, bytesMax, done)
  }

  gone(): boolean {
    return this.#connection.isGone
  }

  onGone(listener: () => void): void {
    this.#onGone = listener
  }

  /** The connection was lost; called by it. */
  left(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onGone?.()
  }

  answer(status: number, headers: string[], body: string | Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#connection.isGone) return
    const isLast = this.#connection.isLast(this.head)
    const bytes = Buffer.byteLength(body)
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    text += `date: ${httpDate()}\r\ncontent-length: ${bytes}\r\n`
    if (isLast) text += 'connection: close\r\n\r\n'
    else if (this.head.isOld)
      text += `connection: keep-alive\r\nkeep-alive: timeout=${this.#connection.keepAliveS}\r\n\r\n`
    else text += `keep-alive: timeout=${this.#connection.keepAliveS}\r\n\r\n`
    if (this.head.method === 'HEAD') return this.#connection.answer(text, undefined, isLast)
    if (typeof body === 'string') {
      if (bytes === body.length) return this.#connection.answer(text + body, undefined, isLast)
      return this.#connection.answer(text, Buffer.from(body), isLast)
    }
    if (bytes <= ONE_WRITE_BYTES_MAX)
      return this.#connection.answer(text + body.toString('latin1'), undefined, isLast)
    this.#connection.answer(text, body, isLast)
  }
}

let dateText: string | undefined

/** Made once a second. A clock read for every answer would cost more than the rest of its head. */
function httpDate(): string {
  if (dateText === undefined) {
    const now = new Date()
    dateText = now.toUTCString()
    setTimeout(forgetDate, 1000 - now.getMilliseconds()).unref()
  }
  return dateText
}

function forgetDate(): void {
  dateText = undefined
}
