import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { around, turned } from '@coalmine/core/rollout/testing/deployments.ts'
import { inPhase, ref, START_MS, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond } from '@coalmine/core/rollout/testing/windows.ts'
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../store/memory.ts'
import { type Commit, type Outcome, StoreError } from '../store/rollout-store.ts'
import { Deployments } from './deployments.ts'

const BY = { actor: 'ann', reason: 'because', nowMs: START_MS }
const INITIALISE: Intent = { kind: 'initialise', stable: ref('1.0.0') }
const toStable = (version: string): Intent => ({ kind: 'set-stable', stable: ref(version) })
const PAUSE: Intent = { kind: 'act', action: { kind: 'pause' } }

/** A process over a store that others may write to. */
function processOver(store = new MemoryStore()) {
  const events: [kind: string, revision: number][] = []
  const deployments = new Deployments(store, (event: DeploymentEvent, next) =>
    events.push([event.kind, next.revision]),
  )
  return { store, deployments, events }
}

/** A process and another one beside it, and a model whose canary has traffic. */
async function withRollout() {
  const one = processOver()
  const other = processOver(one.store)
  await one.store.commit([{ parent: { revision: 0, evaluation: 0 }, next: around(inPhase('stepping')) }])
  await one.deployments.load()
  await other.deployments.load()
  return { one, other }
}

/** A tick that learns something of one second. */
function learning(before: Deployment, second = 1) {
  const change = turned(before, fairSecond(START_MS / 1000 + second, 500, 100), {
    nowMs: START_MS + second * 1000,
  })
  return { before, ...change }
}

test('a model of which nothing is stored is known to be empty', async () => {
  const { deployments } = processOver()
  await deployments.load()
  expect(deployments.get('churn')).toEqual({ model: 'churn', revision: 0, serial: 0, applied: {} })
  expect(deployments.all()).toEqual([])
})

test('what was committed is known at once and told once, with what became of it', async () => {
  const { deployments, events, store } = processOver()
  await deployments.change('churn', () => INITIALISE, BY)
  expect(deployments.get('churn').stable).toEqual(ref('1.0.0'))
  expect(events).toEqual([['initialised', 1]])
  expect(await store.read('churn')).toEqual(deployments.get('churn'))
})

test('a tick that only learned something tells nobody', async () => {
  const { one } = await withRollout()
  expect(await one.deployments.commit([learning(one.deployments.get('churn'))])).toEqual(['committed'])
  expect(one.deployments.get('churn').rollout!.evaluation).toBe(1)
  expect(one.events).toEqual([])
})

test('what is stale is neither kept nor told', async () => {
  const { one, other } = await withRollout()
  const step = learning(one.deployments.get('churn'))
  await other.deployments.change('churn', () => PAUSE, BY)
  expect(await one.deployments.commit([step])).toEqual(['stale'])
  expect(one.deployments.get('churn').rollout!.evaluation).toBe(0)
  expect((await one.deployments.refresh('churn')).rollout!.phase.kind).toBe('paused')
})

describe('a change', () => {
  test('is decided on what is stored, not on what this process remembers', async () => {
    const { one, other } = await withRollout()
    await other.deployments.commit([learning(other.deployments.get('churn'))])
    const outcome = await one.deployments.change('churn', () => PAUSE, BY)
    expect(outcome).toMatchObject({ kind: 'changed', next: { rollout: { evaluation: 1 } } })
  })

  test('that loses a race is decided anew', async () => {
    const { deployments, store } = processOver()
    const other = processOver(store)
    await deployments.change('churn', () => INITIALISE, BY)
    const seen: number[] = []
    const outcome = await deployments.change(
      'churn',
      async ({ revision }) => {
        seen.push(revision)
        if (seen.length < 3) await other.deployments.change('churn', () => toStable(`2.0.${revision}`), BY)
        return toStable('3.0.0')
      },
      BY,
    )
    expect(seen).toEqual([1, 2, 3])
    expect(outcome).toMatchObject({ next: { revision: 4, previous: ref('2.0.2') } })
  })

  test('that always loses gives up', async () => {
    const { deployments, store } = processOver()
    const other = processOver(store)
    await deployments.change('churn', () => INITIALISE, BY)
    let asked = 0
    const outcome = await deployments.change(
      'churn',
      async () => {
        await other.deployments.change('churn', () => toStable(`2.0.${++asked}`), BY)
        return toStable('3.0.0')
      },
      BY,
    )
    expect([outcome, asked]).toEqual(['stale', 20])
  })

  test('over one revision is made over no other', async () => {
    const { deployments, store } = processOver()
    await deployments.change('churn', () => INITIALISE, BY)
    let asked = 0
    const intentOf = async () => {
      asked++
      await processOver(store).deployments.change('churn', () => toStable('2.0.0'), BY)
      return toStable('3.0.0')
    }
    expect(await deployments.change('churn', intentOf, BY, 1)).toBe('stale')
    expect(await deployments.change('churn', intentOf, BY, 1)).toBe('stale')
    expect(asked).toBe(1)
    expect(deployments.get('churn').stable).toEqual(ref('2.0.0'))
  })

  test('that is refused is not asked for again, whoever refuses it', async () => {
    const { deployments } = processOver()
    const refusal = { kind: 'refused', code: 'policy-unknown', message: 'no' } as const
    expect(await deployments.change('churn', () => refusal, BY)).toBe(refusal)
    expect(await deployments.change('churn', () => toStable('1.0.0'), BY)).toMatchObject({ kind: 'changed' })
    expect(await deployments.change('churn', () => INITIALISE, BY)).toMatchObject({
      code: 'already-deployed',
    })
  })

  test('that raises a canary is refused when a freeze comes between decision and commit', async () => {
    const { one } = await withRollout()
    const raise: Intent = { kind: 'set-weight', weightBp: 900 }
    let asked = 0
    const outcome = await one.deployments.change(
      'churn',
      async () => {
        const { next, event } = setFreeze({ frozen: false }, true, BY)!
        if (asked++ === 0) await one.store.setFreeze(next, event)
        return raise
      },
      BY,
    )
    expect(outcome).toMatchObject({ kind: 'refused', code: 'frozen' })
  })

  test('takes the ended rollout along', async () => {
    const { one } = await withRollout()
    await one.deployments.change('churn', () => ({ kind: 'act', action: { kind: 'abort' } }), BY)
    const [ended] = await one.store.rollouts({ model: 'churn', limit: 1 })
    expect(ended!.phase).toMatchObject({ kind: 'finished', outcome: 'aborted' })
  })
})

describe('a store', () => {
  /** Made commits whose answers are held back, and those that break. */
  class SlowStore extends MemoryStore {
    held: (() => void)[] = []
    hold = false
    fail = false

    override async commit(commits: readonly Commit[]): Promise<Outcome[]> {
      if (this.fail) throw new StoreError('the disk is full')
      const outcomes = await super.commit(commits)
      if (this.hold) await new Promise<void>((resolve) => this.held.push(resolve))
      return outcomes
    }
  }

  test('that fails changes nothing that is known', async () => {
    const store = new SlowStore()
    const { deployments, events } = processOver(store)
    await deployments.change('churn', () => INITIALISE, BY)
    store.fail = true
    await expect(deployments.change('churn', () => toStable('2.0.0'), BY)).rejects.toThrow('the disk is full')
    expect([deployments.get('churn').revision, events.length]).toEqual([1, 1])
  })

  test('whose answer is overtaken by a later one does not bring the past back', async () => {
    const store = new SlowStore()
    const { deployments } = processOver(store)
    await deployments.change('churn', () => INITIALISE, BY)
    store.hold = true
    const slow = deployments.change('churn', () => toStable('2.0.0'), BY)
    await expect.poll(() => store.held.length).toBe(1)
    store.hold = false
    await deployments.change('churn', () => toStable('3.0.0'), BY)
    for (const answer of store.held) answer()
    expect(await slow).toMatchObject({ kind: 'changed' })
    expect(deployments.get('churn')).toMatchObject({ revision: 3, stable: ref('3.0.0') })
  })
})

test('equal policies and references stay the same objects, so that what hangs on them is not worked out again', async () => {
  const { one } = await withRollout()
  const { policy, evidence } = one.deployments.get('churn').rollout!
  await one.deployments.commit([learning(one.deployments.get('churn'))])
  // A store gives other objects each time.
  const copied = structuredClone(await one.store.read('churn'))!
  one.store.read = async () => copied
  const { rollout } = await one.deployments.refresh('churn')
  expect(rollout!.policy).toBe(policy)
  expect(rollout!.evidence.references).toBe(evidence.references)
  expect(rollout).toEqual(copied.rollout)
})

test('another policy under the same name is another one', async () => {
  const { one } = await withRollout()
  const stricter = { ...started().policy, hash: 'sha256:other', shield: false }
  await one.deployments.change(
    'churn',
    () => ({ kind: 'act', action: { kind: 'change-policy', policy: stricter } }),
    BY,
  )
  expect((await one.deployments.refresh('churn')).rollout!.policy).toEqual(stricter)
})
