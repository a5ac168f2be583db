import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { answering, upstream } from '../../gateway/testing/upstream.ts'
import { customers } from './customers.ts'

const PROGRAM = fileURLToPath(new URL('./load.ts', import.meta.url))
const run = (...args: string[]): ChildProcess => spawn(process.execPath, [PROGRAM, ...args])

test('the program asks about the customers of its seed and prints what came of it', async () => {
  const server = await upstream(answering({}, 200, { 'x-model-version': '1.0.0' }))
  const url = `${server.origin}/v1/models/churn:predict`
  const child = run('--url', url, '--rps', '100', '--seconds', '1.2', '--arrivals', 'even', '--seed', 'a')
  const [printed, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  expect(code).toBe(0)
  const lines = printed
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const last = lines.pop()
  expect(last).toMatchObject({ total: { due: 120, answered: 120, byVersion: { '1.0.0': 120 } }, seed: 'a' })
  expect(lines.map(({ second }) => second)).toEqual(lines.map((_, i) => i))
  expect(lines[0].due).toBeGreaterThan(0)

  const customer = customers('a')
  const expected = Array.from({ length: 120 }, () => JSON.stringify({ instances: [customer().record] }))
  expect(server.requests.map(({ body }) => body).toSorted()).toEqual(expected.toSorted())
  await server.close()
})

test('an interrupt ends the load early, with its total', async () => {
  const server = await upstream(answering({}))
  const child = run('--url', server.origin, '--rps', '100', '--seconds', '3600')
  server.behave((incoming, outgoing, seen) => {
    answering({})(incoming, outgoing, seen)
    if (server.requests.length === 1) child.kill('SIGTERM')
  })
  const [printed, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  expect(code).toBe(0)
  const { total } = JSON.parse(printed.trimEnd().split('\n').at(-1)!)
  expect(total.answered).toBe(total.due)
  await server.close()
})

test.each([
  [[], '--url: expected one such as'],
  [
    ['--url', 'http://127.0.0.1:1', '--rps', '0'],
    '--rps: expected a number above 0 and up to 10000, got "0"',
  ],
  [['--url', 'http://127.0.0.1:1', '--arrivals', 'odd'], '--arrivals: expected even or poisson, got "odd"'],
])('the program refuses %j with one sentence', async (args, sentence) => {
  const child = run(...args)
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
  expect(said).toContain(sentence)
  expect(code).toBe(2)
})
