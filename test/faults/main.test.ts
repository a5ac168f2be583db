import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { answering, upstream } from '../../gateway/testing/upstream.ts'

const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url))

const run = (...args: string[]): ChildProcess => spawn(process.execPath, [PROGRAM, ...args])

test('the program says where it listens, takes faults over HTTP and ends with its standard input', async () => {
  const worker = await upstream(answering({}))
  const child = run('--to', worker.origin, '--fault', 'errors', '--seed', 'a')
  const [line] = await once(createInterface({ input: child.stdout! }), 'line')
  const { address, control, seed } = JSON.parse(line)
  expect(seed).toBe('a')
  const predict = async () =>
    (await fetch(`${address}/v1/models/churn:predict`, { method: 'POST', body: '{}' })).status
  const put = (body: string) => fetch(`${control}/fault`, { method: 'PUT', body })

  expect(await predict()).toBe(500)
  expect(await (await put('{"kind": "status", "status": 429}')).json()).toEqual({
    fault: { kind: 'status', rate: 1, status: 429, retryAfterS: 1 },
    predictions: 1,
    harmed: 1,
  })
  expect(await predict()).toBe(429)
  const refused = await put('{"kind": "status", "status": 99}')
  expect(refused.status).toBe(400)
  expect(await refused.json()).toEqual({
    error: 'status of status: expected a whole number from 200 to 599, got 99',
  })
  expect(await predict()).toBe(429)
  expect((await put('none')).status).toBe(200)
  expect(await predict()).toBe(200)
  expect(await (await fetch(`${control}/fault`)).json()).toMatchObject({ fault: { kind: 'none' }, harmed: 3 })

  child.stdin!.end()
  expect((await once(child, 'exit'))[0]).toBe(0)
  await worker.close()
})

test.each([
  [[], 'one of --to and --to-socket says where the worker is'],
  [['--to', 'somewhere'], '--to: expected an origin such as http://127.0.0.1:9000, got somewhere'],
  [['--to-socket', '/tmp/w', '--fault', 'slowly'], 'kind: expected one of'],
  [['--too', 'x'], "Unknown option '--too'"],
])('the program refuses %j with one sentence', async (args, sentence) => {
  const child = run(...args)
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
  expect(said).toContain(sentence)
  expect(code).toBe(2)
})
