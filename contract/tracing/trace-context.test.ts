import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newSpanId, newTraceId, parseTraceparent, traceparentOf } from './trace-context.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test('the example of the standard', () => {
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({
    traceId: TRACE,
    spanId: SPAN,
    isSampled: true,
  })
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-02`)?.isSampled).toBe(false)
})

test.each([
  undefined,
  '',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
])('%s is none', (text) => {
  expect(parseTraceparent(text)).toBeUndefined()
})

test('a later version is read as far as it is like this one', () => {
  expect(parseTraceparent(`01-${TRACE}-${SPAN}-01-more`)?.traceId).toBe(TRACE)
})

test('what is made is read again', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 6, maxLength: 6 }),
      fc.boolean(),
      (draws, isSampled) => {
        const random = () => draws.pop()!
        const context = { traceId: newTraceId(random), spanId: newSpanId(random), isSampled }
        expect(parseTraceparent(traceparentOf(context))).toEqual(context)
      },
    ),
  )
})
