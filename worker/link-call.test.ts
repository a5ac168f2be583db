import { connect } from 'node:net'
import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { LINK_PATH, LINK_TERMS_PATH } from '@coalmine/contract/link/frame.ts'
import { LINK_KIND, type LinkRequest, writeRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import { type LinkAnswer, readResponseFrame } from '@coalmine/contract/link/response-frame.ts'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { buildApp } from './app.ts'
import { Life } from './life.ts'
import { Metrics } from './metrics.ts'
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

  test('loses alone the rows that the model fails for, or answers with what JSON cannot hold', async () => {
    const fails = v1({ ...one, count: 12 })
    const notANumber = v1({ ...one, amount: null })
    const answers = await ask(
      ...[fails, v1(one), notANumber, v1({ ...one, amount: 5 })].map((body) => row(body)),
    )
    expect(answers.map(({ status, outcome }) => [status, outcome])).toEqual([
      [500, 'model error'],
      [200, 'ok'],
      [500, 'model error'],
      [200, 'ok'],
    ])
    expect(text(answers[0]!)).toBe('{"error":"model error"}')
    expect(JSON.parse(text(answers[3]!)).predictions[0].total).toBe(9)
  })

  test('has for each row status and bytes of a request of its own, but for ids, whatever is beside it', async () => {
    const amount = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(null, 'much', 2000))
    const count = fc.oneof(fc.nat(9), fc.constantFrom(12, -1, 0.5))
    const record = fc.record({ amount, count, kind: fc.string({ unit: 'grapheme', maxLength: 5 }) })
    const records = fc.array(record, { maxLength: 3 }).map((some) => v1(...some))
    const broken = fc.tuple(records, fc.nat(20)).map(([body, cut]) => body.slice(0, -1 - cut))
    const oip = fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 3 }).map((some) => tensors(some).body)
    const question = fc.oneof(
      fc.oneof(records, broken).map((body) => ({ body, kind: LINK_KIND.v1, path: predictPath })),
      oip.map((body) => ({ body: body as string, kind: LINK_KIND.v2, path: inferPath })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(question, { minLength: 1, maxLength: 12 }), async (questions) => {
        const answers = await ask(...questions.map(({ body, kind }) => row(body, { kind })))
        for (const [i, { body, path }] of questions.entries()) {
          const plain = await send(path, post(body, { 'x-request-id': 'the-id' }))
          const said = text(answers[i]!).replaceAll(`"prediction_id":"${ID_PLACEHOLDER}",`, '')
          expect([answers[i]!.status, said]).toEqual([plain.status, await plain.text()])
        }
      }),
      { numRuns: 30 },
    )
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

test('calls under way when the end begins are answered, and no other request is taken', async () => {
  const { worker, close } = await startTabular()
  worker.life.draining = true
  const [answer, plain] = await Promise.all([
    worker.app.request(LINK_PATH, call(writeRequestFrame(1, [row(v1(one))]))),
    worker.app.request(predictPath, post(v1(one))),
  ])
  expect([answer.status, plain.status]).toEqual([200, 503])
  await close()
})

test('without a model a call is told to come back', async () => {
  const life = new Life()
  const app = buildApp({ model: 'm', version: '1', life, metrics: new Metrics('m', '1') })
  const answer = await app.request(LINK_PATH, call(writeRequestFrame(1, [row(v1(one))])))
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  expect((await app.request(LINK_TERMS_PATH)).status).toBe(503)
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
