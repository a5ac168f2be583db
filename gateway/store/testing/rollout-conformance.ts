import { type Evidence, learnBaseline, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import { encodeEvidence } from '@coalmine/core/evidence/evidence-bytes.ts'
import {
  aSecond,
  HEALTHY,
  healthyReferences,
  uniform,
  WIDEST_POLICY,
} from '@coalmine/core/evidence/testing/traffic.ts'
import type { Action } from '@coalmine/core/rollout/act.ts'
import { canaryWeightBp, type Deployment } from '@coalmine/core/rollout/deployment.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { judgedPair, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { TickChange } from '@coalmine/core/rollout/rollout-step.ts'
import {
  around,
  changed,
  rollingIn,
  startedIn,
  turned,
  WHOLE,
} from '@coalmine/core/rollout/testing/deployments.ts'
import { POLICY, WATCHED_POLICY, WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { inPhase, ref, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond } from '@coalmine/core/rollout/testing/windows.ts'
import { describe, expect, test } from 'vitest'
import { type Commit, INPUTS_MAX, parentOf, type RolloutStore } from '../rollout-store.ts'

const over = (before: Deployment, { next, ended, event }: TickChange): Commit => ({
  parent: parentOf(before),
  next,
  ...(ended && { ended }),
  ...(event && { event }),
})
const act = (action: Action): Intent => ({ kind: 'act', action })

/** A deployment as the first thing that is stored of its model. */
const seed = (deployment: Deployment): Commit => ({
  parent: { revision: 0, evaluation: 0 },
  next: deployment,
  event: { ...changed(WHOLE, { kind: 'note-file' }).event, model: deployment.model },
})

const starting = (before: Deployment, version = '1.1.0', policy = POLICY): Commit =>
  over(
    before,
    changed(before, {
      kind: 'start-rollout',
      rollout: startedIn(before, { canary: ref(version), policy, model: before.model }),
      supersede: true,
    }),
  )

/** A tick after so many others that brings one second of requests, and waits. */
const ticking = (before: Deployment, requests = 1000): Commit => {
  const second = START_MS / 1000 + before.rollout!.evaluation
  const released = fairSecond(second, canaryWeightBp(before), requests)
  return over(before, turned(before, released, { nowMs: (second + 2) * 1000 }))
}
const acting = (before: Deployment, action: Action): Commit => over(before, changed(before, act(action)))

const stepping = rollingIn('stepping')
const named = (model: string): Deployment => around({ ...stepping.rollout!, model })

/** What is known of every metric, with the numbers that JSON cannot hold. */
function oddEvidence(): Evidence {
  const random = uniform(7)
  let evidence = learnBaseline(WIDEST_POLICY, startEvidence(WIDEST_POLICY, healthyReferences(), 4), 0)
  for (let second = 0; second < 20; second++) {
    const { early, final } = aSecond(random, second, { canaryBp: 1000, baselineBp: 1000 }, 200, HEALTHY)
    evidence = observe(WIDEST_POLICY, evidence, { early: [early], final: [final] })
  }
  const odd = [Number.NEGATIVE_INFINITY, -0, 5e-324, 0.1 + 0.2, Number.MAX_VALUE]
  return { ...evidence, wealth: evidence.wealth.map((value, i) => odd[i] ?? value) }
}

/**
 * What every store promises of rollouts.
 *
 * @param opened the store of the test, with nothing in it
 */
export function rolloutConformance(opened: () => RolloutStore): void {
  const commit = async (...commits: Commit[]) => {
    const outcomes = []
    for (const one of commits) outcomes.push(...(await opened().commit([one])))
    return outcomes
  }
  const read = async (model = 'churn') => (await opened().read(model))!
  const kinds = async () => (await opened().events({ limit: 100 })).map(({ kind }) => kind)

  /** The commits of a life, each over what the one before made; all must be committed. */
  async function lived(first: Deployment, ...deeds: ((before: Deployment) => Commit)[]): Promise<Deployment> {
    expect(await commit(seed(first))).toEqual(['committed'])
    for (const deed of deeds) expect(await commit(deed(await read()))).toEqual(['committed'])
    return read()
  }

  describe('of rollouts', () => {
    test.each([
      ['plain', POLICY],
      ['wide', WIDE_POLICY],
      ['watched', WATCHED_POLICY],
    ])('a rollout by a %s policy is committed with its start and read back as it was', async (_, policy) => {
      const start = starting(WHOLE, '1.1.0', policy)
      expect(await commit(seed(WHOLE), start)).toEqual(['committed', 'committed'])
      expect(await read()).toEqual(start.next)
      expect(await opened().readAll()).toEqual([start.next])
      expect(await opened().rollouts({ model: 'churn', limit: 10 })).toEqual([start.next.rollout])
      expect(await opened().events({ limit: 1 })).toMatchObject([start.event!])
    })

    test('evidence comes back to the bit, and what is no number in JSON too', async () => {
      const evidence = oddEvidence()
      expect(evidence.learning).toBeDefined()
      expect(evidence.cursor.labels).toBe(Number.NEGATIVE_INFINITY)
      const { rollout } = await lived(around({ ...stepping.rollout!, evidence }))
      expect(encodeEvidence(rollout!.evidence)).toEqual(encodeEvidence(evidence))
      expect(rollout!.evidence).toEqual(evidence)
    })

    test('a tick that waits counts one evaluation under the same revision, and is no event', async () => {
      await commit(seed(stepping))
      const [first, events] = [ticking(stepping), await kinds()]
      const second = ticking(first.next)
      expect(await commit(first, second)).toEqual(['committed', 'committed'])
      expect(await read()).toEqual(second.next)
      expect(await read()).toMatchObject({ revision: stepping.revision, rollout: { evaluation: 2 } })
      expect((await read()).rollout!.evidence.tally[0]!.canary.requests).toBe(100)
      expect(await kinds()).toEqual(events)
    })

    test('what a mirror has counted is kept with the evidence that counted it, and only so long', async () => {
      const mirroring = around(inPhase('mirroring'))
      const counting = (before: Deployment, inputs: number[]): Commit => ({
        ...over(before, turned(before, {})),
        inputs,
      })
      const kept = (serial = mirroring.rollout!.serial) => opened().mirrorInputs('churn', serial)
      const large = 2 ** 49 - 1
      await commit(seed(mirroring))
      expect(await kept()).toEqual([])
      const [first, late] = [counting(mirroring, [3, 1]), counting(mirroring, [4])]
      expect(await commit(first, late)).toEqual(['committed', 'stale'])
      expect(await commit(counting(first.next, [])), 'a tick without a pair').toEqual(['committed'])
      expect(await commit(counting(await read(), [large]))).toEqual(['committed'])
      expect(await kept()).toEqual([3, 1, large])
      expect(await kept(99), 'of another rollout').toEqual([])
      expect(await commit(acting(await read(), { kind: 'pause' }))).toEqual(['committed'])
      expect(await kept(), 'paused').toEqual([3, 1, large])
      expect(await commit(acting(await read(), { kind: 'advance' }))).toEqual(['committed'])
      expect(await kept(), 'the mirror is over').toEqual([])
    })

    test('of what a mirror has counted the oldest are forgotten when there are too many', async () => {
      await commit(seed(around(inPhase('mirroring'))))
      const batch = 8192
      for (let from = 0; from < INPUTS_MAX + batch; from += batch) {
        const before = await read()
        const inputs = Array.from({ length: batch }, (_, i) => from + i)
        expect(await commit({ ...over(before, turned(before, {})), inputs })).toEqual(['committed'])
      }
      const kept = await opened().mirrorInputs('churn', 1)
      expect([kept.length, kept[0], kept.at(-1)]).toEqual([INPUTS_MAX, batch, INPUTS_MAX + batch - 1])
    })

    test('of ticks over one evaluation exactly one wins', async () => {
      await commit(seed(stepping))
      const racing = [1000, 2000, 3000].map((requests) => ticking(stepping, requests))
      const outcomes = (await Promise.all(racing.map((one) => opened().commit([one])))).flat()
      expect(outcomes.toSorted()).toEqual(['committed', 'stale', 'stale'])
      expect(await read()).toEqual(racing[outcomes.indexOf('committed')]!.next)
    })

    test('of ticks in one commit over one evaluation the first wins', async () => {
      await commit(seed(stepping))
      const [one, other] = [ticking(stepping, 1000), ticking(stepping, 2000)]
      expect(await opened().commit([one, other])).toEqual(['committed', 'stale'])
      expect(await read()).toEqual(one.next)
    })

    const promoting = rollingIn('promoting')
    test.each([
      ['a person', 'a tick', stepping, acting(stepping, { kind: 'pause' }), ticking(stepping)],
      ['a tick', 'a person', stepping, ticking(stepping), acting(stepping, { kind: 'pause' })],
      ['a decision', 'a person', promoting, ticking(promoting), acting(promoting, { kind: 'abort' })],
      ['a person', 'a decision', promoting, acting(promoting, { kind: 'abort' }), ticking(promoting)],
    ] as const)('%s is committed before %s: the later one is stale', async (_, __, before, winner, late) => {
      await commit(seed(before))
      expect(await commit(winner, late)).toEqual(['committed', 'stale'])
      expect(await read()).toEqual(winner.next)
      expect(await kinds()).toEqual([...(winner.event ? [winner.event.kind] : []), 'file-noted'])
    })

    test('ticks and a person take turns', async () => {
      const last = await lived(
        stepping,
        ticking,
        (at) => acting(at, { kind: 'pause' }),
        ticking,
        (at) => acting(at, { kind: 'resume' }),
        ticking,
      )
      expect(last).toMatchObject({ revision: stepping.revision + 2, rollout: { evaluation: 3 } })
      expect(last.rollout!.revision).toBe(last.revision)
      expect(await kinds()).toEqual(['resumed', 'paused', 'file-noted'])
    })

    test('of models that are committed together each is for itself: one that is stale holds up no other', async () => {
      const models = ['apples', 'bears', 'churn'].map(named)
      await opened().commit(models.map(seed))
      const [apples, bears, churn] = models.map((model) => ticking(model))
      await commit(bears!)
      expect(await opened().commit([apples!, bears!, churn!])).toEqual(['committed', 'stale', 'committed'])
      expect(await opened().readAll()).toEqual([apples!.next, bears!.next, churn!.next])
    })

    test('nothing is committed of nothing', async () => {
      expect(await opened().commit([])).toEqual([])
    })

    test.each([
      ['by a decision', rollingIn('promoting'), ticking, 'promoted'],
      ['by a person', stepping, (at: Deployment) => acting(at, { kind: 'abort' }), 'aborted'],
    ] as const)('a rollout that ended %s stays readable as it ended', async (_, before, deed, outcome) => {
      const end = deed(before)
      await lived(before, () => end)
      expect(await read()).toEqual(end.next)
      expect((await read()).rollout).toBeUndefined()
      expect(await opened().rollouts({ model: 'churn', limit: 10 })).toEqual([end.ended])
      expect(end.ended).toMatchObject({ revision: end.next.revision, phase: { kind: 'finished', outcome } })
    })

    test('after the end of a rollout the next change is over no evaluation', async () => {
      const { rollout } = await lived(
        stepping,
        ticking,
        (at) => acting(at, { kind: 'abort' }),
        (at) => over(at, changed(at, { kind: 'start-split', canary: ref('1.2.0'), weightBp: 100 })),
        (at) => over(at, changed(at, { kind: 'end-split' })),
        (at) => starting(at, '1.3.0'),
        ticking,
      )
      expect(rollout).toMatchObject({ serial: 3, evaluation: 1 })
    })

    test('a rollout that takes the place of another is kept beside it', async () => {
      const start = starting(stepping, '1.2.0')
      await lived(stepping, () => start)
      expect(await read()).toEqual(start.next)
      expect(await opened().rollouts({ model: 'churn', limit: 10 })).toEqual([
        start.next.rollout,
        start.ended,
      ])
      expect(start.ended).toMatchObject({ serial: 1, phase: { outcome: 'superseded' } })
    })

    test('rollouts come newest first, in pages, of one model', async () => {
      await lived(
        WHOLE,
        starting,
        ...['1.2.0', '1.1.0', '1.3.0'].map((v) => (at: Deployment) => starting(at, v)),
      )
      await commit(seed(named('apples')))
      const all = await opened().rollouts({ model: 'churn', limit: 10 })
      expect(all.map(({ serial }) => serial)).toEqual([4, 3, 2, 1])
      const page = await opened().rollouts({ model: 'churn', limit: 3 })
      expect([
        ...page,
        ...(await opened().rollouts({ model: 'churn', limit: 3, before: page.at(-1)!.serial })),
      ]).toEqual(all)
      expect(await opened().rollouts({ model: 'churn', limit: 3, before: 1 })).toEqual([])
      expect(await opened().rollouts({ model: 'pears', limit: 3 })).toEqual([])
    })

    test('those of one pair of versions are found, newest first', async () => {
      await lived(WHOLE, starting, ...['1.2.0', '1.1.0'].map((v) => (at: Deployment) => starting(at, v)))
      await commit(seed(named('apples')))
      const pair = judgedPair({ stable: ref('1.0.0'), canary: ref('1.1.0') })
      const found = await opened().rolloutsOfPair('churn', pair)
      expect(found.map(({ serial, canary }) => [serial, canary.version])).toEqual([
        [3, '1.1.0'],
        [1, '1.1.0'],
      ])
      expect(await opened().rolloutsOfPair('churn', 'sha256:1 sha256:2')).toEqual([])
    })

    test('every policy that a rollout had is known by its hash, also one that it left', async () => {
      const slower = { ...POLICY, hash: 'sha256:slower', intervalMs: 5000 }
      const { rollout } = await lived(stepping, ticking, (at) =>
        acting(at, { kind: 'change-policy', policy: slower }),
      )
      expect(rollout!.policy).toEqual(slower)
      expect(await opened().policy(POLICY.hash)).toEqual(POLICY)
      expect(await opened().policy(slower.hash)).toEqual(slower)
      expect(await opened().policy('sha256:none')).toBeUndefined()
    })

    const paused = changed(stepping, act({ kind: 'set-weight', weightBp: 300 })).next
    test.each([
      ['begun', rollingIn('preparing'), ticking],
      ['advanced', stepping, (at: Deployment) => acting(at, { kind: 'advance' })],
      ['promoted', rollingIn('promoting'), ticking],
      ['promoted', rollingIn('promoting', WATCHED_POLICY), ticking],
      ['resumed', paused, (at: Deployment) => acting(at, { kind: 'resume' })],
      ['paused', stepping, (at: Deployment) => acting(at, { kind: 'set-weight', weightBp: 600 })],
    ] as const)('a raise that was decided just before a freeze is stale: %s', async (kind, before, deed) => {
      await commit(seed(before))
      const raise = deed(before)
      expect(raise.event!.kind).toBe(kind)
      const frozen = setFreeze({ frozen: false }, true, { actor: 'ann', reason: 'test', nowMs: START_MS })!
      await opened().setFreeze(frozen.next, frozen.event)
      expect(await commit(raise)).toEqual(['stale'])
      expect(await read()).toEqual(before)
      expect(await kinds()).toEqual(['frozen', 'file-noted'])
    })

    test.each([
      ['waiting', stepping, ticking],
      ['lowering', stepping, (at: Deployment) => acting(at, { kind: 'set-weight', weightBp: 100 })],
      ['going back', stepping, (at: Deployment) => acting(at, { kind: 'rollback' })],
      ['preparing', stepping, (at: Deployment) => starting(at, '1.2.0')],
    ] as const)('%s is committed during a freeze', async (_, before, deed) => {
      await commit(seed(before))
      const frozen = setFreeze({ frozen: false }, true, { actor: 'ann', reason: 'test', nowMs: START_MS })!
      await opened().setFreeze(frozen.next, frozen.event)
      expect(await commit(deed(before))).toEqual(['committed'])
    })

    test('what a caller does to its rollouts later does not reach the store', async () => {
      const untouched = acting(stepping, { kind: 'abort' })
      const mine = structuredClone(seed(stepping))
      const end = structuredClone(untouched)
      await commit(mine)
      scribble(mine.next.rollout!)
      expect(await read()).toEqual(stepping)
      await commit(end)
      scribble(end.ended!)
      expect(await opened().rollouts({ model: 'churn', limit: 1 })).toEqual([untouched.ended])
      expect(await opened().policy(POLICY.hash)).toEqual(POLICY)
    })
  })
}

function scribble(rollout: Rollout): void {
  const mine = rollout as { salt: string; policy: { intervalMs: number }; evidence: Evidence }
  mine.salt = 'other'
  mine.policy.intervalMs = 1
  mine.evidence.wealth.fill(0)
}
