import { request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { CUSTOMER, Gateway, until } from './gateway-process.ts'
import { startLoad, troubles } from './rollout-load.ts'

const MODELS = '  churn: { initial: 1.0.0, runtime: process, replicas: 2 }'
const DATA = 'data/main.ts'
const WORKER = 'worker/main.ts'

let gateway: Gateway | undefined
afterEach(async () => {
  await gateway?.dispose()
  gateway = undefined
})

const counted = async (from: Gateway): Promise<number> => {
  const lines = (await from.metrics()).match(/^coalmine_requests_total\{.*\} \d+$/gm) ?? []
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** One prediction on a connection of its own: its status, or the code of its failure. */
function once({ ports }: Gateway): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(
      { port: ports.data, host: '127.0.0.1', path: '/v1/models/churn:predict', method: 'POST', agent: false },
      (answer) => answer.resume().on('end', () => resolve(`${answer.statusCode}`)),
    )
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.end(JSON.stringify({ instances: [CUSTOMER] }))
  })
}

describe('two data processes', () => {
  test('take connections in turn, and what they count adds up', async () => {
    gateway = await Gateway.start({ models: MODELS, processes: 2 })
    expect(gateway.children(DATA)).toHaveLength(2)
    const before = await counted(gateway)
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => once(gateway!)))
    expect(new Set(outcomes)).toEqual(new Set(['200']))
    await until(async () => (await counted(gateway!)) - before === 200)
  })
})

test.each([1, 2])(
  'SIGHUP replaces %i data process(es), and no client notices: neither those that stay nor those that come',
  async (processes) => {
    gateway = await Gateway.start({ models: MODELS, processes })
    const old = gateway.children(DATA)
    const load = startLoad(gateway)
    const short: string[] = []
    let over = false
    const comers = (async () => {
      while (!over) short.push(await once(gateway!))
    })()
    await until(() => load.seen().answered > 50)
    gateway.child.kill('SIGHUP')
    await until(() => {
      const now = gateway!.children(DATA)
      return now.length === processes && now.every((pid) => !old.includes(pid))
    })
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 50)
    over = true
    await comers
    expect(troubles(await load.stop())).toEqual({})
    expect(new Set(short)).toEqual(new Set(['200']))
  },
)

describe('one of two workers', () => {
  test('that is killed is not missed: what it had is asked of the other', async () => {
    gateway = await Gateway.start({ models: MODELS })
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 100)
    const [pid] = gateway.children(WORKER)
    process.kill(pid!, 'SIGKILL')
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 200)
    expect(troubles(await load.stop())).toEqual({})
    await until(() => gateway!.children(WORKER).length === 2)
  })

  test('that stands still holds up what it had until the first attempt is over, and nothing fails', async () => {
    // More at a time than a budget of second attempts allows are another matter.
    const retries = 'resilience: { retries: { budget: 50%, atLeast: 20 } }'
    gateway = await Gateway.start({ models: MODELS.replace(' }', `, ${retries} }`) })
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 100)
    const [pid] = gateway.children(WORKER)
    process.kill(pid!, 'SIGSTOP')
    // Checks and failures find it out; whoever was held up has gone to the other by then.
    await until(async () => (await gateway!.metrics()).includes('health="unhealthy"} 1'))
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 900)
    process.kill(pid!, 'SIGCONT')
    expect(troubles(await load.stop())).toEqual({})
  })
})

test('without a worker predictions are refused at once, with a word on when to come back, and go on when one is back', async () => {
  gateway = await Gateway.start({ models: MODELS })
  for (const pid of gateway.children(WORKER)) process.kill(pid, 'SIGKILL')
  await until(async () => (await gateway!.predict()).status === 503)
  const refused = await gateway.predict()
  if (refused.status === 503) {
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toEqual({ error: "no worker is ready for version '1.0.0' of model 'churn'" })
  }
  expect(await gateway.status('/livez')).toBe(200)
  await until(async () => (await gateway!.predict()).status === 200)
})
