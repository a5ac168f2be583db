import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NOTICES, type Notice, type NoticeKind } from './notice.ts'
import { Receiver, type ReceiverSettings } from './receiver.ts'

let server: Server
let url: string
let taken: string[]
let answer: (outgoing: ServerResponse, incoming: IncomingMessage) => void
let heard: (() => void) | undefined
const receivers: Receiver[] = []

beforeEach(async () => {
  taken = []
  answer = (outgoing) => outgoing.writeHead(204).end()
  server = createServer(async (incoming, outgoing) => {
    taken.push(JSON.parse(await text(incoming)).id)
    answer(outgoing, incoming)
    heard?.()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterEach(async () => {
  for (const receiver of receivers.splice(0)) receiver.stop()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function receiver(settings: Partial<ReceiverSettings> = {}, delivery = {}): Receiver {
  const made = new Receiver(
    { name: 'ops', url, format: 'json', secret: undefined, kinds: NOTICES, models: undefined, ...settings },
    { waitsMs: [1, 1, 1], timeoutMs: 5_000, queueMax: 4, ...delivery },
  )
  receivers.push(made)
  return made
}

const notice = (id: string, kind: NoticeKind = 'step', model = 'churn'): Notice => ({
  id,
  kind,
  atMs: 0,
  model,
  says: id,
  facts: {},
})

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

test('everything in order, once each', async () => {
  const ops = receiver({}, { queueMax: 100 })
  for (let i = 0; i < 50; i++) ops.tell(notice(`${i}`))
  await until(() => ops.counts.delivered === 50)
  expect(taken).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`))
})

test('only what was asked for: kinds and models; what is about no model comes to everybody', async () => {
  const ops = receiver({ kinds: ['promoted', 'invalid'], models: ['churn'] })
  ops.tell(notice('a', 'step'))
  ops.tell(notice('b', 'promoted', 'digits'))
  ops.tell(notice('c', 'promoted'))
  const { model: _, ...about } = notice('d', 'invalid')
  ops.tell(about)
  await until(() => ops.counts.delivered === 2)
  expect(taken).toEqual(['c', 'd'])
})

describe('at the end', () => {
  test('what waits is sent, each once', async () => {
    const ops = receiver()
    for (const id of ['a', 'b', 'c']) ops.tell(notice(id))
    await ops.stop(5_000)
    expect(taken).toEqual(['a', 'b', 'c'])
    expect(ops.counts).toEqual({ delivered: 3, retried: 0, dead: 0 })
  })

  test('whoever does not answer is not waited for long, and what was not sent is not given up', async () => {
    answer = () => {}
    const ops = receiver()
    const settled: string[] = []
    for (const id of ['a', 'b']) ops.tell(notice(id), () => settled.push(id))
    await ops.stop(20)
    expect(ops.counts).toEqual({ delivered: 0, retried: 0, dead: 0 })
    expect(settled).toEqual([])
  })

  test('whoever fails is not asked again, and what it did not take is not given up', async () => {
    let ops: Receiver | undefined
    answer = (outgoing) => {
      void ops?.stop(5_000)
      outgoing.writeHead(503).end()
    }
    ops = receiver()
    ops.tell(notice('a'))
    await until(() => taken.length === 1)
    await ops.stop(5_000)
    expect(ops.tell(notice('b'))).toBe(false)
    expect(ops.counts).toEqual({ delivered: 0, retried: 0, dead: 0 })
  })
})

describe('one who fails', () => {
  test('is asked again until it takes it; those behind wait their turn', async () => {
    let failures = 2
    answer = (outgoing) => outgoing.writeHead(failures-- > 0 ? 503 : 200).end()
    const ops = receiver()
    ops.tell(notice('a'))
    ops.tell(notice('b'))
    await until(() => ops.counts.delivered === 2)
    expect(taken).toEqual(['a', 'a', 'a', 'b'])
    expect(ops.counts).toEqual({ delivered: 2, retried: 2, dead: 0 })
  })

  test('for ever loses it, and is told the next', async () => {
    answer = (outgoing) => outgoing.writeHead(taken.at(-1) === 'a' ? 500 : 200).end()
    const ops = receiver()
    ops.tell(notice('a'))
    ops.tell(notice('b'))
    await until(() => ops.counts.delivered === 1)
    expect(taken).toEqual(['a', 'a', 'a', 'a', 'b'])
    expect(ops.counts).toEqual({ delivered: 1, retried: 3, dead: 1 })
  })

  test.each([400, 401, 404, 410, 301])(
    'with %i is not asked again: it would say the same',
    async (status) => {
      answer = (outgoing) => outgoing.writeHead(status, { location: '/elsewhere' }).end()
      const ops = receiver()
      ops.tell(notice('a'))
      await until(() => ops.counts.dead === 1)
      expect(taken).toEqual(['a'])
    },
  )

  test('by not answering is given up after its time', async () => {
    answer = () => {}
    const ops = receiver({}, { timeoutMs: 20, waitsMs: [1] })
    ops.tell(notice('a'))
    await until(() => ops.counts.dead === 1)
    expect(ops.counts).toEqual({ delivered: 0, retried: 1, dead: 1 })
  })

  test('by resetting the connection is asked again', async () => {
    let failures = 1
    answer = (outgoing) => {
      if (failures-- > 0) outgoing.socket!.destroy()
      else outgoing.writeHead(200).end()
    }
    const ops = receiver()
    ops.tell(notice('a'))
    await until(() => ops.counts.delivered === 1)
    expect(taken).toEqual(['a', 'a'])
  })

  test('so long that too many wait loses the newest, counted; telling takes no time', async () => {
    const held: ServerResponse[] = []
    answer = (outgoing) => held.push(outgoing)
    const ops = receiver()
    for (let i = 0; i < 10; i++) ops.tell(notice(`${i}`))
    expect(ops.counts.dead).toBe(6)
    await until(() => held.length === 1)
    answer = (outgoing) => outgoing.writeHead(200).end()
    held[0]!.writeHead(200).end()
    await until(() => ops.counts.delivered === 4)
    expect(taken).toEqual(['0', '1', '2', '3'])
  })
})
