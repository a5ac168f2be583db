import { afterEach, beforeEach, expect, test } from 'vitest'
import { adapters, BODY, type Call, freshDataPlane, plane, route, stable } from '../testing/data-port.ts'
import { answering } from '../testing/upstream.ts'
import { IDLE_PROCESS } from './recorder.ts'

freshDataPlane()

const CALM = { loopDelayMs: 5, loopUse: 0.3, heapShare: 0.2 }
const PORT = { connections: 3, droppedConnections: 4, droppedLogLines: 5 }

let call: Call
let close: () => void
beforeEach(async () => {
  ;({ call, close } = await adapters.sockets!())
})
afterEach(() => close())
const predict = () => call('POST', '/v1/models/churn:predict', { body: BODY })

test('a process that is overloaded refuses predictions, tells when to ask again, and is alive and ready', async () => {
  route()
  plane.overload.read({ ...CALM, loopDelayMs: 2_000 })
  const { status, headers, body } = await predict()
  expect(status).toBe(503)
  expect(headers).toMatchObject({ 'retry-after': '1', 'x-request-id': expect.any(String) })
  expect(JSON.parse(body)).toEqual({ error: 'the gateway is overloaded' })
  expect(stable.requests).toHaveLength(0)
  for (const path of ['/livez', '/readyz']) expect((await call('GET', path)).status).toBe(200)
  const { unrouted, process } = plane.snapshot(PORT)
  expect(unrouted).toEqual([{ reason: 'overloaded', count: 1 }])
  expect(process).toMatchObject({ overloadLevel: 3, shed: 1, loopDelayP99Ms: 2_000 })

  plane.overload.read(CALM)
  plane.overload.read(CALM)
  expect((await predict()).status).toBe(200)
})

test('with a full heap answers close their connections', async () => {
  route()
  plane.overload.read({ ...CALM, heapShare: 0.93 })
  const { status, headers } = await predict()
  expect([status, headers.connection]).toEqual([200, 'close'])
})

test('with no time to spare a prediction is not tried again', async () => {
  route({ more: [{ origin: stable.origin }] })
  stable.behave(answering({}, 503))
  plane.overload.read({ ...CALM, loopUse: 1 })
  expect((await predict()).status).toBe(503)
  expect(stable.requests).toHaveLength(1)
})

test('a snapshot has the process, its endpoints and second attempts', async () => {
  route({ more: [{ origin: stable.origin }] })
  stable.behave(answering({}, 503))
  await predict()
  const { endpoints, secondAttempts, panics, process } = plane.snapshot(PORT)
  expect(process).toEqual({ ...IDLE_PROCESS, ...PORT })
  const idle = { inFlight: 0, waiting: 0, ejected: 0, ejections: 0, linkCalls: 0, linkRows: 0, deadCalls: 0 }
  expect(endpoints).toEqual(
    ['churn/1.0.0', 'churn/1.1.0', 'churn/more/0'].map((endpoint) => ({
      ...{ model: 'churn', version: endpoint === 'churn/1.1.0' ? '1.1.0' : '1.0.0', endpoint },
      ...idle,
      limit: expect.any(Number),
    })),
  )
  expect(panics).toEqual([{ model: 'churn', count: 0 }])
  expect(secondAttempts).toEqual([
    { model: 'churn', version: '1.0.0', made: 1, refused: 0 },
    { model: 'churn', version: '1.1.0', made: 0, refused: 0 },
  ])
})
