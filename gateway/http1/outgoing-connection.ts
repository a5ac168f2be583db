import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type AnswerHead, CHUNKED, parseAnswerHead, UNTIL_END } from './answer-head.ts'
import { ChunkedBody } from './chunked.ts'
import { CollectedBytes } from './collected-bytes.ts'

/** One request and what becomes of it: `answered` or `failed`, once. */
export interface OutgoingCall {
  /** The head without its empty line, Latin-1: `fields` make it. */
  readonly head: string
  readonly body: Buffer
  /** Nobody waits for it any more: it is not sent. */
  readonly isOver: boolean
  /** It goes over this connection now. */
  sentBy(connection: OutgoingConnection): void
  /** The answer is whole. */
  answered(head: AnswerHead, body: Buffer): void
  /** @param code the system's word, or one of ours  @param neverSent nothing of it can have reached the server */
  failed(code: string, neverSent: boolean): void
}

/** Where a connection goes. */
export interface Destination {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  /** A Unix socket in place of host and port. */
  readonly socketPath: string | undefined
  readonly lookup: LookupFunction | undefined
  readonly connectTimeoutMs: number
  /** Of an answer's body. */
  readonly answerBytesMax: number
}

/** What a connection tells its pool. */
export interface ConnectionOwner {
  /** Free for the next call. @param keepAliveMs what the server says of how long it keeps it */
  freed(connection: OutgoingConnection, keepAliveMs: number | undefined): void
  /** It carries nothing any more. */
  gone(connection: OutgoingConnection): void
}

const HEAD_BYTES_MAX = 16_384
/** Interim answers (103 and the like) of one call; who sends more will not come to an end. */
const INTERIM_MAX = 16
/** Measured: up to here, bytes cost less as a string in one write with the head than as a write of their own. */
const ONE_WRITE_BYTES_MAX = 1_024
const TCP_KEEP_ALIVE_MS = 60_000
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)

/**
 * One kept HTTP/1.1 connection to a server, with one call at a time. An answer is handed on when it is whole: one that is
 * cut, or not HTTP, is a failure, never the beginning of a good one. There are no timers here but for connecting: who
 * waits for an answer ends the wait by `destroy`.
 */
export class OutgoingConnection {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  readonly #answerBytesMax: number
  #connecting: NodeJS.Timeout | undefined
  #call: OutgoingCall | undefined
  #closed = false
  #unread: Buffer = EMPTY
  #interim = 0
  /** Of the answer whose body is read. */
  #head: AnswerHead | undefined
  #collected: CollectedBytes | undefined
  #chunked: ChunkedBody | undefined

  constructor(destination: Destination, owner: ConnectionOwner) {
    const { isTls, connectTimeoutMs, answerBytesMax } = destination
    this.#owner = owner
    this.#answerBytesMax = answerBytesMax
    const socket = open(destination)
    this.#socket = socket
    this.#connecting = setTimeout(() => this.#broke('CONNECT_TIMEOUT'), connectTimeoutMs)
    socket.setNoDelay(true)
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(this.#connecting)
      this.#connecting = undefined
      socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
    })
    socket.on('data', (packet: Buffer) => this.#received(packet))
    socket.on('end', () => this.#ended())
    socket.on('error', (error: NodeJS.ErrnoException) => this.#broke(error.code ?? 'UNKNOWN'))
    socket.on('close', () => this.#broke('CLOSED'))
  }

  /** Sends the next call. Only when it is free. */
  send(call: OutgoingCall): void {
    this.#call = call
    call.sentBy(this)
    const { head, body } = call
    if (body.length <= ONE_WRITE_BYTES_MAX) {
      this.#socket.write(`${head}\r\n${body.toString('latin1')}`, 'latin1')
      return
    }
    this.#socket.cork()
    this.#socket.write(`${head}\r\n`, 'latin1')
    this.#socket.write(body)
    this.#socket.uncork()
  }

  /** Ends it without a word, also to the call that it carries. */
  destroy(): void {
    this.#call = undefined
    this.#close()
  }

  #received(packet: Buffer): void {
    // Nobody asked.
    if (this.#call === undefined) return this.destroy()
    if (this.#head !== undefined) return this.#readBody(this.#head, packet)
    this.#unread = this.#unread.length === 0 ? packet : Buffer.concat([this.#unread, packet])
    while (this.#readHead());
  }

  /** @returns whether there may be another one behind it */
  #readHead(): boolean {
    const end = this.#unread.indexOf(END_OF_HEAD)
    if (end > HEAD_BYTES_MAX || (end < 0 && this.#unread.length > HEAD_BYTES_MAX))
      return this.#broke('HEAD_TOO_LARGE')
    if (end < 0) return false
    const head = parseAnswerHead(this.#unread.toString('latin1', 0, end))
    if (typeof head === 'string') return this.#broke('NOT_HTTP')
    const rest = this.#unread.subarray(end + END_OF_HEAD.length)
    if (head.status < 200) {
      this.#unread = rest
      return ++this.#interim > INTERIM_MAX ? this.#broke('INTERIM_ANSWERS') : true
    }
    this.#unread = EMPTY
    const { contentLength } = head
    if (contentLength > this.#answerBytesMax) return this.#broke('TOO_LARGE')
    if (contentLength >= 0 && rest.length >= contentLength) {
      this.#answered(
        head,
        rest.length === contentLength ? rest : rest.subarray(0, contentLength),
        rest.length > contentLength,
      )
      return false
    }
    this.#head = head
    if (contentLength === CHUNKED) this.#chunked = new ChunkedBody()
    else this.#collected = new CollectedBytes()
    if (rest.length > 0) this.#readBody(head, rest)
    return false
  }

  #readBody(head: AnswerHead, packet: Buffer): void {
    if (this.#chunked !== undefined) return this.#readChunked(head, this.#chunked, packet)
    const collected = this.#collected!
    const left = head.contentLength === UNTIL_END ? packet.length : head.contentLength - collected.length
    collected.add(packet.length > left ? packet.subarray(0, left) : packet)
    if (collected.length > this.#answerBytesMax) this.#broke('TOO_LARGE')
    else if (collected.length === head.contentLength)
      this.#answered(head, collected.whole(), packet.length > left)
  }

  #readChunked(head: AnswerHead, chunked: ChunkedBody, packet: Buffer): void {
    const { state, used } = chunked.read(packet)
    if (state === 'broken') this.#broke('NOT_HTTP')
    else if (chunked.data.length > this.#answerBytesMax) this.#broke('TOO_LARGE')
    else if (state === 'done') this.#answered(head, chunked.data.whole(), used < packet.length)
  }

  /** @param more bytes follow that nobody asked for: the length is wrong, or the next one's answer was sent unasked */
  #answered(head: AnswerHead, body: Buffer, more = false): void {
    if (more) return void this.#broke('NOT_HTTP')
    const call = this.#call!
    this.#call = undefined
    this.#head = undefined
    this.#collected = undefined
    this.#chunked = undefined
    this.#interim = 0
    if (!head.keepsAlive || head.contentLength === UNTIL_END) this.#close()
    else this.#owner.freed(this, head.keepAliveMs)
    call.answered(head, body)
  }

  #ended(): void {
    const head = this.#head
    if (head?.contentLength === UNTIL_END) this.#answered(head, this.#collected!.whole())
    else this.#broke('CLOSED')
  }

  #broke(code: string): false {
    const call = this.#call
    const neverSent = this.#connecting !== undefined
    this.#call = undefined
    this.#close()
    call?.failed(code, neverSent)
    return false
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#connecting)
    this.#socket.destroy()
    this.#owner.gone(this)
  }
}

function open({ host, port, isTls, socketPath, lookup }: Destination): Socket {
  const to = socketPath === undefined ? { host, port, ...(lookup && { lookup }) } : { path: socketPath }
  if (!isTls) return connectTcp(to)
  return connectTls({ ...to, servername: isAddress(host) ? '' : host, ALPNProtocols: ['http/1.1'] })
}

/** Server names are names. */
function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+(\.\d+){3}$/.test(host)
}
