import { writeResponseFrame } from '@coalmine/contract/link/response-frame.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { Caller, nowMs, until } from '../testing/caller.ts'
import { type LinkFault, linkWorker } from '../testing/link-worker.ts'
import { Upstream } from './upstream.ts'

type Worker = Awaited<ReturnType<typeof linkWorker>>

let worker: Worker
let upstream: Upstream
const UPSTREAMS: Upstream[] = []

/** Nobody is sent away for having waited, however slow the machine is. */
const PATIENT = { ...DEFAULT_RESILIENCE, queue: { maxWaitMs: 30_000, max: 10_000 } }

async function join(resilience = PATIENT) {
  const link = { maxRows: 256, maxBytes: 1024 * 1024 }
  const endpoint = { id: 'a', version: '1.0.0', origin: worker.origin, healthy: true, own: true, link }
  upstream = new Upstream(endpoint, resilience, nowMs)
  UPSTREAMS.push(upstream)
}

beforeEach(async () => {
  worker = await linkWorker()
  await join()
})
afterEach(async () => {
  await Promise.all(UPSTREAMS.splice(0).map((one) => one.close()))
  await worker.close()
})

const many = (count: number, bytes?: number) => Array.from({ length: count }, (_, i) => new Caller(i, bytes))
const outcomesOf = (callers: readonly Caller[]) => Promise.all(callers.map(({ done }) => done.promise))

describe('a link', () => {
  test('sends what comes in one turn of the loop in one call, and gives everybody their own answer', async () => {
    const callers = many(7).map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn }) => isItsOwn)).toBe(true)
    expect(worker.seen).toEqual({ calls: 1, rows: 7, plain: 0 })
  })

  test('cuts many in two, so that worker and gateway work at the same time', async () => {
    const callers = many(40).map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn }) => isItsOwn)).toBe(true)
    expect(worker.seen).toEqual({ calls: 2, rows: 40, plain: 0 })
  })

  test('has two calls under way; what comes meanwhile gathers, and goes when one returns', async () => {
    const held: (() => void)[] = []
    worker.behave(({ answer }) => held.push(answer) > 0)
    const [first, second] = [new Caller(1).ask(upstream), new Caller(2)]
    await until(() => held.length === 1)
    second.ask(upstream)
    await until(() => held.length === 2)
    const rest = many(30).map((one) => one.ask(upstream))
    expect(upstream.inFlight).toBe(32)
    held[0]!()
    await first.done.promise
    await until(() => held.length === 3)
    expect(worker.seen).toEqual({ calls: 3, rows: 32, plain: 0 })
    for (const answer of held.slice(1)) answer()
    await outcomesOf([second, ...rest])
    expect([second, ...rest].every(({ isItsOwn }) => isItsOwn)).toBe(true)
    expect(upstream.inFlight).toBe(0)
  })

  test('never has more than 256 rows in a call, nor more bytes than its worker takes', async () => {
    worker.behave(({ rows, frame }) => {
      expect(rows.length).toBeLessThanOrEqual(256)
      expect(frame.length).toBeLessThanOrEqual(1024 * 1024)
      return false
    })
    await join({ ...PATIENT, concurrency: { initial: 1024, min: 4, max: 1024 } })
    const callers = [...many(600), ...many(200, 12_000)].map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn }) => isItsOwn)).toBe(true)
  })

  test('leaves a long body alone: those beside it would wait for it', async () => {
    const long = new Caller(1, 20_000).ask(upstream)
    await long.done.promise
    expect([long.isItsOwn, worker.seen]).toEqual([true, { calls: 0, rows: 0, plain: 1 }])
  })

  test('drops one whose caller left before its call went, and aborts a call that all have left', async () => {
    const aborted = Promise.withResolvers<void>()
    worker.behave(({ incoming }) => {
      incoming.socket.once('close', () => aborted.resolve())
      return true
    })
    const leaving = new Caller(0).ask(upstream)
    leaving.attempt!.cancel()
    const [one, other] = [new Caller(1).ask(upstream), new Caller(2).ask(upstream)]
    await until(() => worker.seen.calls === 1)
    expect(worker.seen.rows).toBe(2)
    one!.attempt!.cancel()
    other!.attempt!.cancel()
    await aborted.promise
    // Callers who leave are no fault of the worker's.
    expect([upstream.inFlight, upstream.counts.deadCalls]).toEqual([0, 0])
  })

  test('says of a call of many that broke nothing: each is sent alone, and who breaks that too is known', async () => {
    worker.behave(({ rows, incoming }) => {
      if (!rows.some(({ body }) => body.includes('poison'))) return false
      incoming.socket.destroy()
      return true
    })
    const poison = new Caller(99, 'poison')
    const callers = many(6).map((one) => one.ask(upstream))
    poison.ask(upstream)
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn, deadCalls }) => isItsOwn && deadCalls === 1)).toBe(true)
    // The plain request of this worker does not know poison: alone, it lives.
    await poison.done.promise
    expect([poison.deadCalls, upstream.counts.deadCalls]).toEqual([1, 1])
  })

  test('takes one that breaks its call alone for what it is', async () => {
    worker.behave(({ incoming }) => {
      incoming.socket.destroy()
      return true
    })
    expect(await new Caller(1).ask(upstream).done.promise).toBe('broken')
  })

  test('falls back to plain requests where the worker does not know the frame, without a word to the callers', async () => {
    worker.behave(({ outgoing }) => {
      outgoing.writeHead(400).end('{"error":"version 1 is unknown"}')
      return true
    })
    const callers = many(7).map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn, deadCalls }) => isItsOwn && deadCalls === 0)).toBe(true)
    await new Caller(11).ask(upstream).done.promise
    expect(worker.seen).toMatchObject({ calls: 1, plain: 8 })
  })

  test('keeps the places of what a worker does not take for the moment', async () => {
    let refusals = 0
    worker.behave(({ outgoing }) => {
      if (++refusals > 2) return false
      outgoing.writeHead(503, { 'retry-after': '1' }).end('{"error":"not ready"}')
      return true
    })
    const callers = many(10).map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn }) => isItsOwn)).toBe(true)
  })

  test('has less under way at a worker that says of a row that it is overloaded', async () => {
    worker.behave((call) => overloaded(call))
    const before = upstream.limit.limit
    await outcomesOf([new Caller(1).ask(upstream)])
    expect(upstream.limit.limit).toBeLessThan(before)
  })

  test('lets nobody wait longer than the queue allows', async () => {
    await join({ ...DEFAULT_RESILIENCE, queue: { maxWaitMs: 30, max: 5 } })
    worker.behave(() => true)
    const first = new Caller(1).ask(upstream)
    await until(() => worker.seen.calls === 1)
    const second = new Caller(2).ask(upstream)
    await until(() => worker.seen.calls === 2)
    const waiting = many(6).map((one) => one.ask(upstream))
    expect(waiting[5]!.outcome).toBe('busy')
    expect(await outcomesOf(waiting)).toEqual(Array(6).fill('busy'))
    expect(upstream.inFlight).toBe(2)
    for (const { attempt } of [first, second]) attempt!.cancel()
  })

  test('whose worker takes calls of another size from now on forgets nobody who waits', async () => {
    const terms = { maxRows: 2, maxBytes: 1024 * 1024 }
    const callers = many(5).map((one) => one.ask(upstream))
    // In the turn of the loop in which they came, before any call went.
    upstream.update({
      id: 'a',
      version: '1.0.0',
      origin: worker.origin,
      healthy: true,
      own: true,
      link: terms,
    })
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn }) => isItsOwn)).toBe(true)
    expect(worker.seen).toEqual({ calls: 3, rows: 5, plain: 0 })
  })

  test('that is closed lets those go that wait, and finishes what is under way', async () => {
    const held: (() => void)[] = []
    worker.behave(({ answer }) => held.push(answer) > 0)
    const first = new Caller(1).ask(upstream)
    await until(() => held.length === 1)
    const waiting = new Caller(2).ask(upstream)
    const closed = UPSTREAMS.pop()!.close()
    expect(waiting.outcome).toBe('refused')
    held[0]!()
    await closed
    expect(first.isItsOwn).toBe(true)
  })

  test.each<[string, LinkFault]>([
    ['is cut', ({ outgoing }) => !!outgoing.writeHead(200).end(Buffer.from('CMLK\x01'))],
    ['is of another call', (call) => !!answerFor({ ...call, sequence: call.sequence + 1 })],
    ['is no frame', ({ outgoing }) => !!outgoing.writeHead(200).end('{"predictions":[]}')],
    ['is a page', ({ outgoing }) => !!outgoing.writeHead(404).end('<html>')],
  ])('treats an answer that %s as a broken call', async (_, fault) => {
    let once = true
    worker.behave((call) => {
      if (!once) return false
      once = false
      return fault(call)
    })
    const callers = many(3).map((one) => one.ask(upstream))
    await outcomesOf(callers)
    expect(callers.every(({ isItsOwn, deadCalls }) => isItsOwn && deadCalls === 1)).toBe(true)
  })
})

test('thousands of callers of all sizes, through faults of all kinds, each get their own answer or a failure', async () => {
  const seed = process.env.SEED ?? `${Date.now()}`
  console.log(`seed ${seed}`)
  const random = seededRandom(Buffer.from(seed.padEnd(16, '.').slice(0, 16)))
  const draw = (below: number) => random() % below
  worker.behave((call) => {
    const { outgoing, incoming, answer } = call
    switch (draw(12)) {
      case 0:
        incoming.socket.destroy()
        return true
      case 1:
        outgoing.writeHead(503).end()
        return true
      case 2:
        answerFor({ ...call, sequence: call.sequence ^ 1 })
        return true
      case 3:
        setTimeout(answer, draw(20))
        return true
      case 4:
        outgoing.writeHead(200, { 'content-length': '500' })
        outgoing.write('CMLK')
        setImmediate(() => incoming.socket.destroy())
        return true
      default:
        return false
    }
  })
  await join()
  const callers: Caller[] = []
  while (callers.length < 4_000) {
    for (let i = draw(60); i >= 0; i--) {
      const caller = new Caller(callers.length, draw(10) === 0 ? draw(40_000) : draw(400))
      callers.push(caller.ask(upstream))
      if (draw(20) === 0) setTimeout(() => caller.attempt!.cancel(), draw(5))
    }
    await new Promise((resolve) => (draw(3) === 0 ? setTimeout(resolve, draw(4)) : setImmediate(resolve)))
  }
  const stay = callers.filter(({ attempt, outcome }) => outcome !== undefined || !attempt!.isSettled)
  await until(() => stay.every(({ attempt }) => attempt!.isSettled))
  const answered = callers.filter(({ outcome }) => typeof outcome === 'object')
  expect(answered.length).toBeGreaterThan(3_000)
  expect(answered.filter(({ isItsOwn }) => !isItsOwn)).toEqual([])
  expect(upstream.inFlight).toBe(0)
}, 60_000)

/** Answers a call under another sequence number. */
function answerFor(call: Parameters<LinkFault>[0]): true {
  const { outgoing, answer } = call
  const end = outgoing.end.bind(outgoing)
  outgoing.end = ((frame: Buffer) => {
    frame.writeUInt32LE(call.sequence >>> 0, 12)
    return end(frame)
  }) as never
  answer()
  return true
}

/** Answers every row as a worker whose queue is full. */
function overloaded({ outgoing, rows, sequence }: Parameters<LinkFault>[0]): true {
  const none = { rows: 0, row: 0, score: Number.NaN, class: 0xffff, ids: [], computeUs: 1 }
  const answers = rows.map(() => ({ ...none, status: 503, outcome: 'overloaded' as const, text: '{}' }))
  outgoing.writeHead(200).end(writeResponseFrame(sequence, answers))
  return true
}
