import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Intake } from './intake.ts'
import { delta, requestsOf, secondsOf } from './testing/deltas.ts'

const NOTHING = Number.NEGATIVE_INFINITY
const holding = (early: number, final = early) => ({ cursor: { early, final, labels: NOTHING } })
/** An intake that two recorders have announced themselves to, at 0. */
const ofTwo = () => {
  const intake = new Intake('r')
  for (const incarnation of ['a', 'b']) intake.accept(delta({ incarnation, sequence: 0, through: 0 }), 0)
  return intake
}

describe('what was released', () => {
  test('comes again until the evidence holds it, each second once', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 0, through: 2, seconds: [1, 2] }), 0)
    const first = intake.beyond(holding(NOTHING), 0)
    // The commit failed.
    intake.accept(delta({ sequence: 1, through: 3, seconds: [3] }), 1000)
    expect(secondsOf(intake.beyond(holding(NOTHING), 1000).early)).toEqual([1, 2, 3])
    expect(secondsOf(intake.beyond(holding(NOTHING), 1000).early)).toEqual([1, 2, 3])
    // It was made after all, as one looks again.
    expect(secondsOf(intake.beyond(holding(2), 1000).early)).toEqual([3])
    expect(secondsOf(intake.beyond(holding(3), 1000).early)).toEqual([])
    // What was handed out stays what it was.
    expect(secondsOf(first.early)).toEqual([1, 2])
  })

  test('is measured by each group’s own cursor', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 0, through: 3, seconds: [1, 2, 3] }), 0)
    const { early, final, labels } = intake.beyond(holding(2, 1), 0)
    expect([secondsOf(early), secondsOf(final), labels]).toEqual([[3], [2, 3], []])
  })

  test('waits for every live recorder, and is all recorders’ then', () => {
    const intake = ofTwo()
    intake.accept(delta({ incarnation: 'a', sequence: 1, through: 5, seconds: [4, 5] }), 1000)
    expect(secondsOf(intake.beyond(holding(NOTHING), 1000).final)).toEqual([])
    intake.accept(delta({ incarnation: 'b', sequence: 1, through: 4, seconds: [3, 4] }), 1000)
    const { final } = intake.beyond(holding(NOTHING), 1000)
    expect(secondsOf(final)).toEqual([3, 4])
    expect(requestsOf(final)).toBe(300)
  })

  test('whatever is asked in between, it is everything that was told, once', () => {
    const step = fc.record({
      teller: fc.constantFrom('a', 'b'),
      ask: fc.boolean(),
      look: fc.boolean(),
      commits: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const intake = ofTwo()
        const told = { a: 0, b: 0 }
        const counted: number[] = []
        let cursor = NOTHING
        const count = (commits: boolean) => {
          const seconds = secondsOf(intake.beyond(holding(cursor), 0).early)
          if (!commits || seconds.length === 0) return
          counted.push(...seconds)
          cursor = seconds.at(-1)!
        }
        for (const { teller, ask, look, commits } of steps) {
          const second = ++told[teller as 'a' | 'b']
          intake.accept(
            delta({ incarnation: teller, sequence: second, through: second, seconds: [second] }),
            0,
          )
          if (look) intake.recent(0)
          if (ask) count(commits)
        }
        count(true)
        expect(counted).toEqual(Array.from({ length: Math.min(told.a, told.b) }, (_, i) => i + 1))
        expect(intake.givenUp).toBe(0)
      }),
    )
  })
})

describe('a recorder', () => {
  test('that is met in the middle of its life is refused, and stays so', () => {
    const intake = new Intake('r')
    expect(intake.accept(delta({ sequence: 7, through: 9, seconds: [9] }), 0)).toBe(false)
    expect(intake.accept(delta({ sequence: 0, through: 9, seconds: [9] }), 0)).toBe(false)
    expect(secondsOf(intake.beyond(holding(NOTHING), 0).early)).toEqual([])
    expect([intake.recent(0), intake.dropped]).toEqual([0, 2])
    // Nobody counted on it, so that nothing was lost with it.
    expect(intake.lostMs).toBe(NOTHING)
  })

  test('that begins anew is taken', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 7, through: 9 }), 0)
    expect(intake.accept(delta({ incarnation: 'a2', sequence: 0, through: 9 }), 0)).toBe(true)
    expect(intake.recent(0)).toBe(1)
  })

  test('of which a delta is missing is lost from that moment', () => {
    const intake = ofTwo()
    expect(intake.accept(delta({ sequence: 2, through: 2, seconds: [2] }), 1000)).toBe(false)
    expect([intake.recent(1000), intake.lostMs]).toEqual([1, 1000])
  })

  test('that is silent for more than five seconds is lost, and what waited for it is released without it', () => {
    const intake = ofTwo()
    for (const second of [1, 2, 3, 4, 5])
      intake.accept(delta({ incarnation: 'b', sequence: second, through: second, seconds: [second] }), 5000)
    expect(secondsOf(intake.beyond(holding(NOTHING), 5000).early)).toEqual([])
    expect([intake.recent(5000), intake.lostMs]).toEqual([1, NOTHING])
    expect(secondsOf(intake.beyond(holding(NOTHING), 5001).early)).toEqual([1, 2, 3, 4, 5])
    expect(intake.lostMs).toBe(5001)
  })

  test('that is lost is known to be before what it held up is asked for', () => {
    const intake = ofTwo()
    // The process came back under another name at once, so that as many are heard as before.
    for (const sequence of [0, 1])
      intake.accept(delta({ incarnation: 'a2', sequence, through: sequence + 4 }), 3000 + sequence)
    intake.accept(delta({ incarnation: 'b', sequence: 1, through: 5, seconds: [5] }), 4900)
    expect([intake.recent(5001), intake.lostMs]).toEqual([2, 5001])
  })

  test('is recent for three seconds after its last word', () => {
    const intake = ofTwo()
    intake.accept(delta({ incarnation: 'b', sequence: 1, through: 1 }), 1000)
    expect([3000, 3001, 4000, 4001].map((nowMs) => intake.recent(nowMs))).toEqual([2, 1, 1, 0])
  })

  test('that joins has no part in seconds that were released before', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 0, through: 5, seconds: [5] }), 0)
    intake.accept(delta({ incarnation: 'b', sequence: 0, through: 6, seconds: [4, 5, 6] }), 0)
    intake.accept(delta({ sequence: 1, through: 6 }), 0)
    const { early, final } = intake.beyond(holding(NOTHING), 0)
    expect([secondsOf(early), requestsOf(final)]).toEqual([[5, 6], 200])
    // Two seconds of two groups.
    expect(intake.dropped).toBe(4)
  })

  test('repeating itself is not counted twice', () => {
    const intake = new Intake('r')
    const once = delta({ sequence: 0, through: 1, seconds: [1] })
    for (const again of [once, once]) expect(intake.accept(again, 0)).toBe(true)
    expect(requestsOf(intake.beyond(holding(NOTHING), 0).final)).toBe(100)
  })

  test('that cannot be read is said where, and changes nothing', () => {
    const intake = new Intake('r')
    const broken = { ...delta({ sequence: 0, through: 1 }), flush: { early: { through: 1 } } }
    expect(() => intake.accept(broken as never, 0)).toThrow(/early\.windows/)
    expect(intake.accept(delta({ sequence: 0, through: 1, seconds: [1] }), 0)).toBe(true)
  })
})

describe('while nothing can be committed', () => {
  const tellFor = (intake: Intake, seconds: number, from = 1) => {
    for (let second = from; second < from + seconds; second++)
      intake.accept(delta({ sequence: second, through: second, seconds: [second] }), 0)
  }

  test('the last five minutes wait, of all groups alike; older ones are given up', () => {
    const intake = ofTwo()
    intake.accept(delta({ incarnation: 'b', sequence: 1, through: 10_000 }), 0)
    tellFor(intake, 310)
    const { early, final } = intake.beyond(holding(NOTHING), 0)
    for (const windows of [early, final]) {
      expect(windows).toHaveLength(300)
      expect(windows![0]!.second).toBe(11)
    }
    expect(intake.givenUp).toBe(20)
    intake.beyond(holding(NOTHING), 0)
    expect(intake.givenUp).toBe(20)
  })

  test('nor any turn made, there is a limit too', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 0, through: 0 }), 0)
    tellFor(intake, 500)
    // Three hundred, and a minute that may have been counted since the last turn.
    expect(intake.givenUp).toBe(2 * 140)
  })

  test('what was counted before is not given up', () => {
    const intake = new Intake('r')
    intake.accept(delta({ sequence: 0, through: 0 }), 0)
    tellFor(intake, 300)
    intake.beyond(holding(NOTHING), 0)
    // The commit was made. The next turn is a minute later.
    tellFor(intake, 60, 301)
    expect(secondsOf(intake.beyond(holding(300), 0).early)).toHaveLength(60)
    expect(intake.givenUp).toBe(0)
  })
})
