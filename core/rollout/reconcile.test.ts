import { expect, test } from 'vitest'
import { type Deployment, emptyDeployment } from './deployment.ts'
import { applyIntent, type Intent } from './intent.ts'
import { driftOf, type ReconcileContext, reconcile, type Wish } from './reconcile.ts'

const ref = (version: string) => ({ version, digest: `sha256:${version}` })
const context: ReconcileContext = {
  nowMs: 1000,
  frozen: false,
  digestOf: (version) => ref(version).digest,
  incompatible: () => undefined,
  startRollout: () => ({ kind: 'refused', code: 'policy-invalid', message: 'there is no policy here' }),
  policyBeside: () => undefined,
}
const frozen = { ...context, frozen: true }

/** One model's life: the file speaks, a person speaks. */
function life(start: Deployment = emptyDeployment('churn')) {
  let deployment = start
  return {
    file(wish: Wish, world = context) {
      const { changes, pending, drift } = reconcile(deployment, wish, world)
      deployment = changes.at(-1)?.next ?? deployment
      return {
        events: changes.map(({ event }) => event.kind),
        pending,
        drift: drift.map(({ sentence }) => sentence),
      }
    },
    person(intent: Intent) {
      const outcome = applyIntent(deployment, intent, {
        actor: 'ann',
        reason: 'test',
        nowMs: 2000,
        frozen: false,
      })
      if (outcome.kind === 'refused') throw new Error(outcome.message)
      deployment = outcome.next
    },
    get now() {
      return deployment
    },
  }
}

const first: Wish = { initial: '1.0.0' }
const wanted: Wish = { initial: '1.0.0', version: '1.1.0', weightBp: 1000 }

test('an empty store: initial becomes stable', () => {
  const churn = life()
  expect(churn.file(first)).toEqual({ events: ['initialised'], pending: [], drift: [] })
  expect(churn.now).toMatchObject({ stable: ref('1.0.0'), applied: { initial: '1.0.0' } })
})

test("version differs from stable: a split at the file's weight, by actor config", () => {
  const churn = life()
  expect(churn.file(wanted).events).toEqual(['initialised', 'split-started'])
  expect(churn.now.split).toMatchObject({ canary: ref('1.1.0'), weightBp: 1000, actor: 'config' })
})

test('nothing changed in the file: nothing happens, also after a restart', () => {
  const churn = life()
  churn.file(wanted)
  const restarted = life(JSON.parse(JSON.stringify(churn.now)))
  expect(restarted.file(wanted)).toEqual({ events: [], pending: [], drift: [] })
})

test('the weight changes in the file', () => {
  const churn = life()
  churn.file(wanted)
  expect(churn.file({ ...wanted, weightBp: 2500 }).events).toEqual(['weight-set'])
  expect(churn.now.split).toMatchObject({ weightBp: 2500, serial: 1 })
})

test('the version goes back to stable in the file: the split ends', () => {
  const churn = life()
  churn.file(wanted)
  expect(churn.file({ ...wanted, version: '1.0.0' }).events).toEqual(['split-ended'])
})

test("the version is taken out of the file: its split ends, a person's goes on", () => {
  const churn = life()
  churn.file(wanted)
  expect(churn.file(first).events).toEqual(['split-ended'])

  const other = life()
  other.file(wanted)
  other.person({ kind: 'start-split', canary: ref('1.2.0'), weightBp: 500, supersede: true })
  expect(other.file(first).events).toEqual(['file-noted'])
  expect(other.now.split).toMatchObject({ canary: ref('1.2.0') })
})

test('another version in the file takes the place of the canary', () => {
  const churn = life()
  churn.file(wanted)
  expect(churn.file({ ...wanted, version: '1.2.0' }).events).toEqual(['split-started'])
  expect(churn.now.split).toMatchObject({ canary: ref('1.2.0'), serial: 2 })
})

test('a person changed the weight: the unchanged file does not undo it, and the drift names both values', () => {
  const churn = life()
  churn.file(wanted)
  churn.person({ kind: 'set-weight', weightBp: 4000 })
  expect(churn.file(wanted)).toEqual({
    events: [],
    pending: [],
    drift: ['the file gives 1.1.0 of churn 10 %, but it gets 40 %'],
  })
})

test("the later event wins: an edit of the file after a person's change", () => {
  const churn = life()
  churn.file(wanted)
  churn.person({ kind: 'set-weight', weightBp: 4000 })
  expect(churn.file({ ...wanted, weightBp: 2000 }).events).toEqual(['weight-set'])
  expect(churn.now.split?.weightBp).toBe(2000)
})

test('a person ended the split: neither the unchanged file nor a new weight starts it again', () => {
  const churn = life()
  churn.file(wanted)
  churn.person({ kind: 'end-split' })
  expect(churn.file(wanted)).toEqual({
    events: [],
    pending: [],
    drift: ['the file asks for 1.1.0 of churn, but it is served by 1.0.0'],
  })
  expect(churn.file({ ...wanted, weightBp: 2000 }).events).toEqual(['file-noted'])
  expect(churn.now.split).toBeUndefined()
})

test("a person promoted the file's version: the file is content", () => {
  const churn = life()
  churn.file(wanted)
  churn.person({ kind: 'set-stable', stable: ref('1.1.0') })
  expect(churn.file(wanted)).toEqual({ events: [], pending: [], drift: [] })
})

test('the file asks for what a person already did: noted, so that only the next edit acts', () => {
  const churn = life()
  churn.file(wanted)
  churn.person({ kind: 'set-stable', stable: ref('1.2.0') })
  expect(churn.file({ ...wanted, version: '1.2.0' }).events).toEqual(['file-noted'])
  churn.person({ kind: 'set-stable', stable: ref('1.3.0') })
  expect(churn.file({ ...wanted, version: '1.2.0' }).events).toEqual([])
})

test('the file names the canary that a person started, at another weight', () => {
  const churn = life()
  churn.file(first)
  churn.person({ kind: 'start-split', canary: ref('1.1.0'), weightBp: 100 })
  expect(churn.file(wanted).events).toEqual(['weight-set'])
  expect(churn.now.split).toMatchObject({ weightBp: 1000, serial: 1 })
})

test('a version without a weight starts at 0: a file never jumps', () => {
  const churn = life()
  churn.file(first)
  churn.file({ initial: '1.1.0', version: '1.1.0' })
  expect(churn.now.split).toMatchObject({ canary: ref('1.1.0'), weightBp: 0 })
})

test('initial is read only while nothing is stored; an edit of it is explained', () => {
  const churn = life()
  churn.file(first)
  expect(churn.file({ initial: '1.1.0' })).toEqual({
    events: [],
    pending: [],
    drift: [
      'the file says initial: 1.1.0, which is read only while nothing is stored; churn is served by 1.0.0. Say version: 1.1.0',
    ],
  })
  churn.person({ kind: 'set-stable', stable: ref('1.1.0') })
  expect(churn.file(first).drift).toEqual([])
})

test('the affinity follows the file, before the split that it shapes', () => {
  const churn = life()
  const sticky: Wish = { ...wanted, affinity: { header: 'x-user-id' } }
  expect(churn.file(sticky).events).toEqual(['initialised', 'affinity-set', 'split-started'])
  expect(churn.file(sticky).events).toEqual([])
  expect(churn.file(wanted).events).toEqual(['affinity-set'])
})

test('a raise that a freeze refuses stays unapplied and acts when the freeze ends', () => {
  const churn = life()
  churn.file(wanted)
  const raised = { ...wanted, weightBp: 2500 }
  expect(churn.file(raised, frozen)).toEqual({
    events: [],
    pending: [
      'the file says weight: 25: a freeze is on: no canary of churn may get more; lowering always works',
    ],
    drift: ['the file gives 1.1.0 of churn 25 %, but it gets 10 %'],
  })
  expect(churn.now.applied.weightBp).toBe(1000)
  expect(churn.file(raised).events).toEqual(['weight-set'])
  expect(churn.file({ ...wanted, weightBp: 500 }, frozen).events).toEqual(['weight-set'])
})

test('a new version during a freeze waits; its weight does not reach the canary that runs', () => {
  const churn = life()
  churn.file(wanted)
  const next = { ...wanted, version: '1.2.0', weightBp: 100 }
  expect(churn.file(next, frozen).events).toEqual([])
  expect(churn.now.split).toMatchObject({ canary: ref('1.1.0'), weightBp: 1000 })
  expect(churn.file(next).events).toEqual(['split-started'])
})

test('a version that is not published yet is waited for', () => {
  const churn = life()
  const only = (...versions: string[]) => ({
    ...context,
    digestOf: (version: string) => (versions.includes(version) ? ref(version).digest : undefined),
  })
  expect(churn.file(wanted, only())).toEqual({
    events: [],
    pending: ['the file asks for version 1.0.0 of churn, which does not exist yet'],
    drift: ['the file asks for 1.0.0 of churn, but nothing is deployed'],
  })
  expect(churn.file(wanted, only('1.0.0'))).toMatchObject({
    events: ['initialised'],
    pending: ['the file asks for version 1.1.0 of churn, which does not exist yet'],
  })
  expect(churn.file(wanted, only('1.0.0', '1.1.0')).events).toEqual(['split-started'])
})

test('a version that refuses requests which stable accepts is not started from the file', () => {
  const churn = life()
  const strict = {
    ...context,
    incompatible: (stable: string, canary: string) => `${canary} narrows ${stable}`,
  }
  expect(churn.file(wanted, strict)).toMatchObject({
    events: ['initialised'],
    pending: ['the file asks for version 1.1.0 of churn: 1.1.0 narrows 1.0.0'],
  })
})

test("a person's canary beside the file's version is drift", () => {
  const churn = life()
  churn.file({ initial: '1.0.0', version: '1.0.0' })
  churn.person({ kind: 'start-split', canary: ref('1.1.0'), weightBp: 100 })
  expect(driftOf(churn.now, { initial: '1.0.0', version: '1.0.0' })).toEqual([
    {
      key: 'version',
      file: '1.0.0',
      served: '1.0.0, and 1.1.0 at 1 %',
      sentence: 'the file asks for 1.0.0 of churn, but it is served by 1.0.0, and 1.1.0 at 1 %',
    },
  ])
})
