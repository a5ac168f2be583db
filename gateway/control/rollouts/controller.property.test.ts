import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around } from '@coalmine/core/rollout/testing/deployments.ts'
import { started } from '@coalmine/core/rollout/testing/rollouts.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StoreError } from '../../store/rollout-store.ts'
import { controlled, FACTS, QUICK } from './testing/controlled.ts'

const PROCESSES = 2
const process = fc.nat(PROCESSES - 1)
const event = fc.oneof(
  // Time goes on, mostly by what a turn is apart, and everybody does as they should.
  {
    weight: 40,
    arbitrary: fc.record({ kind: fc.constant('second' as const), failing: fc.constantFrom(0, 0, 0, 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 99, 999, 3100, 5001) }),
  },
  // Or one does as it likes.
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('tell' as const), process, lost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), process }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('tick' as const), times: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('failing tick' as const),
      fails: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('person' as const),
      does: fc.constantFrom('pause' as const, 'resume' as const, 'lower' as const),
      during: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('world' as const), ready: fc.boolean(), known: fc.boolean() }),
  },
)
type Happening = typeof event extends fc.Arbitrary<infer T> ? T : never

async function course(happenings: readonly Happening[]) {
  const one = await controlled({ processes: PROCESSES })
  const attempt = (work: Promise<unknown>) =>
    work.catch((error) => {
      if (!(error instanceof StoreError)) throw error
    })
  const act = (does: 'pause' | 'resume' | 'lower') => {
    if (does === 'lower') return one.act({ kind: 'set-weight', weightBp: 1 })
    return one.act({ kind: 'act', action: { kind: does } })
  }
  for (const happening of happenings) {
    switch (happening.kind) {
      case 'second':
        await one.seconds(1, { failing: happening.failing })
        break
      case 'pass':
        one.clock.nowMs += happening.ms
        break
      case 'tell':
        one.tell(one.processes[happening.process]!, {}, happening.lost)
        break
      case 'replace':
        one.replace(one.processes[happening.process]!)
        break
      case 'tick':
        for (let i = 0; i < happening.times; i++) await one.controller.tick()
        break
      case 'failing tick':
        one.store.fails = happening.fails
        await attempt(one.controller.tick())
        one.store.fails = undefined
        break
      case 'person': {
        if (!happening.during) {
          await act(happening.does)
          break
        }
        const { freeze } = one.store
        one.store.freeze = async () => {
          one.store.freeze = freeze
          await act(happening.does)
          return freeze.call(one.store)
        }
        one.clock.nowMs += 1000
        await one.controller.tick()
        one.store.freeze = freeze
        break
      }
      case 'world':
        one.world.ready = happening.ready
        one.world.facts = happening.known ? FACTS : undefined
    }
  }
  return one
}

test('whatever comes in whatever order, what is committed follows from what was stored', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 80 }), async (happenings) => {
      const { store } = await course(happenings)
      let before: Deployment = around(started({ policy: QUICK }))
      const drawn = (through: number, { startedAtMs }: { startedAtMs: number }) =>
        PROCESSES * 100 * Math.max(0, through - startedAtMs / 1000 + 1)
      for (const { parent, next, event, ended } of store.made) {
        const [was, is] = [before.rollout!, next.rollout ?? ended!]
        // A person's change between two turns is what the next one goes on from.
        expect(parent).toEqual({ revision: before.revision, evaluation: was.evaluation })
        expect(next.revision).toBe(before.revision + (event === undefined ? 0 : 1))
        const turn = event === undefined || event.actor === 'controller'
        expect(is.evaluation).toBe(was.evaluation + (turn ? 1 : 0))
        if (turn) expect(is.evaluatedMs - was.evaluatedMs).toBeGreaterThanOrEqual(QUICK.intervalMs)
        // Bets are placed before the first request.
        if (was.highestStep >= 0) {
          expect(is.evidence.references).toEqual(was.evidence.references)
          expect(is.firstAttempt).toEqual(was.firstAttempt)
        }
        // No second is counted twice, nor by more than was drawn in it.
        const { early, final } = is.evidence.cursor
        expect(early).toBeGreaterThanOrEqual(was.evidence.cursor.early)
        const counted = is.evidence.tally.reduce(
          (sum, { canary, control }) => [
            sum[0]! + canary.requests + control.requests,
            sum[1]! + canary.finished + control.finished,
          ],
          [0, 0],
        )
        expect(counted[0]).toBeLessThanOrEqual(drawn(early, is))
        expect(counted[1]).toBeLessThanOrEqual(drawn(final, is))
        if (event?.decision && turn && event.after.weightBp > event.before.weightBp)
          expect(event.decision.situation).toMatchObject({ evidenceIsFresh: true, frozen: false })
        before = next
        if (next.rollout === undefined) break
      }
    }),
    { numRuns: 150 },
  )
})

test('where everybody does as they should nothing is left out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(1, 2, 3, 7), { maxLength: 8 }), async (pauses) => {
      const one = await controlled({ processes: PROCESSES })
      one.world.ready = false
      // The controller sleeps now and then; processes never do.
      await one.seconds(1)
      for (const pause of pauses) {
        for (let i = 1; i < pause; i++) {
          one.clock.nowMs += 1000
          for (const each of one.processes) one.tell(each)
        }
        await one.seconds(1)
      }
      const { cursor, tally } = one.rollout()!.evidence
      const seen = tally.reduce((sum, { control }) => sum + control.requests, 0)
      const seconds = cursor.early - one.rollout()!.startedAtMs / 1000 + 1
      expect(seen).toBe(Number.isFinite(seconds) ? PROCESSES * 100 * seconds : 0)
    }),
  )
})
