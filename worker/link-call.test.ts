import { connect } from 'node:net'
import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { LINK_PATH, LINK_TERMS_PATH } from '@coalmine/contract/link/frame.ts'
import { LINK_KIND, type LinkRequest, writeRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import { type LinkAnswer, readResponseFrame } from '@coalmine/contract/link/response-frame.ts'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { inferPath, one, post, predictPath, startTabular, tensors } from './testing/tabular-worker.ts'

const { adapters, origin, close } = await startTabular()
afterAll(close)

const v1 = (...records: unknown[]) => JSON.stringify({ instances: records })
const row = (body: string, more: Partial<LinkRequest> = {}): LinkRequest => ({
  kind: LINK_KIND.v1,
  body: Buffer.from(body),
  jsonLength: Buffer.byteLength(body),
  budgetMs: 0,
  pick: 0,
  wantsIds: true,
  meta: 'the-id',
  ...more,
})
const call = (frame: Buffer): RequestInit => ({ method: 'POST', body: new Uint8Array(frame) })

test.each(adapters)('over the %s it says what it takes', async (_, send) => {
  const [terms, manifest] = await Promise.all([send(LINK_TERMS_PATH), send('/manifest')])
  const { digest } = (await manifest.json()) as { digest: string }
  expect(await terms.json()).toEqual({
    ...{ versions: [1], model: 'tabular', version: '1.0.0', digest },
    ...{ maxRows: 256, maxBytes: 1024 * 1024 },
  })
})

describe.each(adapters)('a call over the %s', (_, send) => {
  const ask = async (...rows: LinkRequest[]): Promise<LinkAnswer[]> => {
    const response = await send(LINK_PATH, call(writeRequestFrame(9, rows)))
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/octet-stream'])
    return readResponseFrame(Buffer.from(await response.arrayBuffer()), { sequence: 9, rows: rows.length })
  }
  const text = ({ body }: LinkAnswer) => body.toString()

  test('answers each row as a request of its own would be, with room for ids', async () => {
    const [first, second] = await ask(
      row(v1(one, { ...one, amount: 5 }), { pick: 3 }),
      row(tensors([3, 5]).body as string, { kind: LINK_KIND.v2, wantsIds: false, meta: 'mine' }),
    )
    expect(first).toMatchObject({ status: 200, outcome: 'ok', rows: 2, row: 1 })
    expect(first!.ids.map((at) => text(first!).slice(at, at + 64))).toEqual([ID_PLACEHOLDER, ID_PLACEHOLDER])
    const plain = await (await send(inferPath, tensors([3, 5], { id: 'mine' }))).text()
    expect([second!.ids, text(second!)]).toEqual([[], plain])
  })

  test('refuses a faulty row alone, with the words of a plain request', async () => {
    const bad = v1({ ...one, amount: 'much', cuont: 4 })
    const [good, refused, broken] = await ask(row(v1(one)), row(bad), row('{"instances": ['))
    const plain = await send(predictPath, post(bad))
    expect(good!.outcome).toBe('ok')
    expect([refused!.status, text(refused!)]).toEqual([plain.status, await plain.text()])
    expect([refused!.status, broken!.status, broken!.outcome]).toEqual([422, 400, 'rejected'])
  })

  test('refuses what is too long or in binary, row by row', async () => {
    const long = v1({ ...one, kind: 'x'.repeat(17_000) })
    const answers = await ask(row(long), row(v1(one), { kind: LINK_KIND.v2binary }), row(v1(one)))
    expect(answers.map(({ status }) => status)).toEqual([413, 400, 200])
  })

  test('takes up to 256 rows, and gives each its own', async () => {
    const rows = Array.from({ length: 256 }, (_, i) => row(v1({ ...one, amount: i })))
    const answers = await ask(...rows)
    const totals = answers.map((answer) => JSON.parse(text(answer)).predictions[0].total)
    expect(totals).toEqual(rows.map((_, i) => i + 4))
  })

  test.each([
    ['no frame', Buffer.from('{"instances":[]}')],
    ['a frame that is cut', writeRequestFrame(1, [row(v1(one))]).subarray(0, 40)],
    ['a frame of another version', Buffer.from(writeRequestFrame(1, [row(v1(one))])).fill(2, 4, 5)],
    ['too many rows', writeRequestFrame(1, Array(257).fill(row('{}')))],
  ])('that is %s is a 400 with the reason, and nothing is run', async (_, frame) => {
    const response = await send(LINK_PATH, call(frame))
    expect(response.status).toBe(400)
    expect(((await response.json()) as { error: string }).error).toMatch(/: expected .*, got /)
  })
})

test('whatever comes on a raw connection, the worker lives and answers the next call', async () => {
  const good = writeRequestFrame(3, Array(5).fill(row(v1(one))))
  const head = Buffer.from(
    `POST /link/v1 HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: ${good.length}\r\n\r\n`,
  )
  const change = fc.record({ at: fc.nat(good.length - 1), value: fc.nat(255) })
  const length = fc.oneof(fc.constant(good.length), fc.nat(good.length))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 6 }), length, async (changes, bytes) => {
      const frame = Buffer.from(good)
      for (const { at, value } of changes) frame[at] = value
      await raw(Buffer.concat([head, frame.subarray(0, bytes)]))
    }),
  )
  const response = await fetch(origin + LINK_PATH, call(good))
  const answers = readResponseFrame(Buffer.from(await response.arrayBuffer()), { sequence: 3, rows: 5 })
  expect(answers.every(({ outcome }) => outcome === 'ok')).toBe(true)
})

/** Sends bytes and our end; resolves when the worker has closed. */
function raw(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(origin)
    const socket = connect(Number(port), hostname, () => socket.write(bytes, () => socket.end()))
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.resume()
  })
}
