import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { raw } from '../../gateway/testing/raw-client.ts'
import { CUSTOMER, Gateway, json, until } from './gateway-process.ts'
import { evaluate, INSPECTABLE } from './inspector.ts'
import { startLoad, troubles } from './rollout-load.ts'

const MODELS = '  churn: { initial: 1.0.0, runtime: process, replicas: 2 }'
const DATA = 'data/main.ts'
const CONTROL = 'control/main.ts'

let gateway: Gateway | undefined
afterEach(async () => {
  await gateway?.dispose()
  gateway = undefined
})

describe('an error that nobody caught', () => {
  const THROW = 'setTimeout(() => { throw new Error("a bug of ours") })'

  test('in a data process: it is logged, what is under way is answered, and another process goes on', async () => {
    gateway = await Gateway.start({ models: MODELS, env: INSPECTABLE })
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 50)
    const [crashed] = gateway.children(DATA)
    await evaluate(gateway, crashed!, THROW)
    await until(() => !gateway!.children(DATA).includes(crashed!) && gateway!.children(DATA).length === 1)
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 50)
    expect(troubles(await load.stop())).toEqual({})
    expect(gateway.output).toMatch(/a bug of ours.*"msg":"crashed"/)
  })

  test('a rejected promise in the control process: it is logged, and control begins anew', async () => {
    gateway = await Gateway.start({ models: MODELS, env: INSPECTABLE })
    const load = startLoad(gateway)
    const [crashed] = gateway.children(CONTROL)
    await evaluate(gateway, crashed!, 'void Promise.reject(new Error("a bug of ours"))')
    await until(
      () => !gateway!.children(CONTROL).includes(crashed!) && gateway!.children(CONTROL).length === 1,
    )
    await until(async () => (await gateway!.admin('/api/v1/models').catch(() => undefined))?.status === 200)
    expect(troubles(await load.stop())).toEqual({})
    expect(gateway.output).toMatch(/unhandledRejection.*a bug of ours.*"msg":"crashed"/)
  })
})

describe('an event loop that stands still for two seconds', () => {
  test('whoever waited is answered or refused for overload, and then all goes on in the same process', async () => {
    gateway = await Gateway.start({ models: MODELS, env: INSPECTABLE, overload: '{}' })
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 50)
    const pids = gateway.children(DATA)
    await evaluate(
      gateway,
      pids[0]!,
      'setTimeout(() => { for (const end = Date.now() + 2000; Date.now() < end; ); })',
    )
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 400)
    const { 503: _, ...others } = troubles(await load.stop())
    expect(others).toEqual({})
    expect(gateway.children(DATA)).toEqual(pids)
    expect((await gateway.predict()).status).toBe(200)
  })
})

test('a log whose reader stands still: every process serves, and ends when it is told to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-log-'))
  const path = join(folder, 'log')
  execFileSync('mkfifo', [path])
  const reader = spawn('cat', [path], { stdio: 'ignore' })
  const log = openSync(path, 'w')
  reader.kill('SIGSTOP')
  fill(path)
  try {
    gateway = await Gateway.start({ models: MODELS, log })
    const healthy = async () =>
      (await gateway!.model()).endpoints.filter((endpoint: { healthy: boolean }) => endpoint.healthy)
    await until(async () => (await healthy()).length === 2)
    // Its end is worth a line to others.
    process.kill(gateway.children('worker/main.ts')[0]!, 'SIGKILL')
    for (let i = 0; i < 50; i++) expect((await gateway.predict()).status).toBe(200)
    expect(await gateway.stop()).toBe(0)
  } finally {
    closeSync(log)
    reader.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})

/** Writes until the pipe takes nothing more. */
function fill(path: string): void {
  const pipe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  try {
    for (;;) writeSync(pipe, 'x'.repeat(100))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN')
  } finally {
    closeSync(pipe)
  }
}

describe('a fifth of the processors', () => {
  test('slows answers down, throws no second worker out, and is over when it is over', async () => {
    gateway = await Gateway.start({ models: MODELS })
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 50)
    const pids = [gateway.child.pid!, ...gateway.children('main.ts')]
    const throttle = throttled(pids)
    const good = load.seen().byStatus[200]!
    const { answered } = load.seen()
    let ejectedAtOnce = 0
    try {
      await until(async () => {
        const out = [...(await gateway!.metrics()).matchAll(/^coalmine_endpoint_ejected\{.*\} 1$/gm)]
        ejectedAtOnce = Math.max(ejectedAtOnce, out.length)
        return load.seen().answered > answered + 500 && load.seen().byStatus[200]! > good + 50
      })
      expect(await gateway.status('/livez')).toBe(200)
    } finally {
      await throttle.stop()
    }
    expect(ejectedAtOnce).toBeLessThanOrEqual(1)
    await until(async () => {
      const before = load.seen()
      await until(() => load.seen().answered > before.answered + 100)
      return Object.values(troubles(load.seen())).join() === Object.values(troubles(before)).join()
    })
    // What could not be done in time was refused, or ended at its deadline.
    const { 503: _, 504: __, ...others } = troubles(await load.stop())
    expect(others).toEqual({})
    expect([gateway.child.pid!, ...gateway.children('main.ts')]).toEqual(pids)
  })
})

/** Lets processes run for 20 ms of each 100, all at the same time, as a quota does. */
function throttled(pids: readonly number[]): { stop(): Promise<void> } {
  let stopped = false
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, name)
  }
  const ended = (async () => {
    while (!stopped) {
      signal('SIGSTOP')
      await wait(80)
      signal('SIGCONT')
      await wait(20)
    }
  })()
  return {
    stop() {
      stopped = true
      return ended
    },
  }
}

test('with too few descriptors connections are refused, and the process lives on', async () => {
  gateway = await Gateway.start({ models: MODELS, descriptors: 128 })
  const pids = gateway.children(DATA)
  const idle = Array.from({ length: 300 }, () => raw(gateway!.ports.data))
  const body = JSON.stringify({ instances: [CUSTOMER] })
  for (const { socket } of idle)
    socket.write(
      `POST /v1/models/churn:predict HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
  await until(() => idle.some(({ received }) => received().startsWith('HTTP/1.1 200 ')))
  for (const { socket } of idle) socket.destroy()
  await until(async () => (await gateway!.predict().catch(() => undefined))?.status === 200)
  expect(gateway.children(DATA)).toEqual(pids)
})

test('a heap of 48 MB under large requests: refusals at worst, and it recovers', async () => {
  gateway = await Gateway.start({ models: MODELS, env: { NODE_OPTIONS: '--max-old-space-size=48' } })
  const instances = Array(1_000).fill(CUSTOMER)
  const statuses = new Set<number>()
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        gateway!.predict(instances).then(
          async (answer) => {
            await answer.arrayBuffer()
            return answer.status
          },
          () => 0,
        ),
      ),
    )
    for (const status of answers) statuses.add(status)
  }
  expect([...statuses].filter((status) => ![0, 200, 503].includes(status))).toEqual([])
  expect(statuses).toContain(200)
  await until(async () => (await gateway!.predict().catch(() => undefined))?.status === 200)
})

test('everything but the supervisor killed at once, under load: it comes back by itself', async () => {
  gateway = await Gateway.start({ models: MODELS, processes: 2 })
  const load = startLoad(gateway)
  await until(() => load.seen().answered > 100)
  for (const program of [DATA, CONTROL, 'worker/main.ts'])
    for (const pid of gateway.children(program)) process.kill(pid, 'SIGKILL')
  await until(
    async () =>
      gateway!.children(DATA).length === 2 &&
      gateway!.children('worker/main.ts').length === 2 &&
      (await gateway!.predict().catch(() => undefined))?.status === 200,
  )
  const { answered } = load.seen()
  await until(() => load.seen().answered > answered + 200)
  // Connections of the killed processes break; what comes meanwhile is refused. Nothing else may happen.
  const { 503: _, ECONNRESET: __, UND_ERR_SOCKET: ___, ...others } = troubles(await load.stop())
  expect(others).toEqual({})
})

const noTracer = spawnSync('strace', ['-V']).status === 0 ? undefined : 'there is no strace here'

test.skipIf(noTracer)(
  'a disk that does not sync: a change is refused, none is half made, and later it works',
  async () => {
    gateway = await Gateway.start({ models: MODELS })
    const [control] = gateway.children(CONTROL)
    const tracer = spawn(
      'strace',
      [
        '-f',
        '-qq',
        '-p',
        `${control}`,
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        'inject=fsync,fdatasync:error=EIO',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const attached = () => /TracerPid:\t[1-9]/.test(readFileSync(`/proc/${control}/status`, 'utf8'))
    await until(attached)
    const freeze = (frozen: boolean) =>
      gateway!.admin('/api/v1/freeze', { method: 'PUT', json: { frozen, reason: 'incident' } })
    const refused = await freeze(true)
    expect(refused.status).toBe(503)
    expect(await refused.text()).not.toMatch(/EIO|\/tmp|sqlite|coalmine\.db/i)
    expect((await gateway.predict()).status).toBe(200)
    tracer.kill('SIGTERM')
    await once(tracer, 'exit')
    expect((await json(await gateway.admin('/api/v1/freeze'))).frozen).toBe(false)
    expect((await freeze(true)).status).toBe(200)
  },
)

test.each([
  ['cut in the middle', (file: string) => truncateSync(file, 3_000)],
  ['overwritten', (file: string) => writeFileSync(file, 'x'.repeat(20_000))],
])(
  'a store that was %s: the start is refused with the file and the reason, and nothing is routed blindly',
  async (_, harm) => {
    gateway = await Gateway.start({ models: MODELS })
    await gateway.stop()
    const folder = join(gateway.folder, 'data')
    for (const name of readdirSync(folder)) {
      if (name.endsWith('.db')) harm(join(folder, name))
      if (name.endsWith('-wal')) truncateSync(join(folder, name), 0)
    }
    const before = gateway.output.length
    gateway.spawn()
    expect(await gateway.exited()).not.toBe(0)
    expect(gateway.output.slice(before)).toMatch(/coalmine\.db/)
  },
)
