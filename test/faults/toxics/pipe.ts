import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Toxic } from './toxic.ts'

const KB = 1_000

export interface PipeOptions {
  from: Socket
  to: Socket
  /** Those that are on this connection and direction, in order; asked for each packet. */
  toxics: () => readonly Toxic[]
  random: () => number
  clock: Clock
  signal: AbortSignal
}

/** Carries one direction of a connection, packet after packet, through its toxics. */
export async function pipe({ from, to, toxics, random, clock, signal }: PipeOptions): Promise<void> {
  let passed = 0
  const wait = (ms: number) => (ms > 0 ? clock.wait(ms, signal) : Promise.resolve())
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve) => {
      if (to.destroyed || !to.writable) return resolve()
      to.write(bytes, () => resolve())
    })
  const close = () => {
    from.destroy()
    to.destroy()
  }
  const reset = () => {
    from.resetAndDestroy()
    to.resetAndDestroy()
  }

  /** What is left of a packet behind the toxics from `nth` on; undefined where the connection is over. */
  const through = async (packet: Buffer, nth: number): Promise<void> => {
    const toxic = toxics()[nth]
    if (toxic === undefined) return write(packet)
    const { type, attributes } = toxic
    switch (type) {
      case 'latency': {
        const jitter = attributes.jitter! * (2 * (random() / 2 ** 32) - 1)
        await wait(attributes.latency! + jitter)
        return through(packet, nth + 1)
      }
      case 'bandwidth': {
        // Rate is in kB/s: so many bytes a ms.
        const perMs = (attributes.rate! * KB) / 1000
        const piece = Math.max(1, Math.floor(perMs * 100))
        for (let at = 0; at < packet.length; at += piece) {
          const bytes = packet.subarray(at, at + piece)
          await wait(perMs > 0 ? bytes.length / perMs : 1000)
          await through(bytes, nth + 1)
        }
        return
      }
      case 'slicer': {
        const { average_size = 1, size_variation = 0, delay = 0 } = attributes
        for (let at = 0; at < packet.length; ) {
          const size = average_size + Math.round(size_variation * (2 * (random() / 2 ** 32) - 1))
          const end = at + Math.max(1, size)
          await through(packet.subarray(at, end), nth + 1)
          await wait(delay / 1000)
          at = end
        }
        return
      }
      case 'limit_data': {
        const left = attributes.bytes! - passed
        passed += packet.length
        if (packet.length < left) return through(packet, nth + 1)
        if (left > 0) await through(packet.subarray(0, left), nth + 1)
        return close()
      }
      case 'timeout':
        // Nothing goes through any more; who waits waits.
        if (attributes.timeout! === 0) return void (await once(signal, 'abort'))
        await wait(attributes.timeout!)
        return close()
      case 'reset_peer':
        await wait(attributes.timeout!)
        return reset()
      case 'slow_close':
        return through(packet, nth + 1)
    }
  }

  try {
    // Its own end does not end the other direction.
    for await (const packet of from.iterator({ destroyOnReturn: false })) await through(packet as Buffer, 0)
    for (const { type, attributes } of toxics()) if (type === 'slow_close') await wait(attributes.delay!)
    to.end()
  } catch {
    // The other side is gone, or the proxy was closed.
    close()
  }
}
