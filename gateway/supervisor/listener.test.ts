import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Listener } from './listener.ts'

/** As a data process: says that it has a connection, and answers once. */
const ANSWERING = `process.on('message', ({ number }, socket) => {
  process.send({ kind: 'taken', number })
  socket.end('answer')
})`
/** Reads nothing of what it is sent. */
const DEAF = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'

const HOST = '127.0.0.1'
let listener: Listener
let port: number
let children: ChildProcess[]

beforeEach(async () => {
  children = []
  port = await freePort()
  listener = new Listener()
  await listener.listen({ host: HOST, port })
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await listener.close()
})

function started(program: string): ChildProcess {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  children.push(child)
  child.on('message', ({ number }: { number: number }) => listener.taken(child, number))
  child.once('exit', () => listener.remove(child))
  listener.add(child)
  return child
}

/** A client whose connection was given to a process; what it hears comes with the end of its connection. */
async function connected(child: ChildProcess): Promise<{ heard: Promise<string> }> {
  const given = new Promise<void>((resolve) => {
    const { send } = child
    child.send = ((...sent: Parameters<typeof send>) => {
      child.send = send
      resolve()
      return send.apply(child, sent)
    }) as typeof send
  })
  const heard = connection()
  await given
  return { heard }
}

function connection(): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = net.connect(port, HOST)
    socket.on('data', (chunk) => (text += chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  return port
}

test('a connection is handed over, and only the process that has it keeps it', async () => {
  started(ANSWERING)
  expect(await connection()).toBe('answer')
})

test('one that waits for a process gets the first that comes', async () => {
  const heard = connection()
  started(ANSWERING)
  expect(await heard).toBe('answer')
})

test('of a process that dies, what was on its way hears of it, and what only waited gets the next one', async () => {
  const child = started(DEAF)
  const onTheWay = await connected(child)
  const queued = await connected(child)
  child.kill('SIGKILL')
  expect(await onTheWay.heard).toBe('')
  started(ANSWERING)
  expect(await queued.heard).toBe('answer')
})
