import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canaryWeightBp, type Deployment, emptyDeployment } from './deployment.ts'
import { applyIntent, type Intent } from './intent.ts'
import { type ReconcileContext, reconcile, type Wish } from './reconcile.ts'

const ref = (version: string) => ({ version, digest: `sha256:${version}` })
const context: ReconcileContext = {
  nowMs: 1000,
  frozen: false,
  digestOf: (version) => ref(version).digest,
  incompatible: () => undefined,
  startRollout: () => ({ kind: 'refused', code: 'policy-invalid', message: 'there is no policy here' }),
  policyBeside: () => undefined,
}

const aVersion = fc.constantFrom('1.0.0', '1.1.0', '1.2.0')
const aWeight = fc.constantFrom(0, 1, 500, 2500, 10_000)
const aWish: fc.Arbitrary<Wish> = fc.record(
  { initial: aVersion, version: aVersion, weightBp: aWeight, affinity: fc.constant({ header: 'x-user-id' }) },
  { requiredKeys: ['initial'] },
)
const anIntent: fc.Arbitrary<Intent> = fc.oneof(
  fc.record({ kind: fc.constant('set-stable' as const), stable: aVersion.map(ref) }),
  fc.record({
    kind: fc.constant('start-split' as const),
    canary: aVersion.map(ref),
    weightBp: aWeight,
    supersede: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('set-weight' as const), weightBp: aWeight }),
  fc.constantFrom<Intent>({ kind: 'end-split' }, { kind: 'rollback' }),
)
const aTurn = fc.record({ frozen: fc.boolean(), does: fc.oneof(aWish, anIntent) })

/** Every deployment of a life, first to last. */
function live(turns: readonly { frozen: boolean; does: Wish | Intent }[]) {
  const past: { deployment: Deployment; frozen: boolean; emergency: boolean }[] = []
  let deployment = emptyDeployment('churn')
  for (const [nowMs, { frozen, does }] of turns.entries()) {
    const changes =
      'initial' in does
        ? reconcile(deployment, does, { ...context, nowMs, frozen }).changes
        : [applyIntent(deployment, does, { actor: 'ann', reason: 'test', nowMs, frozen })]
    for (const change of changes) {
      if (change.kind === 'refused') continue
      deployment = change.next
      past.push({ deployment, frozen, emergency: ['stable-set', 'rolled-back'].includes(change.event.kind) })
    }
  }
  return past
}

const runs = { seed: 7, numRuns: 1000 }
const turns = fc.array(aTurn, { maxLength: 20 })

test('whatever happened before, the file acts once: reconciling again changes nothing', () => {
  fc.assert(
    fc.property(turns, aWish, fc.boolean(), (before, wish, isFrozen) => {
      const stored = live(before).at(-1)?.deployment ?? emptyDeployment('churn')
      const world = { ...context, frozen: isFrozen }
      const once = reconcile(stored, wish, world)
      const again = reconcile(once.changes.at(-1)?.next ?? stored, wish, world)
      expect(again).toEqual({ changes: [], pending: once.pending, drift: once.drift })
    }),
    runs,
  )
})

test('an unchanged file never undoes what people did since', () => {
  fc.assert(
    fc.property(turns, aWish, fc.array(anIntent, { maxLength: 5 }), (before, wish, intents) => {
      const settled = live([...before, { frozen: false, does: wish }])
      const people = intents.map((does) => ({ frozen: false, does }))
      const after = live([...before, { frozen: false, does: wish }, ...people])
      if (settled.length === 0) return
      expect(reconcile(after.at(-1)!.deployment, wish, context).changes).toEqual([])
    }),
    runs,
  )
})

test('replays are equal, revisions count by one, serials never fall, a canary is never its own stable', () => {
  fc.assert(
    fc.property(turns, (life) => {
      const past = live(life)
      expect(live(life)).toEqual(past)
      let serial = 0
      for (const [i, { deployment }] of past.entries()) {
        expect(deployment.revision).toBe(i + 1)
        expect(deployment.serial).toBeGreaterThanOrEqual(serial)
        expect(deployment.split?.canary.version).not.toBe(deployment.stable?.version)
        serial = deployment.serial
      }
    }),
    runs,
  )
})

test('a freeze never raises a canary, whoever asks', () => {
  fc.assert(
    fc.property(turns, (life) => {
      const past = live(life)
      for (const [i, { deployment, frozen: isFrozen, emergency }] of past.entries()) {
        const before = past[i - 1]?.deployment ?? emptyDeployment('churn')
        if (!isFrozen || emergency) continue
        const same = before.split?.canary.version === deployment.split?.canary.version
        expect(canaryWeightBp(deployment)).toBeLessThanOrEqual(same ? canaryWeightBp(before) : 0)
      }
    }),
    runs,
  )
})
