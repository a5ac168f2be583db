import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answering, upstream } from '../../gateway/testing/upstream.ts'
import type { Clock } from './clock.ts'
import { type Fault, faultFromText, faultOf } from './fault.ts'
import { type FaultProxy, startFaultProxy } from './proxy.ts'

const PREDICT = '/v1/models/churn:predict'
const REQUEST = JSON.stringify({ instances: [{ tenure_months: 3 }] })
const ANSWER = { predictions: [{ label: 1, probabilities: [0.25, 0.75] }], model_version: '1.0.0' }

/** Stands still unless it is moved; every wait is over at once and remembered. */
class StillClock implements Clock {
  ms = 0
  readonly waitsMs: number[] = []
  nowMs = () => this.ms
  wait = async (ms: number) => void this.waitsMs.push(ms)
}

let worker: Awaited<ReturnType<typeof upstream>>
let proxy: FaultProxy
let clock: StillClock

beforeEach(async () => {
  worker = await upstream(
    answering(ANSWER, 200, { 'x-coalmine-answer': 'rows=1;row=0;score=0.75;class=1;ids=' }),
  )
  clock = new StillClock()
  proxy = await startFaultProxy({ to: { origin: worker.origin }, clock })
})
afterEach(async () => {
  await proxy.close()
  await worker.close()
})

const predict = (path = PREDICT) => fetch(`${proxy.address}${path}`, { method: 'POST', body: REQUEST })
const fault = (text: string) => {
  proxy.fault = faultFromText(text)
}

/** Everything that a connection brings for a prediction, and how it ended. */
async function raw(): Promise<{ text: string; end: 'fin' | 'reset' }> {
  const socket = connect(Number(new URL(proxy.address).port), '127.0.0.1')
  const lines = [`POST ${PREDICT} HTTP/1.1`, 'host: worker', `content-length: ${REQUEST.length}`, '', REQUEST]
  socket.write(lines.join('\r\n'))
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  return new Promise((resolve) => {
    socket.once('end', () => resolve({ text, end: 'fin' }))
    socket.once('error', () => resolve({ text, end: 'reset' }))
  })
}

test('without a fault, requests and answers go through as they came', async () => {
  const seen: { method: string; url: string; headers: string[]; body: string }[] = []
  const server = createServer((incoming, outgoing) => {
    let body = ''
    incoming.on('data', (chunk) => {
      body += chunk
    })
    incoming.on('end', () => {
      seen.push({ method: incoming.method!, url: incoming.url!, headers: incoming.rawHeaders, body })
      outgoing.sendDate = false
      outgoing.writeHead(422, 'No Good', ['X-Mixed-Case', 'a', 'X-Mixed-Case', 'b'])
      outgoing.end(Buffer.from([0, 255, 10]))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  const other = await startFaultProxy({ to: { origin: `http://127.0.0.1:${port}` } })
  const answer = await fetch(`${other.address}/v2/models/churn/infer?a=%20b`, {
    method: 'POST',
    headers: { 'x-coalmine-pick': '7', 'content-type': 'application/json' },
    body: '{"é": 1}',
  })
  expect(answer.status).toBe(422)
  expect(answer.statusText).toBe('No Good')
  expect(answer.headers.get('x-mixed-case')).toBe('a, b')
  expect(answer.headers.has('date')).toBe(false)
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from([0, 255, 10]))
  expect(seen).toHaveLength(1)
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/v2/models/churn/infer?a=%20b', body: '{"é": 1}' })
  expect(seen[0]!.headers).toEqual(
    expect.arrayContaining([
      'x-coalmine-pick',
      '7',
      'content-type',
      'application/json',
      'content-length',
      '9',
    ]),
  )
  await other.close()
  server.closeAllConnections()
  server.close()
})

test('connections are kept on both sides', async () => {
  const workerSide = new Set<unknown>()
  worker.behave((incoming, outgoing, seen) => {
    workerSide.add(incoming.socket)
    answering(ANSWER)(incoming, outgoing, seen)
  })
  const agent = new Agent({ keepAlive: true })
  const ask = async () => {
    const sent = request(`${proxy.address}${PREDICT}`, { agent, method: 'POST' }).end(REQUEST)
    const [answer] = await once(sent, 'response')
    await once(answer.resume(), 'end')
    return sent.reusedSocket
  }
  expect(await ask()).toBe(false)
  expect(await ask()).toBe(true)
  fault('{"kind": "shift", "by": 0.1}')
  expect(await ask()).toBe(true)
  expect(workerSide.size).toBe(1)
  agent.destroy()
})

test('only predictions are harmed', async () => {
  fault('errors')
  for (const path of ['/readyz', '/manifest', '/v2/models/churn']) {
    const answer = await fetch(`${proxy.address}${path}`)
    expect(await answer.json()).toEqual(ANSWER)
  }
  expect((await fetch(`${proxy.address}${PREDICT}`)).status).toBe(200)
  expect(proxy.counts).toEqual({ predictions: 0, harmed: 0 })
  expect((await predict()).status).toBe(500)
  expect((await predict('/v2/models/churn/versions/1.0.0/infer')).status).toBe(500)
  expect((await predict('/v1/models/churn:predict?x=1')).status).toBe(500)
  expect(proxy.counts).toEqual({ predictions: 3, harmed: 3 })
})

test('a fault holds from the next prediction until it is changed', async () => {
  fault('errors')
  expect((await predict()).status).toBe(500)
  fault('none')
  expect((await predict()).status).toBe(200)
})

test('the seed settles which predictions a rate harms, whatever happened before', async () => {
  const statuses = async (seed: string, faults: readonly Fault[]) => {
    const seeded = await startFaultProxy({ to: { origin: worker.origin }, seed })
    const found: number[] = []
    for (const each of faults) {
      seeded.fault = each
      found.push((await fetch(`${seeded.address}${PREDICT}`, { method: 'POST', body: REQUEST })).status)
    }
    await seeded.close()
    return found
  }
  const half = faultOf({ kind: 'errors', rate: 0.5 })
  const halves = Array<Fault>(40).fill(half)
  const first = await statuses('a', halves)
  expect(first.filter((status) => status === 500).length).toBeGreaterThan(10)
  expect(first.filter((status) => status === 200).length).toBeGreaterThan(10)
  expect(await statuses('a', halves)).toEqual(first)
  expect(await statuses('b', halves)).not.toEqual(first)
  const later = await statuses('a', [...Array<Fault>(20).fill({ kind: 'none' }), ...halves.slice(20)])
  expect(later.slice(20)).toEqual(first.slice(20))
})

test('errors, status and html are answered without the worker', async () => {
  fault('errors')
  const error = await predict()
  expect(error.status).toBe(500)
  expect(await error.json()).toEqual({ error: 'model error' })
  fault('{"kind": "status", "status": 503, "retryAfterS": 7}')
  const status = await predict()
  expect([status.status, status.headers.get('retry-after')]).toEqual([503, '7'])
  fault('{"kind": "status", "status": 429, "retryAfterS": 0}')
  expect((await predict()).headers.has('retry-after')).toBe(false)
  fault('html')
  const page = await predict()
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(await page.text()).toContain('<h1>')
  expect(worker.requests).toEqual([])
})

test('slow waits for a share of the time that the worker took', async () => {
  worker.behave((incoming, outgoing, seen) => {
    clock.ms += 8
    answering(ANSWER)(incoming, outgoing, seen)
  })
  fault('{"kind": "slow", "factor": 1.5, "addMs": 3}')
  expect(await (await predict()).json()).toEqual(ANSWER)
  expect(clock.waitsMs).toEqual([7])
})

test('hang answers nothing, while others are answered', async () => {
  fault('hang')
  let over = false
  const hung = predict()
  hung.finally(() => (over = true)).catch(() => {})
  await expect.poll(() => proxy.counts.harmed).toBe(1)
  fault('none')
  expect((await predict()).status).toBe(200)
  expect(over).toBe(false)
  expect(worker.requests).toHaveLength(1)
  const rejected = expect(hung).rejects.toThrow()
  await proxy.close()
  await rejected
  proxy = await startFaultProxy({ to: { origin: worker.origin } })
})

test('reset brings no byte', async () => {
  fault('reset')
  expect(await raw()).toEqual({ text: '', end: 'reset' })
  expect(worker.requests).toEqual([])
})

test('reset-mid promises the whole body and breaks off after half', async () => {
  const whole = JSON.stringify(ANSWER)
  worker.behave(answering(ANSWER, 200, { 'content-length': `${whole.length}` }))
  fault('reset-mid')
  const { text, end } = await raw()
  expect(end).toBe('reset')
  const [head, body] = text.split('\r\n\r\n')
  expect(head!.toLowerCase()).toContain(`content-length: ${whole.length}`)
  expect(body).toBe(whole.slice(0, whole.length >> 1))
})

test('cut looks like a whole answer, and half of it is missing', async () => {
  fault('cut')
  const { text, end } = await raw()
  expect(end).toBe('fin')
  const [head, body] = text.split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1.1 200/)
  expect(head!.toLowerCase()).not.toMatch(/content-length|transfer-encoding/)
  const whole = JSON.stringify(ANSWER)
  expect(body).toBe(whole.slice(0, whole.length >> 1))
  expect((await predict()).status).toBe(200)
})

test('garbage keeps every header of the worker', async () => {
  fault('garbage')
  const answer = await predict()
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-coalmine-answer')).toBe('rows=1;row=0;score=0.75;class=1;ids=')
  await expect(answer.json()).rejects.toThrow(SyntaxError)
})

test('empty is a 200 with nothing in it', async () => {
  fault('empty')
  const answer = await predict()
  expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '0', ''])
})

test('nan, rows and shift change what the worker answered', async () => {
  fault('{"kind": "nan", "word": "1e400"}')
  const nan = await predict()
  expect(nan.headers.has('x-coalmine-answer')).toBe(false)
  expect(await nan.text()).toContain('[0.25,1e400]')
  fault('rows')
  expect(((await (await predict()).json()) as typeof ANSWER).predictions).toHaveLength(2)
  fault('{"kind": "shift", "by": 0.125}')
  const shifted = await predict()
  expect(shifted.headers.get('x-coalmine-answer')).toBe('rows=1;row=0;score=0.875;class=1;ids=')
  expect(((await shifted.json()) as typeof ANSWER).predictions[0]!.probabilities).toEqual([0.125, 0.875])
})

test('what is wrong with content befalls good answers alone', async () => {
  worker.behave(answering({ error: 'tenure_months: missing' }, 422))
  for (const name of ['garbage', 'empty', 'nan', 'rows', 'shift', 'huge']) {
    fault(name)
    const answer = await predict()
    expect(answer.status).toBe(422)
    expect(await answer.json()).toEqual({ error: 'tenure_months: missing' })
  }
})

test('huge is valid JSON of the size that was asked for', async () => {
  fault('{"kind": "huge", "bytes": 1000000}')
  const text = await (await predict()).text()
  expect(text).toHaveLength(1_000_000)
  expect(JSON.parse(text)).toEqual(ANSWER)
})

test('trickle waits after each byte', async () => {
  fault('trickle')
  const text = await (await predict()).text()
  expect(JSON.parse(text)).toEqual(ANSWER)
  expect(clock.waitsMs).toEqual(Array(text.length).fill(1000))
})

test('a worker that is gone, and one that breaks off, are a reset', async () => {
  worker.behave((incoming) => incoming.socket.destroy())
  expect(await raw()).toEqual({ text: '', end: 'reset' })
  await worker.close()
  expect(await raw()).toEqual({ text: '', end: 'reset' })
})

test('a client that leaves is told to the worker', async () => {
  const left = new Promise<void>((resolve) => {
    worker.behave((incoming) => incoming.socket.once('close', () => resolve()))
  })
  const abort = new AbortController()
  const leaving = fetch(`${proxy.address}${PREDICT}`, { method: 'POST', body: REQUEST, signal: abort.signal })
  const rejected = expect(leaving).rejects.toThrow()
  await expect.poll(() => worker.requests.length).toBe(1)
  abort.abort()
  await rejected
  await left
})

test('it stands on Unix sockets as on ports', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-faults-'))
  const outer = join(folder, 'outer')
  const inner = await startFaultProxy({ to: { origin: worker.origin }, socket: outer })
  const front = await startFaultProxy({ to: { socket: inner.address } })
  const ask = () => fetch(`${front.address}${PREDICT}`, { method: 'POST', body: REQUEST })
  expect(await (await ask()).json()).toEqual(ANSWER)
  inner.fault = faultFromText('reset')
  await expect(ask()).rejects.toThrow()
  await front.close()
  await inner.close()
  rmSync(folder, { recursive: true })
})
