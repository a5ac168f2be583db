import { signal } from '@preact/signals'
import { createParser } from 'eventsource-parser'
import { Refusal, read, send, signInReason, token } from './api.ts'
import { askWhoIAm, me } from './me.ts'
import type { Configuration, Model } from './views.ts'

export type Connection = 'connecting' | 'live' | 'lost'

export const models = signal<Model[] | undefined>(undefined)
/** Whether the configuration files are in force; undefined until the gateway says so. */
export const configuration = signal<Configuration | undefined>(undefined)
export const connection = signal<Connection>('connecting')
/** Counts what happened: whoever shows something reads it anew when this moves. */
export const news = signal(0)
/** Counts what was recorded alone: who decided what, as against what an evaluation knows more. */
export const decided = signal(0)
/** When the gateway was last heard; undefined where it never was. */
export const heardMs = signal<number | undefined>(undefined)
/** The time that ages are told by. */
export const now = signal(Date.now())

const AGAIN_MS = 1_000
/** The gateway comments every 15 s. */
const SILENT_MS = 40_000

export async function refresh(): Promise<void> {
  try {
    models.value = (await read<{ models: Model[] }>('/api/v1/models')).models
  } catch (error) {
    if (error instanceof Refusal && error.code === 'unreachable') connection.value = 'lost'
  }
}

/** Follows the gateway's events for as long as the page is open, across restarts of it. */
export function follow(): void {
  setInterval(() => {
    now.value = Date.now()
  }, 1_000)
  let stop = new AbortController()
  // Another token, another stream.
  token.subscribe(() => {
    stop.abort()
    stop = new AbortController()
    models.value = undefined
    me.value = undefined
    void listen(stop.signal)
  })
}

async function listen(signal: AbortSignal): Promise<void> {
  let last: string | undefined
  while (!signal.aborted) {
    if (signInReason.value === undefined) {
      last = (await stream(last, signal)) ?? last
      if (signal.aborted) return
      if (signInReason.value === undefined) connection.value = 'lost'
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

/** @returns the id of the last event */
async function stream(after: string | undefined, signal: AbortSignal): Promise<string | undefined> {
  let last: string | undefined
  const silent = new AbortController()
  let alarm = setTimeout(() => silent.abort(), SILENT_MS)
  try {
    const query = after === undefined ? '' : `?after=${after}`
    const response = await send(`/api/v1/events${query}`, {
      signal: AbortSignal.any([signal, silent.signal]),
    })
    connection.value = 'live'
    heardMs.value = Date.now()
    await Promise.all([refresh(), askWhoIAm()])
    news.value++
    decided.value++
    const parser = createParser({
      onEvent({ id, event, data }) {
        last = id ?? last
        if (event === 'configuration') configuration.value = JSON.parse(data)
        else soon(event !== 'evaluation')
      },
    })
    const decoder = new TextDecoder()
    for await (const chunk of chunksOf(response.body!)) {
      clearTimeout(alarm)
      alarm = setTimeout(() => silent.abort(), SILENT_MS)
      heardMs.value = Date.now()
      parser.feed(decoder.decode(chunk, { stream: true }))
    }
  } catch {
    // Whatever broke it: it is begun anew.
  } finally {
    clearTimeout(alarm)
  }
  return last
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

let isDue = false
let isRecordDue = false

/** Several events of one instant are one look. */
function soon(isRecorded: boolean): void {
  isRecordDue ||= isRecorded
  if (isDue) return
  isDue = true
  setTimeout(() => {
    void refresh()
    news.value++
    if (isRecordDue) decided.value++
    isDue = false
    isRecordDue = false
  }, 100)
}
