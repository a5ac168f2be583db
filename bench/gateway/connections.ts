import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { hostUse } from '../fleet/host-use.ts'
import type { Benchmark } from '../main.ts'
import { NoVerdict, numeral, type Report } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import { drawBodies } from './bodies.ts'
import { startEchoPeers } from './echo-peers.ts'
import { MODEL, STABLE } from './echo-upstream.ts'
import type { Peer } from './peer.ts'
import { familyOf } from './processes.ts'

/** What a client that keeps its connection and asks nothing costs. */
export const connections: Benchmark = {
  says: 'memory of an idle kept connection, beside other proxies',
  run,
}

const PROXIES = ['nginx', 'HAProxy', 'Fastify', 'Hono proxy', 'Portkey', 'Coalmine'] as const
const COUNT = { full: 3_000, quick: 1_000 }
/** So many are opened at a time. */
const AT_ONCE = 50
/** What was needed to take them in is given back meanwhile, as far as it is at all. */
const SETTLE_MS = { full: 5_000, quick: 1_500 }

interface Held {
  peer: Peer
  bytes: number
}

async function run(quick: boolean): Promise<Report> {
  const folder = scratchFolder()
  const [, ...peers] = await startEchoPeers(folder, PROXIES)
  const bodies = await drawBodies(folder, 1, [])
  const count = quick ? COUNT.quick : COUNT.full
  const settleMs = quick ? SETTLE_MS.quick : SETTLE_MS.full
  const held: Held[] = []
  for (const peer of peers) held.push({ peer, bytes: await memoryOf(peer, bodies.lines, count, settleMs) })
  for (const { server } of peers) await server.stop()
  return {
    table: [['', 'kB a connection'], ...held.map(({ peer, bytes }) => [peer.name, numeral(bytes / 1_000)])],
    notes: [
      `${numeral(count)} connections, each of which has asked once for ${MODEL} ${STABLE} (or one chat) and stays; memory of all processes of a peer, what they share counted once, before and after`,
      'before: after as many requests on other connections, which are closed again, so that code and heap are there',
    ],
    rows: [],
    information: held.map(({ peer, bytes }) => ({
      name: `memory of an idle connection: ${peer.name}`,
      figure: bytes / 1_000,
      unit: 'kB',
    })),
  }
}

/** Bytes of one connection. */
async function memoryOf(
  peer: Peer,
  lines: readonly string[],
  count: number,
  settleMs: number,
): Promise<number> {
  for (const socket of await open(peer, lines, count)) socket.destroy()
  await delay(settleMs)
  const before = hostUse(familyOf(peer.server.pid)).memoryMb
  const sockets = await open(peer, lines, count)
  await delay(settleMs)
  const after = hostUse(familyOf(peer.server.pid)).memoryMb
  const closed = sockets.filter(({ destroyed }) => destroyed).length
  for (const socket of sockets) socket.destroy()
  if (closed > 0) throw new NoVerdict(`${peer.name} closed ${closed} of ${count} idle connections`)
  return ((after - before) * 2 ** 20) / count
}

async function open(peer: Peer, lines: readonly string[], count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Math.min(AT_ONCE, count - sockets.length)
    const opened = Array.from({ length: some }, (_, i) =>
      answered(peer, lines[(sockets.length + i) % lines.length]!),
    )
    sockets.push(...(await Promise.all(opened)))
  }
  return sockets
}

/** A connection on which one request was answered with 200. */
function answered({ name, url, headers = {}, wrap }: Peer, line: string): Promise<Socket> {
  const { hostname, port, pathname, host } = new URL(url)
  const body = wrap?.(line) ?? line
  const lines = Object.entries({ host, 'content-type': 'application/json', ...headers })
  const head = [
    `POST ${pathname} HTTP/1.1`,
    ...lines.map(([key, value]) => `${key}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (isWhole(text)) resolve(socket)
    })
    socket.on('error', reject)
    socket.on('close', () =>
      reject(new NoVerdict(`${name} closed a connection after: ${text.slice(0, 200)}`)),
    )
  })
}

/** The answers of these peers end with the object that they are, whether they are sent in chunks or not. */
function isWhole(text: string): boolean {
  return text.startsWith('HTTP/1.1 200') && /\}(\r\n0)?(\r\n\r\n)?$/.test(text) && text.includes('\r\n\r\n')
}
