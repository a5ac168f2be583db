import { expect, test } from 'vitest'
import type { Outcome } from './recorder.ts'
import { Tripwire } from './tripwire.ts'

const times = (n: number, outcome: Outcome) => new Array<Outcome>(n).fill(outcome)
const GOOD = times(20, 'ok')
/** As many outcomes of stable as are waited for. */
const ENOUGH = times(5, 'ok')

/** A wire that saw so many outcomes of stable, then these of the canary, and then again some of stable. */
function wire(stable: readonly Outcome[], canary: readonly Outcome[], since = ENOUGH): Tripwire {
  const wire = new Tripwire()
  for (const outcome of stable) wire.see('stable', outcome)
  for (const outcome of canary) wire.see('canary', outcome)
  for (const outcome of since) wire.see('stable', outcome)
  return wire
}

test('a canary that fails 15 times of 20 trips the wire', () => {
  expect(wire(GOOD, [...times(5, 'ok'), ...times(14, 'error')]).trip).toBeUndefined()
  expect(wire(GOOD, [...times(5, 'ok'), ...times(15, 'error')]).trip).toEqual({
    failed: 15,
    of: 20,
    outcome: 'error',
  })
})

test('one that has failed from the first on is not waited for', () => {
  expect(wire(GOOD, times(15, 'unavailable')).trip).toEqual({ failed: 15, of: 15, outcome: 'unavailable' })
})

test('failures that are long past are forgotten', () => {
  expect(wire(GOOD, [...times(14, 'error'), ...times(20, 'ok'), ...times(14, 'error')]).trip).toBeUndefined()
})

test('a fault that stable shares is not the canary’s: a quarter is enough', () => {
  const failing = [...times(15, 'ok'), ...times(5, 'timeout')] as Outcome[]
  expect(wire(failing, times(20, 'timeout')).trip).toBeUndefined()
  expect(wire([...failing, 'ok', ...times(15, 'ok')], times(20, 'timeout')).trip).toBeDefined()
})

test('a canary that gets most of the requests is only the first to show a fault that all share', () => {
  const shared = wire(GOOD, times(20, 'timeout'), [])
  expect(shared.trip).toBeUndefined()
  for (let i = 0; i < 20; i++) {
    shared.see('stable', 'timeout')
    for (let j = 0; j < 99; j++) shared.see('canary', 'timeout')
  }
  expect(shared.trip).toBeUndefined()
})

test('outcomes of stable from before the canary failed say nothing of its failing', () => {
  const tripwire = wire(GOOD, times(15, 'error'), times(4, 'ok'))
  expect(tripwire.trip).toBeUndefined()
  for (const outcome of times(10, 'ok')) tripwire.see('canary', outcome)
  for (const outcome of times(10, 'error')) tripwire.see('canary', outcome)
  tripwire.see('stable', 'ok')
  expect(tripwire.trip).toBeUndefined()
})

test('without five outcomes of stable nothing says whose fault it is', () => {
  expect(wire([], times(20, 'error'), times(4, 'ok')).trip).toBeUndefined()
  expect(wire([], times(20, 'error'), times(5, 'ok')).trip).toBeDefined()
})

test('stable and baseline are watched together', () => {
  const tripwire = new Tripwire()
  for (let i = 0; i < 15; i++) tripwire.see('canary', 'error')
  for (let i = 0; i < 3; i++) {
    tripwire.see('stable', 'ok')
    tripwire.see('baseline', 'ok')
  }
  expect(tripwire.trip).toBeDefined()
})

test('a refused request is good, and one that was given up is nothing', () => {
  expect(wire(GOOD, times(20, 'rejected')).trip).toBeUndefined()
  expect(wire(GOOD, [...times(14, 'error'), ...times(20, 'aborted')]).trip).toBeUndefined()
  expect(wire(GOOD, [...times(14, 'error'), ...times(20, 'aborted'), 'error']).trip).toBeDefined()
})

test('once tripped it stays so, and tells what it failed with most often', () => {
  const tripwire = wire(GOOD, [...times(5, 'error'), ...times(6, 'invalid'), ...times(4, 'timeout')])
  for (const outcome of times(20, 'ok')) tripwire.see('canary', outcome)
  expect(tripwire.trip).toEqual({ failed: 15, of: 15, outcome: 'invalid' })
})
