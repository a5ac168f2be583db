import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEFAULT_OVERLOAD, type LoadReading, levelOf, OverloadGuard, protectionOf } from './overload.ts'

const CALM: LoadReading = { loopDelayMs: 5, loopUse: 0.3, heapShare: 0.2 }
const BLOCKED = { ...CALM, loopDelayMs: 2_000 }
const level = (reading: Partial<LoadReading>) =>
  levelOf(protectionOf({ ...CALM, ...reading }, DEFAULT_OVERLOAD))
const levels = (readings: readonly LoadReading[]) => {
  const guard = new OverloadGuard()
  return readings.map((reading) => levelOf(guard.read(reading)))
}

test('what each reading calls for', () => {
  expect(level({})).toBe('calm')
  expect(level({ loopUse: 0.98 })).toBe('spare')
  expect(level({ heapShare: 0.92 })).toBe('close')
  expect(level({ heapShare: 0.95 })).toBe('shed')
  expect(level({ loopDelayMs: 250 })).toBe('shed')
  expect(level({ loopDelayMs: 249, loopUse: 0.979, heapShare: 0.919 })).toBe('calm')
})

test('a core in full use that answers in time refuses nobody and closes nothing', () => {
  expect(protectionOf({ loopDelayMs: 100, loopUse: 1, heapShare: 0.5 }, DEFAULT_OVERLOAD)).toEqual({
    sparing: true,
    closing: false,
    shedding: false,
  })
})

test('a late loop refuses predictions and keeps connections; a full heap gives them up too', () => {
  expect(protectionOf(BLOCKED, DEFAULT_OVERLOAD)).toEqual({ sparing: true, closing: false, shedding: true })
  expect(protectionOf({ ...CALM, heapShare: 0.96 }, DEFAULT_OVERLOAD)).toEqual({
    sparing: true,
    closing: true,
    shedding: true,
  })
})

test('more load never gives up less', () => {
  const reading = fc.record({
    loopDelayMs: fc.double({ min: 0, max: 500, noNaN: true }),
    loopUse: fc.double({ min: 0, max: 1, noNaN: true }),
    heapShare: fc.double({ min: 0.8, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(reading, reading, (a, b) => {
      const more = {
        loopDelayMs: Math.max(a.loopDelayMs, b.loopDelayMs),
        loopUse: Math.max(a.loopUse, b.loopUse),
        heapShare: Math.max(a.heapShare, b.heapShare),
      }
      const [less, all] = [protectionOf(a, DEFAULT_OVERLOAD), protectionOf(more, DEFAULT_OVERLOAD)]
      for (const what of ['sparing', 'closing', 'shedding'] as const)
        expect(all[what] || !less[what]).toBe(true)
      if (all.shedding || all.closing) expect(all.sparing).toBe(true)
    }),
  )
})

test('it begins at once and ends with the second calm reading in a row', () => {
  expect(levels([CALM, BLOCKED, CALM, CALM])).toEqual(['calm', 'shed', 'shed', 'calm'])
  expect(levels([BLOCKED, CALM, BLOCKED, CALM, CALM])).toEqual(['shed', 'shed', 'shed', 'shed', 'calm'])
})

test('a pause refuses nobody; a loop that stays late does, and one that was blocked does at once', () => {
  const late = { ...CALM, loopDelayMs: 400 }
  expect(levels([CALM, late, CALM, CALM, late])).toEqual(['calm', 'calm', 'calm', 'calm', 'calm'])
  expect(levels([CALM, late, late, CALM, CALM])).toEqual(['calm', 'calm', 'shed', 'shed', 'calm'])
  expect(levels([CALM, { ...CALM, loopDelayMs: 1_000 }])).toEqual(['calm', 'shed'])
})

test('of the last two readings the worse is told', () => {
  const guard = new OverloadGuard()
  guard.read({ loopDelayMs: 400, loopUse: 0.1, heapShare: 0.2 })
  guard.read({ loopDelayMs: 10, loopUse: 0.5, heapShare: 0.1 })
  expect(guard.worst).toEqual({ loopDelayMs: 400, loopUse: 0.5, heapShare: 0.2 })
  guard.read(CALM)
  expect(guard.worst).toEqual({ loopDelayMs: 10, loopUse: 0.5, heapShare: 0.2 })
})

test('what is less needed ends by itself, what is still needed stays', () => {
  const busy = { ...CALM, loopUse: 0.99 }
  expect(levels([BLOCKED, busy, busy, CALM, CALM])).toEqual(['shed', 'shed', 'spare', 'spare', 'calm'])
  const full = { ...CALM, heapShare: 0.93 }
  expect(levels([{ ...CALM, heapShare: 0.96 }, full, full])).toEqual(['shed', 'shed', 'close'])
})

test('settings that change count from the next reading on', () => {
  const guard = new OverloadGuard()
  expect(guard.read({ ...CALM, heapShare: 0.5 }).closing).toBe(false)
  guard.settings = { ...DEFAULT_OVERLOAD, heapClose: 0.4 }
  expect(guard.read({ ...CALM, heapShare: 0.5 }).closing).toBe(true)
})
