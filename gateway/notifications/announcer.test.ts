import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../store/memory.ts'
import { type RolloutStore, StoreError } from '../store/rollout-store.ts'
import { course } from '../store/testing/commit-course.ts'
import { Announcer } from './announcer.ts'
import { NOTICES, type NoticeKind, noticeOf, refusedNotice } from './notice.ts'
import { Receiver } from './receiver.ts'

/** What a receiver was told, by type and id; it answers with the status that is set here. */
let server: Server
let taken: string[]
let status: number
let store: MemoryStore
let commits: ReturnType<typeof course>
const running: Announcer[] = []

beforeEach(async () => {
  taken = []
  status = 204
  store = new MemoryStore()
  commits = course()
  server = createServer(async (incoming, outgoing) => {
    const { id } = JSON.parse(await text(incoming))
    if (status < 300) taken.push(id)
    outgoing.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const announcer of running.splice(0)) await announcer.stop(0)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function receiver(name: string, kinds: readonly NoticeKind[] = NOTICES): Receiver {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return new Receiver(
    { name, url, format: 'json', secret: undefined, kinds, models: undefined },
    { waitsMs: [600_000], timeoutMs: 5_000, queueMax: 3 },
  )
}

/** A control process that begins: it is never ended, as one that is killed. */
async function begin(receivers: readonly Receiver[], over: RolloutStore = store): Promise<Announcer> {
  const announcer = new Announcer(over, receivers)
  running.push(announcer)
  await announcer.start()
  return announcer
}

/** The next commits of one course, until so many more of what happened are to be told of. @returns the ids of those */
async function happen(notices: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < notices) {
    const commit = commits.next().value!
    await store.commit([commit])
    const notice = commit.event && noticeOf(commit.event)
    if (notice) ids.push(notice.id)
  }
  return ids
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve))
}

/** Whatever is to be read and told by now is under way. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('whoever is new hears what happens from then on, in order', async () => {
  await happen(2)
  const announcer = await begin([receiver('ops')])
  const ids = await happen(3)
  announcer.look()
  await until(() => taken.length === 3)
  expect(taken).toEqual(ids)
})

test('what was not taken when control ended, however it ended, is told at the next start, once', async () => {
  status = 503
  const away = receiver('ops')
  const killed = await begin([away])
  const ids = await happen(2)
  killed.look()
  await until(() => away.counts.retried === 1)
  // Nobody looked any more after this.
  ids.push(...(await happen(1)))
  status = 204
  const next = receiver('ops')
  await begin([next])
  await until(() => taken.length === 3)
  expect(taken).toEqual(ids)
  await until(
    async () => (await store.bookmarks()).get('ops')!.event === (await store.events({ limit: 1 }))[0]!.id,
  )
  await begin([receiver('ops')])
  await quiet()
  expect(taken).toEqual(ids)
})

test('what waits at a clean end stays for the next start and is not given up', async () => {
  status = 503
  const ops = receiver('ops')
  const announcer = await begin([ops])
  const ids = await happen(2)
  announcer.look()
  await until(() => ops.counts.retried === 1)
  await announcer.stop(0)
  expect(ops.counts).toEqual({ delivered: 0, retried: 1, dead: 0 })
  status = 204
  await begin([receiver('ops')])
  await until(() => taken.length === 2)
  expect(taken).toEqual(ids)
})

test('what the record does not have, a configuration that is refused, is kept as well', async () => {
  status = 503
  const away = receiver('ops')
  const killed = await begin([away])
  const [id] = await happen(1)
  killed.tell(refusedNotice('a typo', 7))
  killed.look()
  await until(() => away.counts.retried === 1)
  await until(async () => (await store.bookmarks()).get('ops')!.beside.length === 1)
  status = 204
  await begin([receiver('ops')])
  await until(() => taken.length === 2)
  expect(taken).toEqual(['configuration/7', id])
  await until(async () => (await store.bookmarks()).get('ops')!.beside.length === 0)
})

test('each receiver has a place of its own; what was given up is not told again', async () => {
  const [chat, ops] = [receiver('chat', ['aborted']), receiver('ops', ['started'])]
  status = 400
  const killed = await begin([chat, ops])
  // The first rollout of the course, from its start to its abort.
  while ((await store.rollouts({ model: 'churn', limit: 1 }))[0]?.phase.kind !== 'finished') await happen(1)
  killed.look()
  await until(() => chat.counts.dead + ops.counts.dead === 2)
  status = 204
  await begin([receiver('chat'), receiver('ops')])
  await quiet()
  expect(taken).toEqual([])
})

test('whoever is named no more is forgotten, and begins anew when it comes back', async () => {
  await begin([receiver('ops'), receiver('chat')])
  await begin([receiver('chat')])
  expect([...(await store.bookmarks()).keys()]).toEqual(['chat'])
})

test('a backlog of any length is read in pages, and no more than may wait is told; the rest is counted', async () => {
  const bookmark = { event: 0, beside: [] }
  await store.keepBookmark('ops', bookmark)
  await store.keepBookmark('chat', bookmark)
  const all = await happen(60)
  expect((await store.events({ limit: 1 }))[0]!.id).toBeGreaterThan(200)
  const [ops, chat] = [receiver('ops'), receiver('chat', ['held'])]
  await begin([ops, chat])
  await until(() => ops.counts.delivered + ops.counts.dead === 60)
  expect(taken.slice(0, 3)).toEqual(all.slice(0, 3))
  expect(chat.counts).toEqual({ delivered: 0, retried: 0, dead: 0 })
})

test('a store that fails is asked again; nothing waits for it', async () => {
  let failures = 0
  const failing = new Proxy(store, {
    get(target, name) {
      if (name === 'events' && failures-- > 0) return () => Promise.reject(new StoreError('the disk is full'))
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const announcer = await begin([receiver('ops')], failing)
  await quiet()
  failures = 1
  const ids = await happen(1)
  announcer.look()
  await until(() => taken.length === 1)
  expect(taken).toEqual(ids)
  failures = Number.POSITIVE_INFINITY
  announcer.look()
  await announcer.stop(0)
})
