import { setTimeout as delay } from 'node:timers/promises'
import { log } from '@coalmine/contract/log.ts'
import type { HttpBindings } from '@hono/node-server'
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type SSEStreamingApi, streamSSE } from 'hono/streaming'
import { needs } from './access.ts'
import { configurationView } from './configuration-routes.ts'
import { type AdminContext, known } from './context.ts'
import { type Current, EventFeed, type Reader } from './event-feed.ts'
import { AdminProblem } from './problem.ts'
import { evaluationView } from './rollout-view.ts'
import { ACCESS_REFUSALS, problems } from './route.ts'

const READERS_MAX = 64
/** All who come back at once may ask before it is known here that they had gone. */
const ROOM_MAX_MS = 1_000
const ROOM_LOOK_MS = 20
/** Whose token was taken back, or has expired, hears no more after this. */
const ADMITTED_MS = 1_000

const EVENTS = createRoute({
  method: 'get',
  path: '/api/v1/events',
  middleware: [needs('viewer')] as const,
  tags: ['events'],
  summary: 'What happens, as server-sent events',
  description:
    '`decision` and `freeze` have the id of the record: whoever comes back with the last one (`Last-Event-ID`, or ' +
    '`after` at first) misses nothing and gets nothing twice. `evaluation` says at most once a second what a running ' +
    'rollout knows, `configuration` whether the files are in force; they are told at once, and not kept. A comment comes at least every 15 seconds. Who does not read is cut.\n\nRole: viewer.',
  request: {
    query: z.object({
      model: z.string().optional().openapi({ description: 'Only this model, and what concerns all.' }),
      after: z.coerce.number().int().min(0).optional().openapi({ description: '0: from the beginning.' }),
    }),
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,15}$/)
        .optional(),
    }),
  },
  responses: {
    200: { description: 'A stream without an end', content: { 'text/event-stream': { schema: z.string() } } },
    ...problems([...ACCESS_REFUSALS, 'model-unknown', 'invalid-request', 'too-many-streams']),
  },
})

/** What happens, as it happens. */
export function eventRoutes({ app, configuration, ...seen }: AdminContext): void {
  const { control } = seen
  const feed = new EventFeed({
    store: control.store,
    current: () => [
      {
        event: 'configuration',
        state: `${configuration.now.sinceMs}`,
        view: () => configurationView(configuration.now),
      },
      ...Object.keys(control.config.models).flatMap((model): Current[] => {
        const { rollout } = control.deployment(model)
        if (rollout === undefined) return []
        const { serial, revision, evaluation } = rollout
        const state = `${serial}/${revision}/${evaluation}`
        return [{ event: 'evaluation', model, state, view: () => evaluationView(seen, rollout) }]
      }),
    ],
  })
  const running = whileRead(feed, (listener) => control.listen(listener))

  app.openapi(EVENTS, async (c) => {
    const { model, after } = c.req.valid('query')
    if (model !== undefined) known(control, model)
    const last = c.req.valid('header')['last-event-id']
    // A browser that comes back still asks with the address that it began with.
    const from = last === undefined ? after : Number(last)
    // It is asked for the headers alone, and nobody would read what follows.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' }) as never
    if (!(await hasRoom(feed)))
      throw new AdminProblem('too-many-streams', `at most ${READERS_MAX} connections can read events`)
    return streamSSE(c, async (stream) => {
      const ended = new AbortController()
      stream.onAbort(() => ended.abort())
      const wanted = { ...(from !== undefined && { after: from }), ...(model !== undefined && { model }) }
      running.begin()
      const isStillAdmitted = c.get('isStillAdmitted')
      const looking = setInterval(async () => {
        if (!(await isStillAdmitted())) ended.abort()
      }, ADMITTED_MS)
      try {
        await feed.follow({ ...wanted, ...readerOf(c, stream) }, ended.signal)
      } catch (error) {
        // Whoever reads comes back, and goes on where it was.
        log.warn('a stream of events ended', { error: (error as Error).message })
      } finally {
        clearInterval(looking)
        running.end()
      }
    }) as never
  })
}

async function hasRoom(feed: EventFeed): Promise<boolean> {
  for (let looks = ROOM_MAX_MS / ROOM_LOOK_MS; feed.readers >= READERS_MAX && looks > 0; looks--)
    await delay(ROOM_LOOK_MS)
  return feed.readers < READERS_MAX
}

function readerOf(c: Context, stream: SSEStreamingApi): Pick<Reader, 'write' | 'cut'> {
  return {
    write: (event) => (event === 'heartbeat' ? stream.write(': \n\n') : stream.writeSSE({ ...event })),
    cut: () => {
      const { outgoing } = c.env as Partial<HttpBindings>
      outgoing?.destroy()
      stream.abort()
    },
  }
}

/** The feed hears of news and of seconds while somebody reads. */
function whileRead(feed: EventFeed, listen: (listener: () => void) => () => void) {
  let readers = 0
  let stop = () => {}
  const look = () =>
    void feed.look().catch((error: Error) => log.warn('events wait for the store', { error: error.message }))
  return {
    begin(): void {
      if (readers++ > 0) return
      const unlisten = listen(look)
      // A freeze, or another process, tells nobody.
      const timer = setInterval(() => {
        feed.second()
        look()
      }, 1000)
      stop = () => {
        unlisten()
        clearInterval(timer)
      }
    },
    end(): void {
      if (--readers === 0) stop()
    },
  }
}
