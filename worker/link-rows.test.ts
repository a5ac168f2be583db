import { MAX_BYTES } from '@coalmine/contract/link/frame.ts'
import { LINK_KIND, type LinkRequest, writeRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import { readResponseFrame } from '@coalmine/contract/link/response-frame.ts'
import { describe, expect, test } from 'vitest'
import { frameBytesMax, handleLink, linkTerms } from './link-call.ts'
import { BODY, exchange, serving } from './testing/serving-in-memory.ts'

const row = (more: Partial<LinkRequest> = {}): LinkRequest => ({
  kind: LINK_KIND.v1,
  body: Buffer.from(BODY),
  jsonLength: BODY.length,
  budgetMs: 0,
  pick: 0,
  wantsIds: false,
  meta: 'the-id',
  ...more,
})
const frame = (...rows: LinkRequest[]) => writeRequestFrame(5, rows)

/** Status and outcome of each row of the one answer that was given. */
function rowsOf({ answers }: ReturnType<typeof exchange>, rows: number) {
  expect(answers.map(({ status }) => status)).toEqual([200])
  const read = readResponseFrame(answers[0]!.body as Buffer, { sequence: 5, rows })
  return read.map(({ status, outcome }) => [status, outcome])
}

describe('of a call', () => {
  test('a row whose time is over is not run, and the others are', async () => {
    const { it, runs, outcomes } = serving({ nowMs: () => performance.now() + 60_000 })
    const call = exchange(frame(row(), row({ budgetMs: 50_000 }), row({ budgetMs: 1_000_000 })))
    handleLink(call.it, it)
    await call.answered
    expect(rowsOf(call, 3)).toEqual([
      [200, 'ok'],
      [504, 'expired'],
      [200, 'ok'],
    ])
    expect(runs).toEqual([2])
    expect(outcomes.toSorted()).toEqual(['expired', 'ok', 'ok'])
  })

  test('the rows that find the queue full are told to come back, and the others are run', async () => {
    const { it, runs } = serving({ waitingMax: 2 })
    const call = exchange(frame(row(), row(), row(), row()))
    handleLink(call.it, it)
    await call.answered
    expect(rowsOf(call, 4)).toEqual([
      [200, 'ok'],
      [200, 'ok'],
      [503, 'overloaded'],
      [503, 'overloaded'],
    ])
    expect(runs).toEqual([2])
  })

  test('as many rows are run at a time as the model takes', async () => {
    const { it, runs } = serving()
    const call = exchange(frame(...Array<LinkRequest>(10).fill(row())))
    handleLink(call.it, it)
    await call.answered
    expect(rowsOf(call, 10)).toEqual(Array(10).fill([200, 'ok']))
    expect(runs).toEqual([4, 4, 2])
  })

  test('whose rows need no run the answer is there at once', () => {
    const { it, runs } = serving({ waitingMax: 0 })
    const call = exchange(frame(row(), row({ body: Buffer.from('{'), jsonLength: 1 })))
    handleLink(call.it, it)
    expect(rowsOf(call, 2)).toEqual([
      [503, 'overloaded'],
      [400, 'rejected'],
    ])
    expect(runs).toEqual([])
  })
})

describe('a call', () => {
  test('that the gateway aborted before the run is not run, each of its rows counted', async () => {
    const { it, batcher, runs, outcomes } = serving()
    const call = exchange(frame(row(), row()))
    handleLink(call.it, it)
    call.leave()
    await batcher.idle()
    expect([call.answers, runs, outcomes]).toEqual([[], [], ['abandoned', 'abandoned']])
  })

  test('that breaks off while it is sent is none', () => {
    const { it, outcomes } = serving()
    const call = exchange('gone')
    handleLink(call.it, it)
    expect([call.answers, outcomes]).toEqual([[], []])
  })

  test('that is too long is refused with the limit', () => {
    const { it, outcomes } = serving()
    const call = exchange('too large')
    handleLink(call.it, it)
    const error = `a call has at most ${MAX_BYTES} bytes`
    expect([call.answers, outcomes]).toMatchObject([[{ status: 413, body: { error } }], []])
  })

  test('has room for one body of any length that the worker takes', () => {
    const { it } = serving()
    expect(frameBytesMax(it)).toBe(MAX_BYTES)
    expect(frameBytesMax({ ...it, bodyBytesMax: 2 * MAX_BYTES })).toBeGreaterThan(2 * MAX_BYTES)
  })

  test('of several rows is refused where a row takes so long that none should wait for another', async () => {
    const { it } = serving({ linkRowsMax: 1 })
    expect(linkTerms(it).maxRows).toBe(1)
    const two = exchange(frame(row(), row()))
    handleLink(two.it, it)
    expect(two.answers).toMatchObject([{ status: 400, body: { error: 'rows: expected at most 1, got 2' } }])
    const one = exchange(frame(row()))
    handleLink(one.it, it)
    await one.answered
    expect(rowsOf(one, 1)).toEqual([[200, 'ok']])
  })
})
