import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Intent } from './intent.ts'
import type { Wish } from './reconcile.ts'
import { hasBegun, judgedPair } from './rollout.ts'
import { startedIn } from './testing/deployments.ts'
import { type FileLife, fileLife } from './testing/file-life.ts'
import { POLICY, WATCHED_POLICY } from './testing/policies.ts'
import { ref } from './testing/rollouts.ts'

/*
 * Random lives of a model whose file names a policy at times: the file changes, people do what they want, and rollouts
 * go on.
 */

const WATCHED = { ...WATCHED_POLICY, name: 'watched', hash: 'sha256:watched' }

const aVersion = fc.constantFrom('1.0.0', '1.1.0', '1.2.0')
const aWish: fc.Arbitrary<Wish> = fc.record(
  {
    initial: aVersion,
    version: aVersion,
    policy: fc.constantFrom(POLICY, WATCHED),
    weightBp: fc.constantFrom(0, 500),
    affinity: fc.constant({ header: 'x-user-id' }),
  },
  { requiredKeys: ['initial', 'policy'] },
)

type Deed = Intent | { readonly kind: 'tick' } | { readonly kind: 'start'; readonly version: string }
const aDeed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Deed>({ kind: 'tick' }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('pause', 'resume', 'advance', 'promote', 'promote', 'abort', 'rollback')
      .map((kind): Deed => ({ kind: 'act', action: { kind } as never })),
  },
  { weight: 2, arbitrary: aVersion.map((version): Deed => ({ kind: 'start', version })) },
  aVersion.map((version): Deed => ({ kind: 'set-stable', stable: ref(version) })),
  aVersion.map(
    (version): Deed => ({ kind: 'start-split', canary: ref(version), weightBp: 500, supersede: true }),
  ),
  fc.constantFrom<Deed>({ kind: 'set-weight', weightBp: 300 }, { kind: 'end-split' }, { kind: 'rollback' }),
)
const turns = fc.array(fc.oneof({ weight: 6, arbitrary: aDeed }, { weight: 1, arbitrary: aWish }), {
  maxLength: 25,
  size: 'max',
})
const runs = { seed: 5, numRuns: 400 }

function lived(past: readonly (Deed | Wish)[], life: FileLife = fileLife()): FileLife {
  for (const turn of past)
    if ('initial' in turn) life.file(turn)
    else if (turn.kind === 'tick') life.tick()
    else if (turn.kind !== 'start') life.person(turn)
    else if (life.now.stable && life.now.stable.version !== turn.version)
      life.person({
        kind: 'start-rollout',
        rollout: startedIn(life.now, { canary: ref(turn.version) }),
        supersede: true,
      })
  return life
}

const kindsOf = (reconciliation: ReturnType<FileLife['file']>) =>
  reconciliation.changes.map(({ event }) => event.kind)

test('the lives reach every state in which the file can find a model', () => {
  const reached = new Set<string>()
  for (const past of fc.sample(turns, runs)) {
    const { now, past: ended } = lived(past)
    reached.add(now.rollout?.phase.kind ?? (now.split ? 'split' : now.stable ? 'whole' : 'nothing'))
    for (const { phase } of ended) if (phase.kind === 'finished') reached.add(phase.outcome)
  }
  expect([...reached].sort()).toEqual([
    'aborted',
    'nothing',
    'paused',
    'preparing',
    'promoted',
    'promoting',
    'rolled-back',
    'split',
    'stepping',
    'superseded',
    'watching',
    'whole',
  ])
})

test('whatever happened before, the file acts once; only an affinity waits for the rollout that it ends', () => {
  fc.assert(
    fc.property(turns, aWish, (past, wish) => {
      const life = lived(past)
      const once = life.file(wish)
      const { rollout } = life.now
      const again = life.file(wish)
      const waited = once.pending.some((sentence) => sentence.includes('sessionAffinity'))
      expect([kindsOf(again), again.drift]).toEqual([
        waited && rollout === undefined ? ['affinity-set'] : [],
        once.drift,
      ])
      expect(life.file(wish).changes).toEqual([])
    }),
    runs,
  )
})

test('an unchanged file that had all it asked for never undoes what people and evidence did since', () => {
  fc.assert(
    fc.property(turns, aWish, fc.array(aDeed, { maxLength: 8 }), (past, wish, since) => {
      const life = lived(past)
      if (life.file(wish).pending.length > 0) return
      lived(since, life)
      expect(kindsOf(life.file(wish))).toEqual([])
    }),
    runs,
  )
})

test('the file starts no rollout of a pair of versions that was judged before', () => {
  fc.assert(
    fc.property(turns, (past) => {
      const life = fileLife()
      for (const turn of past) {
        const judged = life.past.filter(hasBegun).map(judgedPair)
        const before = life.now.rollout
        lived([turn], life)
        const { rollout } = life.now
        if (!('initial' in turn) || rollout === undefined || rollout.serial === before?.serial) continue
        expect(judged).not.toContain(judgedPair(rollout))
      }
    }),
    runs,
  )
})
