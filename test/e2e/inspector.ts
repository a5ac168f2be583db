import { type Gateway, until } from './gateway-process.ts'

/** Set in a gateway's environment, so that each of its processes may be looked into at a port of its own. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=0' }

/** Where the processes of a gateway listen, by their ids: each says so once. */
const listening = new WeakMap<Gateway, Map<number, string>>()

/** Has a process of a gateway evaluate an expression, as a debugger does: nothing in the product is there for it. */
export async function evaluate(gateway: Gateway, pid: number, expression: string): Promise<void> {
  const known = listening.get(gateway) ?? new Map<number, string>()
  listening.set(gateway, known)
  const url = known.get(pid) ?? (await listen(gateway, pid))
  known.set(pid, url)
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  const evaluated = new Promise((resolve) => {
    socket.onmessage = resolve
    socket.onclose = resolve
  })
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
  await evaluated
  socket.close()
}

async function listen(gateway: Gateway, pid: number): Promise<string> {
  const before = gateway.output.length
  process.kill(pid, 'SIGUSR1')
  let url: string | undefined
  await until(() => {
    url = /Debugger listening on (ws:\S+)/.exec(gateway.output.slice(before))?.[1]
    return url !== undefined
  })
  return url!
}
