import { afterEach, beforeEach, expect, test } from 'vitest'
import { adapters, BODY, type Call, freshDataPlane, plane, route, stable } from '../testing/data-port.ts'

freshDataPlane()

let call: Call
let close: () => void
beforeEach(async () => {
  ;({ call, close } = await adapters.sockets!())
})
afterEach(() => close())

const late = { loopDelayMs: 400, loopUse: 1, heapShare: 0.2 }
const calm = { loopDelayMs: 1, loopUse: 0.5, heapShare: 0.2 }
const predict = () => call('POST', '/v1/models/churn:predict', { body: BODY })

test('an overloaded process refuses predictions with a word on when to come back, and answers health', async () => {
  route()
  plane.overload.read(late)
  plane.overload.read(late)
  const { status, headers, body } = await predict()
  expect([status, headers['retry-after'], JSON.parse(body)]).toEqual([
    503,
    '1',
    { error: 'the gateway is overloaded' },
  ])
  expect((await call('GET', '/livez')).status).toBe(200)
  expect([plane.overload.shed, stable.requests.length]).toEqual([1, 0])
  plane.overload.read(calm)
  plane.overload.read(calm)
  expect((await predict()).status).toBe(200)
})

test('a process whose heap is nearly full closes connections with its answers', async () => {
  route()
  plane.overload.read({ ...calm, heapShare: 0.93 })
  const { status, headers } = await predict()
  expect([status, headers.connection]).toEqual([200, 'close'])
})
