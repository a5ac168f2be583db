import { expect, test } from 'vitest'
import { TimerWheel } from './timer-wheel.ts'

test('entries come out in order of their millisecond, what is due in the past at once, and once each', () => {
  const wheel = new TimerWheel(8)
  const out: number[] = []
  const advance = (nowMs: number) => wheel.advance(nowMs, (entry) => out.push(entry))
  wheel.add(0, 7.9)
  wheel.add(1, 2.1)
  wheel.add(2, 16_000)
  advance(7.8)
  expect(out).toEqual([1])
  advance(8)
  expect(out).toEqual([1, 0])
  wheel.add(3, 1)
  advance(9)
  expect(out).toEqual([1, 0, 3])
  advance(20_000)
  expect(out).toEqual([1, 0, 3, 2])
})

test('an entry may come back while it is handed out', () => {
  const wheel = new TimerWheel(1)
  const times: number[] = []
  let atMs = 5
  wheel.add(0, atMs)
  wheel.advance(50, (entry) => {
    times.push(atMs)
    atMs += 10
    wheel.add(entry, atMs)
  })
  expect(times).toEqual([5, 15, 25, 35, 45])
})
