import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { modelsRoot, publishSlow, publishTabular } from './testing/model-fixture.ts'
import { answerOf, get, open, post, spawnWorker, type WorkerProcess } from './testing/worker-process.ts'

// Starting a process takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const root = modelsRoot()
const run = mkdtempSync(join(tmpdir(), 'coalmine-run-'))
const socket = join(run, 'w.sock')
const tabular = ['--models', root.path, '--model', 'tabular', '--version', '1.0.0']
const onPort = [...tabular, '--port', '0']
const one = { amount: 3, count: 4, kind: 'plain' }
const predictPath = '/v1/models/tabular:predict'

const started: WorkerProcess[] = []
function start(flags: readonly string[], env?: NodeJS.ProcessEnv): WorkerProcess {
  const worker = spawnWorker(flags, env)
  started.push(worker)
  return worker
}
async function startReady(flags: readonly string[], env?: NodeJS.ProcessEnv) {
  const worker = start(flags, env)
  const line = await worker.ready
  if (!line.ready) throw new Error(line.reason)
  return { worker, address: line.address!, line }
}

beforeAll(() => {
  publishTabular(root)
  publishSlow(root, 8)
})
afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL')
  await Promise.all(started.splice(0).map(({ exited }) => exited))
})
afterAll(() => {
  root.remove()
  rmSync(run, { recursive: true, force: true })
})

/** A request whose head the worker has and whose body is still to come. */
async function halfSent(address: string) {
  const body = JSON.stringify({ instances: [one] })
  const headers = { expect: '100-continue', 'content-length': `${body.length}` }
  const sent = open(address, 'POST', predictPath, headers)
  const answer = answerOf(sent)
  await new Promise((resolve) => sent.once('continue', resolve))
  return { answer, finish: () => sent.end(body), sent }
}

describe('a worker process', () => {
  test('names the request and its trace where the model failed for it alone', async () => {
    const { worker, address } = await startReady(onPort)
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const headers = { 'x-request-id': 'r1', traceparent: `00-${traceId}-00f067aa0ba902b7-00` }
    // The model itself fails for such a count.
    const fails = { instances: [{ ...one, count: 12 }] }
    expect((await post(address, predictPath, fails, headers)).status).toBe(500)
    await worker.logged('"msg":"the model failed"}')
    const lines = worker
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.at(-1)).toMatchObject({
      ...{ level: 'error', msg: 'the model failed', requestId: 'r1', traceId },
      error: expect.any(String),
    })
  })

  test('says that it is ready, and serves on a private socket', async () => {
    const { worker, address, line } = await startReady([...tabular, '--socket', socket])
    expect(line).toEqual({ ready: true, pid: worker.child.pid, address: socket })
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    expect((await get(address, '/readyz')).status).toBe(200)
    expect((await post(address, predictPath, { instances: [one] })).status).toBe(200)
    worker.child.kill('SIGTERM')
    expect(await worker.exited).toBe(0)
    const log = worker
      .log()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
    expect(log.map(({ msg }) => msg)).toEqual(['listening', 'model ready', 'draining', 'stopped'])
    expect(log[1]).toMatchObject({ level: 'info', threading: 'inline', time: expect.any(String) })
  })

  test('replaces the socket of a worker that was killed, and leaves that of a living one alone', async () => {
    const first = await startReady([...tabular, '--socket', socket])
    first.worker.child.kill('SIGKILL')
    await first.worker.exited
    await startReady([...tabular, '--socket', socket])
    const third = start([...tabular, '--socket', socket])
    expect(await third.ready).toEqual({
      ready: false,
      reason: expect.stringContaining('a running process already does'),
    })
    expect(await third.exited).toBe(1)
  })

  test('answers what is in flight after SIGTERM, closes the connection, and exits 0', async () => {
    const { worker, address } = await startReady(onPort)
    const { answer, finish } = await halfSent(address)
    worker.child.kill('SIGTERM')
    await worker.logged('draining')
    finish()
    const { status, headers } = await answer
    expect([status, headers.connection]).toEqual([200, 'close'])
    expect(await worker.exited).toBe(0)
  })

  test('exits at once at the second signal', async () => {
    const { worker, address } = await startReady(onPort)
    const { answer } = await halfSent(address)
    worker.child.kill('SIGTERM')
    await worker.logged('draining')
    worker.child.kill('SIGTERM')
    await expect(answer).rejects.toThrow()
    expect(await worker.exited).toBe(143)
  })

  test('drains and exits when its parent dies', async () => {
    const { worker } = await startReady([...onPort, '--die-with-stdin'])
    worker.child.stdin!.end()
    expect(await worker.exited).toBe(0)
  })

  test('answers health while an inference runs', async () => {
    const flags = ['--models', root.path, '--model', 'slow', '--version', '1.0.0', '--port', '0']
    const { worker, address } = await startReady(flags)
    expect(worker.log()).toContain('"threading":"thread"')
    const events: string[] = []
    const inference = post(address, '/v1/models/slow:predict', { instances: [{ x: 1 }, { x: 2 }, { x: 3 }] })
    const answered = inference.then(() => events.push('inference'))
    for (let i = 0; i < 3; i++) {
      await get(address, '/livez')
      events.push('health')
    }
    await answered
    expect(events).toEqual(['health', 'health', 'health', 'inference'])
    expect(JSON.parse((await inference).body).predictions).toHaveLength(3)
  })

  test('stays up but never becomes ready when a golden record disagrees', async () => {
    const other = modelsRoot()
    publishTabular(other, {
      golden: [
        { record: one, outputs: { total: 7, label: 1, echo: 'plain' } },
        { record: one, outputs: { total: 7.5 } },
      ],
    })
    const worker = start(['--models', other.path, ...onPort.slice(2)])
    const reason = '1 of 2 golden records disagree; record 2: total[0] should be 7.5 and is 7, off by 0.5'
    expect(await worker.ready).toEqual({ ready: false, reason })
    const { address } = JSON.parse(worker.log().split('\n')[0]!)
    for (const path of ['/readyz', '/v2/health/ready', '/v2/models/tabular/ready', '/v1/models/tabular']) {
      const { status, body } = await get(address, path)
      expect([path, status, JSON.parse(body)]).toEqual([
        path,
        503,
        expect.objectContaining({ ready: false, error: reason }),
      ])
    }
    const { status, body } = await post(address, predictPath, { instances: [one] })
    expect([status, JSON.parse(body)]).toEqual([503, { error: `tabular 1.0.0 is not ready: ${reason}` }])
    expect((await get(address, '/livez')).status).toBe(200)
    other.remove()
  })

  test('writes no telemetry: no file appears in its home or temporary folder', async () => {
    const home = join(run, 'home')
    mkdirSync(home)
    const { CI, GITHUB_ACTIONS, TF_BUILD, ORT_RUNNING_UNIT_TESTS, ORT_DISABLE_TELEMETRY, ...rest } =
      process.env
    const env = { ...rest, HOME: home, TMPDIR: home, XDG_CACHE_HOME: home }
    for (const threading of ['inline', 'thread']) {
      const { worker, address } = await startReady([...onPort, '--threading', threading], env)
      expect((await post(address, predictPath, { instances: [one] })).status).toBe(200)
      worker.child.kill('SIGTERM')
      expect(await worker.exited).toBe(0)
      expect(readdirSync(home)).toEqual([])
    }
  })

  test.each([
    [[], ['--model is missing', '--version is missing']],
    [['--model', 'tabular', '--version', 'latest'], ['--version "latest" is not possible: ']],
    [[...onPort, '--port', 'x'], ['--port is given twice.']],
    [[...tabular, '--prot', '1'], ['"--prot" is not a flag of the worker; --help lists them.']],
  ])('bad settings end it with code 2 and a sentence each: %j', async (flags, sentences) => {
    const worker = start(flags)
    worker.ready.catch(() => {})
    expect(await worker.exited).toBe(2)
    const lines = worker.log().trim().split('\n')
    for (const sentence of sentences) expect(lines.some((line) => line.startsWith(sentence))).toBe(true)
  })
})
