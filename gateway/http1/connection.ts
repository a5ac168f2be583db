import type { Socket } from 'node:net'
import { ChunkedBody } from './chunked.ts'
import { CollectedBytes } from './collected-bytes.ts'
import { Http1Exchange } from './http1-exchange.ts'
import { parseHead, type RequestHead } from './request-head.ts'
import type { ListenerSettings } from './settings.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly settings: ListenerSettings
  /** Answers close their connection. */
  readonly closing: boolean
  nowMs(): number
  serve(exchange: Http1Exchange): void
  /** What was served threw: a fault of ours. */
  failed(exchange: Http1Exchange, error: Error): void
  /** A request was refused before it was one. */
  refused(status: number): void
}

/** Bytes that may wait behind the request that is being answered. */
const AHEAD_BYTES_MAX = 64 * 1024
/** With so much not taken by the client nothing more is answered. */
const BACKLOG_BYTES_MAX = 1024 * 1024
/** After an answer that ends the connection what the client still sends is dropped for so long, so that it can read. */
const LINGER_MS = 2_000
const EMPTY_LINES_MAX = 4
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)
const CR = 0x0d
const LF = 0x0a

/** `idle`: between requests. `answering`: the body was read or is not wanted yet. `lingering`: over but for the client. */
type Phase = 'idle' | 'head' | 'body' | 'answering' | 'lingering' | 'closed'

export type BodyDone = (body: Buffer | 'too large' | 'gone') => void

/**
 * One connection: its requests one after another, each answered before the next is looked at. There are no timers here:
 * the server sweeps over its connections and asks whether one is `overdue`.
 */
export class Connection {
  readonly socket: Socket
  readonly #host: ConnectionHost
  #phase: Phase = 'idle'
  /** When the request, or the wait for one, began. */
  #sinceMs: number
  #wroteMs = 0
  #unread: Buffer = EMPTY
  #emptyLines = 0
  #exchange: Http1Exchange | undefined
  #bodyDone: BodyDone | undefined
  #bodyMax = 0
  #bodyLeft = 0
  #collected: CollectedBytes | undefined
  #chunked: ChunkedBody | undefined
  #reading = false
  /** Bytes have come, so a client that opened it in reserve has not. */
  spoke = false

  constructor(socket: Socket, host: ConnectionHost) {
    this.socket = socket
    this.#host = host
    this.#sinceMs = host.nowMs()
    socket.on('data', (packet: Buffer) => this.#received(packet))
    // As Node's own server: whoever ends its side no longer waits for an answer.
    socket.on('end', () => this.#left())
    socket.on('close', () => this.#left())
    socket.on('error', () => {})
    socket.on('drain', () => this.#goOn())
  }

  /** Nothing is asked, nothing is on its way. */
  get isIdle(): boolean {
    return this.#phase === 'idle' && this.#unread.length === 0 && this.socket.writableLength === 0
  }

  /** Its client takes longer than it may: with its request, the next one, or the answer. */
  sweep(nowMs: number): void {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, writeTimeoutMs } = this.#host.settings
    const waitedMs = nowMs - this.#sinceMs
    if (this.socket.writableLength > 0 && nowMs - this.#wroteMs > writeTimeoutMs) this.socket.destroy()
    else if (this.#phase === 'idle' && waitedMs > keepAliveTimeoutMs) this.socket.destroy()
    else if (this.#phase === 'head' && waitedMs > headersTimeoutMs)
      this.#refuse(408, 'the headers took too long')
    else if (this.#phase === 'body' && waitedMs > requestTimeoutMs)
      this.#refuse(408, 'the body took too long')
    else if (this.#phase === 'lingering' && waitedMs > LINGER_MS) this.socket.destroy()
  }

  #received(packet: Buffer): void {
    this.spoke = true
    switch (this.#phase) {
      case 'lingering':
      case 'closed':
        return
      case 'body':
        return this.#readBody(packet)
      case 'answering':
        this.#unread = this.#unread.length === 0 ? packet : Buffer.concat([this.#unread, packet])
        if (this.#unread.length > AHEAD_BYTES_MAX) this.socket.pause()
        return
      default:
        this.#unread = this.#unread.length === 0 ? packet : Buffer.concat([this.#unread, packet])
        this.#goOn()
    }
  }

  /** Reads requests out of what has come, as long as each is answered at once. */
  #goOn(): void {
    if (this.#reading) return
    this.#reading = true
    while ((this.#phase === 'idle' || this.#phase === 'head') && this.#unread.length > 0) {
      if (this.socket.writableLength > BACKLOG_BYTES_MAX || !this.#readHead()) break
    }
    this.#reading = false
    if (this.#unread.length <= AHEAD_BYTES_MAX && this.socket.isPaused()) this.socket.resume()
  }

  /** @returns whether there was a whole head */
  #readHead(): boolean {
    if (this.#phase === 'idle') {
      this.#phase = 'head'
      this.#sinceMs = this.#host.nowMs()
    }
    // Some clients send an empty line after a body.
    while (this.#unread[0] === CR && this.#unread[1] === LF) {
      if (++this.#emptyLines > EMPTY_LINES_MAX) return this.#refuse(400, 'empty lines instead of a request')
      this.#unread = this.#unread.subarray(2)
    }
    const { headerBytesMax, headersMax } = this.#host.settings
    const end = this.#unread.indexOf(END_OF_HEAD)
    if (end > headerBytesMax || (end < 0 && this.#unread.length > headerBytesMax))
      return this.#refuse(431, `the headers are larger than ${headerBytesMax} bytes`)
    if (end < 0) {
      // A bare LF would be waited for in vain.
      if (this.#unread.includes('\n\n'))
        return this.#refuse(400, 'not a proper HTTP request: a line that does not end with CR LF')
      if (this.#unread.length === 0) this.#phase = 'idle'
      return false
    }
    const head = parseHead(this.#unread.toString('latin1', 0, end), headersMax)
    if ('error' in head) return this.#refuse(head.status, head.error)
    this.#unread = this.#unread.subarray(end + 4)
    this.#emptyLines = 0
    this.#phase = 'answering'
    const exchange = new Http1Exchange(this, head)
    this.#exchange = exchange
    this.#bodyLeft = head.contentLength
    this.#host.serve(exchange)
    return true
  }

  /** Reads the body of the request that is served. Called once, by its exchange. */
  body(head: RequestHead, bytesMax: number, done: BodyDone): void {
    if (head.contentLength > bytesMax) return done('too large')
    if (head.contentLength >= 0 && this.#unread.length >= head.contentLength) {
      const { contentLength } = head
      const body =
        this.#unread.length === contentLength ? this.#unread : this.#unread.subarray(0, contentLength)
      this.#unread = this.#unread.length === contentLength ? EMPTY : this.#unread.subarray(contentLength)
      this.#bodyLeft = 0
      return done(body)
    }
    this.#phase = 'body'
    this.#bodyDone = done
    this.#bodyMax = bytesMax
    if (head.contentLength < 0) this.#chunked = new ChunkedBody()
    else this.#collected = new CollectedBytes()
    if (head.expectsContinue && this.#unread.length === 0) this.#write('HTTP/1.1 100 Continue\r\n\r\n')
    const come = this.#unread
    this.#unread = EMPTY
    if (come.length > 0) this.#readBody(come)
  }

  #readBody(packet: Buffer): void {
    if (this.#chunked !== undefined) return this.#readChunked(this.#chunked, packet)
    const part = packet.length > this.#bodyLeft ? packet.subarray(0, this.#bodyLeft) : packet
    this.#collected!.add(part)
    this.#bodyLeft -= part.length
    if (this.#bodyLeft > 0) return
    const body = this.#collected!.whole()
    this.#collected = undefined
    this.#bodyEnded(body, packet.subarray(part.length))
  }

  #readChunked(chunked: ChunkedBody, packet: Buffer): void {
    const { state, used } = chunked.read(packet)
    if (state === 'broken') {
      this.#refuse(400, 'not a proper HTTP request: a body in chunks that are none')
      return
    }
    if (chunked.data.length > this.#bodyMax) return this.#bodyEnded('too large', EMPTY)
    if (state === 'more') return
    this.#chunked = undefined
    this.#bodyLeft = 0
    this.#bodyEnded(chunked.data.whole(), packet.subarray(used))
  }

  #bodyEnded(body: Buffer | 'too large', rest: Buffer): void {
    const done = this.#bodyDone!
    const exchange = this.#exchange!
    this.#bodyDone = undefined
    this.#unread = rest
    this.#phase = 'answering'
    // Nobody stands around it any more, as it does where the body came with its head.
    try {
      done(body)
    } catch (error) {
      this.#host.failed(exchange, error as Error)
    }
  }

  /** Whether the answer that is given now is the connection's last. */
  isLast(head: RequestHead): boolean {
    // The rest of a body that is not wanted would be taken for the next request.
    return !head.keepsAlive || this.#host.closing || this.#bodyLeft !== 0 || this.#phase !== 'answering'
  }

  get keepAliveS(): number {
    return Math.floor(this.#host.settings.keepAliveTimeoutMs / 1000)
  }

  get isGone(): boolean {
    return this.#phase === 'closed' || this.socket.destroyed
  }

  /** The answer of the request that is served. @param more a body too large to be put into one text with the head */
  answer(text: string, more: Buffer | undefined, isLast: boolean): void {
    this.#exchange = undefined
    this.#bodyDone = undefined
    this.#write(text, more)
    if (isLast) return this.#linger()
    this.#phase = 'idle'
    this.#sinceMs = this.#host.nowMs()
    if (this.#unread.length > 0 || this.socket.isPaused()) this.#goOn()
  }

  #write(text: string, more?: Buffer): void {
    const { socket } = this
    if (socket.writableLength === 0) this.#wroteMs = this.#host.nowMs()
    if (more === undefined) {
      socket.write(text, 'latin1')
      return
    }
    socket.cork()
    socket.write(text, 'latin1')
    socket.write(more)
    socket.uncork()
  }

  /** Ends our side, and reads on for a while: closing at once would reset what the client has not read yet. */
  #linger(): void {
    this.#phase = 'lingering'
    this.#sinceMs = this.#host.nowMs()
    this.#unread = EMPTY
    this.socket.end()
    this.socket.resume()
  }

  #refuse(status: number, error: string): false {
    this.#host.refused(status)
    const done = this.#bodyDone
    this.#exchange = undefined
    this.#bodyDone = undefined
    const body = JSON.stringify({ error })
    this.#write(
      `HTTP/1.1 ${status} ${REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    )
    this.#linger()
    done?.('gone')
    return false
  }

  #left(): void {
    if (this.#phase === 'closed') return
    const exchange = this.#exchange
    const done = this.#bodyDone
    this.#phase = 'closed'
    this.#exchange = undefined
    this.#bodyDone = undefined
    // A client that has ended its own side may still be reading the answer before.
    const isOpen = exchange !== undefined || done !== undefined
    if (isOpen || this.socket.writableLength === 0) this.socket.destroy()
    else this.socket.end()
    if (done !== undefined) done('gone')
    else exchange?.left()
  }
}

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
}
