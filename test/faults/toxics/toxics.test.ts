import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startToxicServer, type ToxicServer } from './server.ts'

let echo: Server
let toxics: ToxicServer
/** Waits asked for, which end at once unless a test holds them. */
let waits: number[]
let held: (() => void)[] | undefined
const clock = {
  nowMs: () => 0,
  wait: (ms: number, signal: AbortSignal) => {
    waits.push(ms)
    return new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
      if (held === undefined) resolve()
      else held.push(resolve)
    })
  },
}

beforeEach(async () => {
  waits = []
  held = undefined
  echo = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => {}).pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  toxics = await startToxicServer({ clock })
})
afterEach(async () => {
  await toxics.close()
  echo.close()
})

const upstream = () => `127.0.0.1:${(echo.address() as AddressInfo).port}`
const api = async (method: string, path: string, body?: unknown) => {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const response = await fetch(toxics.origin + path, init)
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}
const proxied = async (...some: object[]) => {
  const { body } = await api('POST', '/proxies', {
    name: 'echo',
    listen: '127.0.0.1:0',
    upstream: upstream(),
  })
  for (const toxic of some) expect((await api('POST', '/proxies/echo/toxics', toxic)).status).toBe(200)
  return Number(body.listen.split(':')[1])
}
/** Sends, ends, and reads until the connection is over. */
const said = (port: number, text: string): Promise<{ got: string; packets: number; code?: string }> =>
  new Promise((resolve) => {
    const seen = { got: '', packets: 0, code: undefined as string | undefined }
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk) => {
      seen.got += chunk
      seen.packets++
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      seen.code = error.code
    })
    socket.on('close', () => resolve(seen as never))
    socket.end(text)
  })

describe('a proxy', () => {
  test('is created, shown, disabled, enabled and deleted', async () => {
    const port = await proxied()
    expect(await said(port, 'hello')).toMatchObject({ got: 'hello' })
    const shown = {
      name: 'echo',
      listen: `127.0.0.1:${port}`,
      upstream: upstream(),
      enabled: true,
      toxics: [],
    }
    expect((await api('GET', '/proxies')).body).toEqual({ echo: shown })
    await api('POST', '/proxies/echo', { enabled: false })
    expect(await said(port, 'hello')).toMatchObject({ got: '', code: 'ECONNREFUSED' })
    await api('POST', '/proxies/echo', { enabled: true })
    expect((await api('GET', '/proxies/echo')).body).toEqual(shown)
    expect(await said(port, 'hello')).toMatchObject({ got: 'hello' })
    expect((await api('DELETE', '/proxies/echo')).status).toBe(204)
    expect((await api('GET', '/proxies/echo')).status).toBe(404)
  })

  test('is refused where it cannot be', async () => {
    await proxied()
    expect((await api('POST', '/proxies', { name: 'echo', upstream: upstream() })).status).toBe(409)
    expect((await api('POST', '/proxies', { name: 'x' })).body).toEqual({
      error: 'missing required field: upstream',
      status: 400,
    })
    expect((await api('POST', '/proxies/echo/toxics', { type: 'slow' })).body.error).toBe(
      'invalid toxic type',
    )
    const wrong = { type: 'latency', attributes: { latncy: 5 } }
    expect((await api('POST', '/proxies/echo/toxics', wrong)).body.error).toMatch(/^latncy: not an attribute/)
  })

  test('is populated with others, and reset', async () => {
    const port = await proxied({ type: 'limit_data', attributes: { bytes: 1 } })
    expect((await said(port, 'hello')).got).toBe('h')
    expect((await api('POST', '/reset')).status).toBe(204)
    expect((await said(port, 'hello')).got).toBe('hello')
    const made = await api('POST', '/populate', [{ name: 'a', upstream: upstream() }])
    expect(made.body.proxies[0].name).toBe('a')
  })
})

describe('a toxic', () => {
  test('latency holds each packet back, by as much as it says', async () => {
    const port = await proxied({ name: 'late', type: 'latency', attributes: { latency: 100, jitter: 10 } })
    expect((await said(port, 'hello')).got).toBe('hello')
    expect(waits[0]).toBeGreaterThanOrEqual(90)
    expect(waits[0]).toBeLessThanOrEqual(110)
    await api('POST', '/proxies/echo/toxics/late', { attributes: { latency: 500, jitter: 0 } })
    await said(port, 'hello')
    expect(waits.at(-1)).toBe(500)
    await api('DELETE', '/proxies/echo/toxics/late')
    waits = []
    await said(port, 'hello')
    expect(waits).toEqual([])
  })

  test('bandwidth takes as long as the bytes need', async () => {
    const port = await proxied({ type: 'bandwidth', stream: 'upstream', attributes: { rate: 1 } })
    await said(port, 'x'.repeat(500))
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(500, 5)
  })

  test('slicer cuts packets', async () => {
    const port = await proxied({ type: 'slicer', attributes: { average_size: 2, delay: 1_000 } })
    expect((await said(port, 'hello!')).got).toBe('hello!')
    expect(waits).toEqual([1, 1, 1])
  })

  test('limit_data closes after so many bytes', async () => {
    const port = await proxied({ type: 'limit_data', attributes: { bytes: 3 } })
    expect((await said(port, 'hello')).got).toBe('hel')
  })

  test('timeout lets nothing through and closes; with 0 it never does', async () => {
    const port = await proxied({ name: 't', type: 'timeout', attributes: { timeout: 50 } })
    expect((await said(port, 'hello')).got).toBe('')
    expect(waits).toEqual([50])
    await api('POST', '/proxies/echo/toxics/t', { attributes: { timeout: 0 } })
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write('hello'))
    let got = ''
    socket.on('data', (chunk) => {
      got += chunk
    })
    await said(port, '').catch(() => {})
    socket.destroy()
    expect(got).toBe('')
  })

  test('reset_peer resets', async () => {
    const port = await proxied({ type: 'reset_peer', attributes: { timeout: 5 } })
    expect(await said(port, 'hello')).toMatchObject({ got: '', code: 'ECONNRESET' })
  })

  test('slow_close holds the end back', async () => {
    const port = await proxied({ type: 'slow_close', attributes: { delay: 70 } })
    expect((await said(port, 'hello')).got).toBe('hello')
    expect(waits).toEqual([70])
  })

  test('is on as many connections as its toxicity says, by the seed', async () => {
    const port = await proxied({ type: 'limit_data', toxicity: 0.5, attributes: { bytes: 1 } })
    const lengths: number[] = []
    for (let i = 0; i < 30; i++) lengths.push((await said(port, 'hello')).got.length)
    expect(new Set(lengths)).toEqual(new Set([1, 5]))
  })
})
