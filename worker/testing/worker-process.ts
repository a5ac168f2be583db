import { type ChildProcess, spawn } from 'node:child_process'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const READY_FD = 3

export type ReadyLine = { ready: boolean; pid?: number; address?: string; reason?: string }
export type Answer = { status: number; headers: IncomingMessage['headers']; body: string }

/** A real worker process. */
export type WorkerProcess = {
  child: ChildProcess
  ready: Promise<ReadyLine>
  /** Exit code, or the signal that killed it. */
  exited: Promise<number | string>
  /** Everything on standard error so far. */
  log(): string
  /** Resolves once standard error contains `text`. */
  logged(text: string): Promise<void>
}

export function spawnWorker(flags: readonly string[], env: NodeJS.ProcessEnv = process.env): WorkerProcess {
  const child = spawn(process.execPath, [MAIN, ...flags, '--ready-fd', `${READY_FD}`], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env,
  })
  let log = ''
  const waiting: { text: string; resolve: () => void }[] = []
  child.stderr!.on('data', (chunk) => {
    log += chunk
    for (const each of waiting) if (log.includes(each.text)) each.resolve()
  })
  return {
    child,
    ready: firstLine(child.stdio[READY_FD] as Readable).then(
      (line) => JSON.parse(line),
      () => Promise.reject(new Error(`the worker said nothing on its ready descriptor; its log:\n${log}`)),
    ),
    exited: new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal!))),
    log: () => log,
    logged: (text) =>
      new Promise((resolve) => {
        if (log.includes(text)) resolve()
        else waiting.push({ text, resolve })
      }),
  }
}

function firstLine(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk) => {
      text += chunk
      if (text.includes('\n')) resolve(text)
    })
    stream.on('end', () => reject(new Error('end')))
  })
}

/** A request to the address of a ready line: a URL or the path of a socket. */
export function open(
  address: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): ClientRequest {
  if (!address.startsWith('http'))
    return request({ socketPath: address, method, path, headers, agent: false })
  const { hostname, port } = new URL(address)
  return request({ hostname, port, method, path, headers, agent: false })
}

export function answerOf(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
      response.on('error', reject)
    })
  })
}

export function get(address: string, path: string): Promise<Answer> {
  const sent = open(address, 'GET', path)
  sent.end()
  return answerOf(sent)
}

export function post(
  address: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent = open(address, 'POST', path, headers)
  sent.end(JSON.stringify(body))
  return answerOf(sent)
}
