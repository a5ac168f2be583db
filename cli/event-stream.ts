import { setTimeout as wait } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { AdminClient } from './admin-client.ts'
import { CommandError, EXIT } from './exit-code.ts'

export interface GatewayEvent {
  readonly event: string
  readonly data: unknown
}

/** What is heard beside events: the connection is lost, or is there (again). */
export type Heard = GatewayEvent | { readonly event: 'connected' | 'lost'; readonly data: string }

const AGAIN_MS = 1_000
/** The gateway comments every 15 s. */
const SILENT_MS = 40_000

/**
 * The events of a model after one of the record, as they happen, across restarts of the gateway: what happened meanwhile comes afterwards, by the
 * id of the last one. Ends by `signal`; throws what the gateway refuses.
 */
export async function* eventsOf(
  client: AdminClient,
  model: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Heard> {
  let last = `${after}`
  while (!signal.aborted) {
    const silent = new AbortController()
    let alarm = setTimeout(() => silent.abort(), SILENT_MS)
    try {
      const query = new URLSearchParams({ model, after: last })
      const body = await client.events(`${query}`, AbortSignal.any([signal, silent.signal]))
      yield { event: 'connected', data: '' }
      const heartbeat = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          clearTimeout(alarm)
          alarm = setTimeout(() => silent.abort(), SILENT_MS)
          controller.enqueue(chunk)
        },
      })
      const events = body
        .pipeThrough(heartbeat)
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
      for await (const { id, event = 'message', data } of events) {
        last = id ?? last
        yield { event, data: JSON.parse(data) }
      }
      yield { event: 'lost', data: 'the gateway closed the stream' }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof CommandError && error.exitCode !== EXIT.unreachable) throw error
      yield { event: 'lost', data: (error as Error).message }
    } finally {
      clearTimeout(alarm)
    }
    await wait(AGAIN_MS, undefined, { signal }).catch(() => {})
  }
}
