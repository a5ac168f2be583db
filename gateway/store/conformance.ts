import { type Deployment, emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { changed as changedBy } from '@coalmine/core/rollout/testing/deployments.ts'
import { ref } from '@coalmine/core/rollout/testing/rollouts.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refusedNotice } from '../notifications/notice.ts'
import { ANSWER_AGE_MS, ANSWERS_MAX, parentOf, type RolloutStore } from './rollout-store.ts'
import { rolloutConformance } from './testing/rollout-conformance.ts'

const by = { actor: 'ann', reason: 'test', nowMs: 1000 }

const changed = (deployment: Deployment, intent: Intent) => ({
  ...changedBy(deployment, intent, by),
  parent: parentOf(deployment),
})
type Made = ReturnType<typeof changed>

const first = (model = 'churn') =>
  changed(emptyDeployment(model), { kind: 'initialise', stable: ref('1.0.0') })
const second = changed(first().next, { kind: 'start-split', canary: ref('1.1.0'), weightBp: 1000 })
const weighed = (weightBp: number) => changed(second.next, { kind: 'set-weight', weightBp })

const frozen = setFreeze({ frozen: false }, true, by)!
const thawed = setFreeze(frozen.next, false, by)!

/**
 * What every store promises.
 *
 * @param open a store with nothing in it, of which the suite closes each
 */
export function rolloutStoreConformance(name: string, open: () => RolloutStore): void {
  describe(`${name} keeps what a rollout store promises`, () => {
    let store: RolloutStore
    beforeEach(() => {
      store = open()
    })
    afterEach(() => store.close())

    rolloutConformance(() => store)

    const commit = async (...made: Made[]) => {
      const outcomes = []
      for (const one of made) outcomes.push(...(await store.commit([one])))
      return outcomes
    }

    test('a new store knows nothing and is not frozen', async () => {
      expect(await store.read('churn')).toBeUndefined()
      expect(await store.readAll()).toEqual([])
      expect(await store.events({ limit: 10 })).toEqual([])
      expect(await store.freeze()).toEqual({ frozen: false })
    })

    test('what was committed is read, model by model', async () => {
      expect(await commit(first(), second, first('apples'))).toEqual(['committed', 'committed', 'committed'])
      expect(await store.read('churn')).toEqual(second.next)
      expect(await store.readAll()).toEqual([first('apples').next, second.next])
    })

    test('of racing commits over one parent exactly one wins, with exactly its event', async () => {
      await commit(first(), second)
      const racing = [500, 600, 700].map(weighed)
      const outcomes = (await Promise.all(racing.map((one) => store.commit([one])))).flat()
      expect(outcomes.toSorted()).toEqual(['committed', 'stale', 'stale'])
      const winner = racing[outcomes.indexOf('committed')]!
      expect(await store.read('churn')).toEqual(winner.next)
      expect(await store.events({ limit: 10 })).toMatchObject([winner.event, second.event, first().event])
    })

    test('of racing first commits exactly one wins', async () => {
      expect(await Promise.all([store.commit([first()]), store.commit([first()])])).toEqual([
        ['committed'],
        ['stale'],
      ])
      expect(await store.events({ limit: 10 })).toHaveLength(1)
    })

    test('a commit over a parent that is not stored changes and records nothing', async () => {
      expect(await commit(second)).toEqual(['stale'])
      await commit(first())
      expect(await commit(weighed(500), first())).toEqual(['stale', 'stale'])
      expect(await store.read('churn')).toEqual(first().next)
      expect(await store.events({ limit: 10 })).toHaveLength(1)
    })

    test('what a caller does to its objects later does not reach the store', async () => {
      const mine = structuredClone(first()) as Made & {
        next: { stable: { version: string } }
        event: { after: { stable: string } }
      }
      await store.commit([mine])
      mine.next.stable.version = '9.9.9'
      mine.event.after.stable = '9.9.9'
      expect(await store.read('churn')).toEqual(first().next)
      expect(await store.events({ limit: 1 })).toEqual([{ ...first().event, id: 1 }])
    })

    test('events come newest first, in pages, of all models or of one', async () => {
      await commit(first(), first('apples'), second, weighed(500))
      const all = await store.events({ limit: 10 })
      expect(all.map(({ kind }) => kind)).toEqual([
        'weight-set',
        'split-started',
        'initialised',
        'initialised',
      ])
      const page = await store.events({ limit: 2 })
      expect([...page, ...(await store.events({ limit: 2, before: page[1]!.id }))]).toEqual(all)
      expect(await store.events({ model: 'apples', limit: 10 })).toMatchObject([first('apples').event])
      expect(await store.events({ model: 'churn', limit: 1, before: all[0]!.id })).toEqual([all[1]])
    })

    test('a freeze is kept with its reason and recorded beside the deployments', async () => {
      await commit(first())
      expect(await store.setFreeze(frozen.next, frozen.event)).toBe('committed')
      expect(await store.freeze()).toEqual(frozen.next)
      expect(await store.setFreeze(thawed.next, thawed.event)).toBe('committed')
      expect(await store.freeze()).toEqual({ frozen: false })
      expect(await store.events({ limit: 10 })).toMatchObject([thawed.event, frozen.event, first().event])
      expect(await store.events({ model: 'churn', limit: 10 })).toHaveLength(1)
    })

    test('of two freezes the first keeps its reason', async () => {
      await store.setFreeze(frozen.next, frozen.event)
      const late = setFreeze({ frozen: false }, true, { ...by, reason: 'late' })!
      expect(await store.setFreeze(late.next, late.event)).toBe('stale')
      expect(await store.freeze()).toEqual(frozen.next)
      expect(await store.events({ limit: 10 })).toHaveLength(1)
    })

    test('a raise that was decided just before a freeze is stale; a lower weight is not', async () => {
      await commit(first(), second)
      await store.setFreeze(frozen.next, frozen.event)
      expect(await commit(weighed(2000))).toEqual(['stale'])
      expect(await commit(weighed(500))).toEqual(['committed'])
    })

    test('a secret is made once', async () => {
      const [a, b] = await Promise.all([
        store.secret('ids', () => Uint8Array.of(1, 2, 3)),
        store.secret('ids', () => Uint8Array.of(4, 5, 6)),
      ])
      expect([[...a], [...b]]).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ])
      expect([...(await store.secret('others', () => Uint8Array.of(7)))]).toEqual([7])
    })

    test('the first answer under a key is the one that is repeated, for a day', async () => {
      const answer = { fingerprint: 'a', status: 200, body: '{"revision":2}' }
      expect(await store.recall('key', 0)).toBeUndefined()
      expect(await store.remember('key', answer, 0)).toEqual(answer)
      expect(await store.remember('key', { ...answer, fingerprint: 'b' }, 1)).toEqual(answer)
      expect(await store.recall('key', ANSWER_AGE_MS - 1)).toEqual(answer)
      expect(await store.recall('key', ANSWER_AGE_MS)).toBeUndefined()
      expect(await store.remember('key', { ...answer, fingerprint: 'c' }, ANSWER_AGE_MS)).toMatchObject({
        fingerprint: 'c',
      })
    })

    test('a bookmark is the last that was kept under its name, until it is forgotten', async () => {
      const beside = refusedNotice('a typo', 1000)
      expect(await store.bookmarks()).toEqual(new Map())
      await store.keepBookmark('ops', { event: 3, beside: [beside] })
      await store.keepBookmark('chat', { event: 0, beside: [] })
      await store.keepBookmark('ops', { event: 7, beside: [beside] })
      expect(await store.bookmarks()).toEqual(
        new Map([
          ['ops', { event: 7, beside: [beside] }],
          ['chat', { event: 0, beside: [] }],
        ]),
      )
      await store.forgetBookmark('ops')
      await store.forgetBookmark('nobody')
      expect([...(await store.bookmarks()).keys()]).toEqual(['chat'])
    })

    test('answers are bounded in number: the oldest go', async () => {
      const answer = { fingerprint: 'a', status: 200, body: '{}' }
      for (let i = 0; i <= ANSWERS_MAX; i++) await store.remember(`key ${i}`, answer, 0)
      expect(await store.recall('key 0', 0)).toBeUndefined()
      expect(await store.recall('key 1', 0)).toEqual(answer)
      expect(await store.recall(`key ${ANSWERS_MAX}`, 0)).toEqual(answer)
    })
  })
}
