import { emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import { changed } from '@coalmine/core/rollout/testing/deployments.ts'
import { ref } from '@coalmine/core/rollout/testing/rollouts.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../../store/memory.ts'
import { type Current, EventFeed, type FeedEvent } from './event-feed.ts'

/** A feed over a record that a test writes, and readers who keep what they are told. */
function world() {
  const store = new MemoryStore()
  let current: Current[] = []
  const feed = new EventFeed({ store, current: () => current })
  const standsNow = (now: Current) => {
    const others = current.filter(({ event, model }) => event !== now.event || model !== now.model)
    current = [...others, now]
  }

  return {
    feed,
    evaluated(model: string, evaluation: number) {
      standsNow({
        ...{ event: 'evaluation', model, state: String(evaluation) },
        view: () => ({ model, evaluation }),
      })
    },
    configured(state: string) {
      standsNow({ event: 'configuration', state, view: () => ({ state }) })
    },
    /** A freeze is an event of every model. */
    async freeze() {
      const before = await store.freeze()
      const { next, event } = setFreeze(before, !before.frozen, { actor: 'ann', reason: 'x', nowMs: 0 })!
      await store.setFreeze(next, event)
    },
    async deploy(model: string) {
      const { next, event } = changed(emptyDeployment(model), { kind: 'initialise', stable: ref('1.0.0') })
      await store.commit([{ parent: { revision: 0, evaluation: 0 }, next, event: { ...event, model } }])
    },
    read(wish: { after?: number; model?: string; takes?: () => Promise<unknown> } = {}) {
      const { takes = async () => {}, ...from } = wish
      const told: (FeedEvent | 'heartbeat')[] = []
      const ended = new AbortController()
      let isCut = false
      const following = feed.follow(
        {
          ...from,
          write: (event) => {
            told.push(event)
            return takes()
          },
          cut: () => {
            isCut = true
          },
        },
        ended.signal,
      )
      return {
        told,
        ids: () => told.flatMap((event) => (event === 'heartbeat' || !event.id ? [] : [Number(event.id)])),
        kinds: () => told.map((event) => (event === 'heartbeat' ? event : event.event)),
        isCut: () => isCut,
        end: async () => {
          ended.abort()
          await following
        },
      }
    },
  }
}

/** Everything that can be done without news has been done. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('the record', () => {
  test('is told from now on', async () => {
    const { feed, freeze, read } = world()
    await freeze()
    const reader = read()
    await settled()
    await freeze()
    await feed.look()
    await settled()
    expect(reader.told).toEqual([
      {
        event: 'freeze',
        id: '2',
        data: expect.stringContaining('"frozen":false,"actor":"ann"'),
      },
    ])
    await reader.end()
  })

  test('is told from a place in it, whole and in order, however long it is', async () => {
    const { freeze, read } = world()
    for (let i = 0; i < 350; i++) await freeze()
    const [all, late] = [read({ after: 0 }), read({ after: 340 })]
    await settled()
    expect(all.ids()).toEqual(Array.from({ length: 350 }, (_, i) => i + 1))
    expect(late.ids()).toEqual([341, 342, 343, 344, 345, 346, 347, 348, 349, 350])
    await Promise.all([all.end(), late.end()])
  })

  test('is told whole to who comes from another one, which was longer', async () => {
    const { freeze, read } = world()
    await freeze()
    const reader = read({ after: 57 })
    await settled()
    expect(reader.ids()).toEqual([1])
    await reader.end()
  })

  test('of one model has its decisions, and what concerns all', async () => {
    const { deploy, freeze, read } = world()
    await deploy('churn')
    await deploy('digits')
    await freeze()
    const reader = read({ after: 0, model: 'digits' })
    await settled()
    expect(reader.told).toMatchObject([
      {
        event: 'decision',
        id: '2',
        data: expect.stringContaining('"model":"digits","id":2,"kind":"initialised"'),
      },
      { event: 'freeze', id: '3' },
    ])
    await reader.end()
  })

  test('has no gap and no repetition, whenever a reader leaves and comes back', async () => {
    const happening = fc.constantFrom('record', 'look', 'second', 'leave', 'settle')
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
        const { feed, freeze, read } = world()
        let recorded = 0
        let reader = read({ after: 0 })
        const ids: number[] = []
        const leave = async () => {
          await reader.end()
          ids.push(...reader.ids())
          reader = read({ after: ids.at(-1) ?? 0 })
        }
        for (const what of happenings) {
          if (what === 'record') {
            await freeze()
            recorded++
          } else if (what === 'look') await feed.look()
          else if (what === 'second') feed.second()
          else if (what === 'leave') await leave()
          else await settled()
        }
        await feed.look()
        await settled()
        await leave()
        expect(ids).toEqual(Array.from({ length: recorded }, (_, i) => i + 1))
        await reader.end()
      }),
      { numRuns: 100 },
    )
  })
})

describe('what is so now', () => {
  test('is told at once, then each second at most, and only the last of it', async () => {
    const { feed, evaluated, read } = world()
    evaluated('churn', 1)
    const reader = read()
    await settled()
    for (const evaluation of [2, 3]) {
      evaluated('churn', evaluation)
      await feed.look()
      await settled()
    }
    expect(reader.kinds()).toEqual(['evaluation'])
    feed.second()
    await settled()
    expect(reader.told.map((event) => JSON.parse((event as FeedEvent).data).evaluation)).toEqual([1, 3])
    await reader.end()
  })

  test('is not told again while nothing is new', async () => {
    const { feed, evaluated, read } = world()
    evaluated('churn', 1)
    const [reader, other] = [read(), read({ model: 'digits' })]
    await settled()
    feed.second()
    await settled()
    expect([reader.kinds(), other.kinds()]).toEqual([['evaluation'], []])
    await Promise.all([reader.end(), other.end()])
  })
})

describe('a reader', () => {
  test('of one model hears also what concerns all', async () => {
    const { evaluated, configured, read } = world()
    evaluated('churn', 1)
    configured('refused')
    const reader = read({ model: 'digits' })
    await settled()
    expect(reader.told).toEqual([{ event: 'configuration', data: '{"state":"refused"}' }])
    await reader.end()
  })

  test('hears a heartbeat after fifteen seconds without a word', async () => {
    const { feed, freeze, read } = world()
    const reader = read()
    await settled()
    const seconds = async (count: number) => {
      for (let i = 0; i < count; i++) {
        feed.second()
        await settled()
      }
    }
    await seconds(14)
    expect(reader.kinds()).toEqual([])
    await seconds(1)
    expect(reader.kinds()).toEqual(['heartbeat'])
    await seconds(14)
    await freeze()
    await feed.look()
    await seconds(14)
    expect(reader.kinds()).toEqual(['heartbeat', 'freeze'])
    await reader.end()
  })

  test('that takes nothing for ten seconds is cut, and holds nobody up', async () => {
    const { feed, freeze, read } = world()
    let takes = () => {}
    const slow = read({ takes: () => new Promise<void>((resolve) => (takes = resolve)) })
    const quick = read()
    await settled()
    await freeze()
    await freeze()
    await feed.look()
    await settled()
    expect([slow.ids(), quick.ids()]).toEqual([[1], [1, 2]])
    for (let second = 0; second < 9; second++) feed.second()
    expect(slow.isCut()).toBe(false)
    feed.second()
    expect([slow.isCut(), quick.isCut()]).toEqual([true, false])
    takes()
    await settled()
    expect([slow.ids(), feed.readers]).toEqual([[1], 1])
    await quick.end()
  })

  test('that is idle for long is not slow', async () => {
    const { feed, freeze, read } = world()
    let takes = () => {}
    const reader = read({ takes: () => new Promise<void>((resolve) => (takes = resolve)) })
    await settled()
    for (let second = 0; second < 14; second++) feed.second()
    await freeze()
    await feed.look()
    await settled()
    feed.second()
    expect([reader.ids(), reader.isCut()]).toEqual([[1], false])
    takes()
    await reader.end()
  })

  test('that is gone leaves nothing', async () => {
    const { feed, read } = world()
    const reader = read()
    expect(feed.readers).toBe(1)
    await reader.end()
    expect(feed.readers).toBe(0)
  })
})
