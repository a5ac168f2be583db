import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One span with the resource that made it, as it came over the wire. */
export interface CollectedSpan {
  readonly resource: Readonly<Record<string, string | number | boolean>>
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentId: string
  readonly name: string
  /** OTLP's: 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

/** Takes traces by OTLP over HTTP in protobuf, and keeps them. */
export class Collector {
  readonly requests: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
  readonly spans: CollectedSpan[] = []
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        this.requests.push({ url: request.url, headers: request.headers })
        this.spans.push(...spansOf(Buffer.concat(chunks)))
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      })
    })
  }

  static async start(): Promise<Collector> {
    const collector = new Collector()
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve))
    return collector
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  of(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** The fields of one protobuf message by their numbers: numbers, or bytes that may be messages themselves. */
class Message {
  readonly #fields = new Map<number, (bigint | Buffer)[]>()

  constructor(bytes: Buffer) {
    let at = 0
    const varint = (): bigint => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = BigInt(bytes[at++]!)
        value |= (byte & 127n) << shift
        if (byte < 128n) return value
      }
    }
    const take = (length: number): Buffer => {
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      const tag = Number(varint())
      const wire = tag & 7
      const value = wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : Number(varint()))
      this.#fields.set(tag >> 3, [...(this.#fields.get(tag >> 3) ?? []), value])
    }
  }

  messages(field: number): Message[] {
    return this.#all(field).map((bytes) => new Message(bytes as Buffer))
  }

  bytes(field: number): Buffer {
    return (this.#all(field)[0] as Buffer | undefined) ?? Buffer.alloc(0)
  }

  number(field: number): number | undefined {
    const [value] = this.#all(field)
    return value === undefined ? undefined : Number(value)
  }

  #all(field: number): (bigint | Buffer)[] {
    return this.#fields.get(field) ?? []
  }
}

/** Of an ExportTraceServiceRequest; numbers of fields as in opentelemetry-proto's trace.proto, common.proto. */
function spansOf(request: Buffer): CollectedSpan[] {
  return new Message(request).messages(1).flatMap((resourceSpans) => {
    const resource = attributesOf(resourceSpans.messages(1)[0]!.messages(1))
    return resourceSpans.messages(2).flatMap((scopeSpans) =>
      scopeSpans.messages(2).map((span) => ({
        resource,
        traceId: span.bytes(1).toString('hex'),
        spanId: span.bytes(2).toString('hex'),
        parentId: span.bytes(4).toString('hex'),
        name: span.bytes(5).toString(),
        kind: span.number(6)!,
        attributes: attributesOf(span.messages(9)),
      })),
    )
  })
}

function attributesOf(pairs: Message[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [value] = pair.messages(2)
      const [isTrue, whole] = [value!.number(2), value!.number(3)]
      return [
        pair.bytes(1).toString(),
        whole ?? (isTrue === undefined ? value!.bytes(1).toString() : isTrue === 1),
      ]
    }),
  )
}
