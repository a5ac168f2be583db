import { describe, expect, test } from 'vitest'
import { handle } from './call.ts'
import { V1 } from './protocol.ts'
import { BODY, exchange, serving } from './testing/serving-in-memory.ts'

describe('a call', () => {
  test('is counted once, with how it ended', async () => {
    const { it, outcomes } = serving()
    const call = exchange()
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 200, body: { predictions: [{ y: 1 }] } }])
    expect(outcomes).toEqual(['ok'])
  })

  test('that finds the queue full is told to come back', () => {
    const { it, outcomes } = serving({ waitingMax: 0 })
    const call = exchange()
    handle(call.it, V1, it)
    expect(call.answers).toMatchObject([{ status: 503, body: { error: 'too many requests are waiting' } }])
    expect(call.answers[0]!.headers.join(' ')).toContain('retry-after 1')
    expect(outcomes).toEqual(['overloaded'])
  })

  test('whose client left before the run is not run', async () => {
    const { it, batcher, outcomes, runs } = serving()
    const call = exchange()
    handle(call.it, V1, it)
    call.leave()
    await batcher.idle()
    expect([call.answers, runs, outcomes]).toEqual([[], [], ['abandoned']])
  })

  test('whose client left while sending is not run', () => {
    const { it, outcomes } = serving()
    const call = exchange('gone')
    handle(call.it, V1, it)
    expect([call.answers, outcomes]).toEqual([[], ['abandoned']])
  })

  test('whose time runs out in the queue is not run', async () => {
    const { it, outcomes, runs } = serving({ nowMs: () => performance.now() + 60_000 })
    const call = exchange(BODY, { 'x-coalmine-budget-ms': '50000' })
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 504 }])
    expect([runs, outcomes]).toEqual([[], ['expired']])
  })

  test('is a model error when the model answers what JSON cannot hold', async () => {
    const { it, outcomes } = serving({ output: Number.NaN })
    const call = exchange()
    handle(call.it, V1, it)
    await call.answered
    expect(call.answers).toMatchObject([{ status: 500, body: { error: 'model error' } }])
    expect(outcomes).toEqual(['model_error'])
  })

  test.each([
    ['mine', /^mine$/],
    ['not one header value', /^[0-9a-f-]{36}$/],
    ['', /^[0-9a-f-]{36}$/],
    ['x'.repeat(129), /^[0-9a-f-]{36}$/],
  ])('with the request id "%s" is answered with one that a log can hold', async (id, expected) => {
    const { it } = serving()
    const call = exchange(BODY, { 'x-request-id': id })
    handle(call.it, V1, it)
    await call.answered
    const { headers } = call.answers[0]!
    expect(headers[headers.indexOf('x-request-id') + 1]).toMatch(expected)
  })
})
