import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Released } from '../evidence/counts.ts'
import type { Action } from './act.ts'
import { canaryWeightBp, type Deployment } from './deployment.ts'
import { type DeploymentEvent, raisesCanary, snapshot } from './event.ts'
import { applyIntent, type Intent } from './intent.ts'
import { brokenInvariants } from './invariants.ts'
import { weightOf } from './phase.ts'
import { isFinished, judgedPair, type Rollout } from './rollout.ts'
import { startRollout } from './start-rollout.ts'
import { turned, WHOLE } from './testing/deployments.ts'
import { POLICY, step, WATCHED_POLICY } from './testing/policies.ts'
import { REQUEST, ref, START_MS } from './testing/rollouts.ts'
import { fairSecond } from './testing/windows.ts'

/*
 * Random lives of a deployment: splits and rollouts come and go, people do everything at any time, and rollouts tick
 * over good and bad requests.
 */

/** One step and a short watch, so that a life can come to its end. */
const QUICK = { ...POLICY, steps: [step(5000, 0.05, { minDurationMs: 0 })] }
const POLICIES = {
  quick: { ...QUICK, hash: 'quick' },
  watched: { ...QUICK, hash: 'watched', watch: { ...WATCHED_POLICY.watch!, durationMs: 4000 } },
  slow: POLICY,
}

type Deed =
  | { readonly kind: 'tick'; readonly failing: boolean; readonly ready: boolean }
  | { readonly kind: 'start'; readonly version: string; readonly policy: keyof typeof POLICIES }
  | { readonly kind: 'intent'; readonly intent: Intent }

const aVersion = fc.constantFrom('1.0.0', '1.1.0', '1.2.0')
const aWeight = fc.constantFrom(0, 1, 500, 5000, 10_000)
const anAction: fc.Arbitrary<Action> = fc.oneof(
  fc.constantFrom<Action>(
    { kind: 'pause' },
    { kind: 'resume' },
    { kind: 'resume' },
    { kind: 'approve' },
    { kind: 'advance' },
    { kind: 'promote' },
    { kind: 'abort' },
    { kind: 'rollback' },
    { kind: 'safety-rollback' },
    { kind: 'supersede', by: '9.9.9' },
    { kind: 'change-policy', policy: { ...POLICY, hash: 'other', intervalMs: 2000 } },
    { kind: 'restart', policy: { ...POLICY, hash: 'anew', risk: { ...POLICY.risk, falseRollback: 0.02 } } },
  ),
  aWeight.map((weightBp): Action => ({ kind: 'set-weight', weightBp })),
)
const anIntent: fc.Arbitrary<Intent> = fc.oneof(
  { weight: 4, arbitrary: anAction.map((action): Intent => ({ kind: 'act', action })) },
  fc.record({ kind: fc.constant('set-stable' as const), stable: aVersion.map(ref) }),
  fc.record({
    kind: fc.constant('start-split' as const),
    canary: aVersion.map(ref),
    weightBp: aWeight,
    supersede: fc.boolean(),
  }),
  aWeight.map((weightBp): Intent => ({ kind: 'set-weight', weightBp })),
  fc.constantFrom<Intent>(
    { kind: 'end-split' },
    { kind: 'rollback' },
    { kind: 'note-file' },
    { kind: 'set-affinity' },
    { kind: 'set-affinity', affinity: { header: 'x-user-id' } },
  ),
)
const aDeed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('tick' as const),
      failing: fc.oneof(
        { weight: 5, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      ready: fc.oneof(
        { weight: 5, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      version: aVersion,
      policy: fc.constantFrom('quick', 'watched', 'slow'),
    }),
  },
  { weight: 3, arbitrary: anIntent.map((intent): Deed => ({ kind: 'intent', intent })) },
)
const aLife = fc.array(fc.record({ deed: aDeed, frozen: fc.nat(7).map((n) => n === 0) }), {
  minLength: 10,
  maxLength: 40,
  size: 'max',
})
const runs = { seed: 23, numRuns: 400 }

/** One committed change. */
interface Moment {
  readonly before: Deployment
  readonly next: Deployment
  readonly event?: DeploymentEvent
  readonly ended?: Rollout
  readonly frozen: boolean
  readonly by: Deed['kind']
}

function live(life: readonly { deed: Deed; frozen: boolean }[]): Moment[] {
  const moments: Moment[] = []
  const past: Rollout[] = []
  let deployment: Deployment = WHOLE
  for (const [i, { deed, frozen }] of life.entries()) {
    const nowMs = START_MS + 2000 * (i + 1)
    const change = changeOf(deployment, deed, { nowMs, frozen, past })
    if (change === undefined) continue
    const { next, event, ended } = change
    moments.push({
      before: deployment,
      next,
      frozen,
      by: deed.kind,
      ...(event && { event }),
      ...(ended && { ended }),
    })
    if (ended) past.unshift(ended)
    deployment = next
  }
  return moments
}

interface World {
  readonly nowMs: number
  readonly frozen: boolean
  readonly past: readonly Rollout[]
}

function changeOf(
  deployment: Deployment,
  deed: Deed,
  world: World,
): Omit<Moment, 'before' | 'frozen' | 'by'> | undefined {
  const { nowMs, frozen, past } = world
  if (deed.kind === 'tick') {
    if (deployment.rollout === undefined) return undefined
    const released = shown(deployment.rollout, deed.failing, nowMs)
    return turned(deployment, released, { nowMs, frozen, ready: deed.ready })
  }
  const intent = deed.kind === 'intent' ? deed.intent : startOf(deployment, deed, past, nowMs)
  if (intent === undefined) return undefined
  const outcome = applyIntent(deployment, intent, { actor: 'ann', reason: 'test', nowMs, frozen })
  return outcome.kind === 'refused' ? undefined : outcome
}

function startOf(
  { stable, serial, affinity }: Deployment,
  { version, policy }: Extract<Deed, { kind: 'start' }>,
  past: readonly Rollout[],
  nowMs: number,
): Intent | undefined {
  const started = startRollout(
    {
      ...REQUEST,
      stable: stable!,
      canary: ref(version),
      policy: POLICIES[policy],
      serial: serial + 1,
      nowMs,
      retry: true,
      ...(affinity && { affinity }),
    },
    past,
  )
  return started.kind === 'refused'
    ? undefined
    : { kind: 'start-rollout', rollout: started.rollout, supersede: true }
}

function shown({ phase }: Rollout, failing: boolean, nowMs: number): Released {
  const weightBp = weightOf(phase)
  if (weightBp === 0) return {}
  return fairSecond(nowMs / 1000 - 1, weightBp, 4000, { canary: failing ? 0.2 : 0.001, stable: 0.001 })
}

const everyMoment = (check: (moment: Moment) => void) =>
  fc.assert(
    fc.property(aLife, (life) => {
      for (const moment of live(life)) check(moment)
    }),
    runs,
  )

test('the lives reach every kind of event that needs no waiting', () => {
  const kinds = new Set(
    fc.sample(aLife, runs).flatMap((life) => live(life).map(({ event }) => event?.kind ?? 'wait')),
  )
  expect([...kinds].sort()).toEqual([
    'aborted',
    'advanced',
    'affinity-set',
    'approval-asked',
    'begun',
    'file-noted',
    'paused',
    'policy-changed',
    'promoted',
    'promotion-begun',
    'restarted',
    'resumed',
    'rolled-back',
    'rollout-started',
    'split-ended',
    'split-started',
    'stable-set',
    'superseded',
    'wait',
    'watch-ended',
    'weight-set',
  ])
})

test('deployment and rollout have one revision, which counts events and nothing else', () => {
  everyMoment(({ before, next, event, ended }) => {
    expect(next.revision).toBe(before.revision + (event ? 1 : 0))
    if (next.rollout) expect(next.rollout.revision).toBe(next.revision)
    if (ended) expect(ended.revision).toBe(next.revision)
    if (event?.decision) expect(event.decision.revision).toBe(next.revision)
    if (event) expect([event.before, event.after]).toEqual([snapshot(before), snapshot(next)])
  })
})

test('a tick counts one evaluation, and nothing else counts any', () => {
  everyMoment(({ before, next, ended, by }) => {
    if (before.rollout === undefined) return
    const same = [next.rollout, ended].find((rollout) => rollout?.serial === before.rollout!.serial)
    expect(same!.evaluation).toBe(before.rollout.evaluation + (by === 'tick' ? 1 : 0))
  })
})

test('a rollout is running, or it has ended: none is lost, none is ended twice, and what ended is over', () => {
  everyMoment(({ before, next, ended }) => {
    if (next.rollout) expect(isFinished(next.rollout)).toBe(false)
    if (ended) expect(isFinished(ended)).toBe(true)
    const left = before.rollout !== undefined && before.rollout.serial !== next.rollout?.serial
    expect(ended?.serial).toBe(left ? before.rollout!.serial : undefined)
  })
})

test('serials never fall, and each split and each rollout has one of its own', () => {
  everyMoment(({ before, next }) => {
    const running = (next.split ?? next.rollout)?.serial
    const already = (before.split ?? before.rollout)?.serial
    expect(next.serial).toBe(running !== undefined && running !== already ? before.serial + 1 : before.serial)
    if (running !== undefined) expect(running).toBe(next.serial)
  })
})

test('no rollout breaks an invariant, and each stands beside its own stable version', () => {
  everyMoment(({ next: { stable, previous, rollout } }) => {
    if (rollout === undefined) return
    expect(brokenInvariants(rollout)).toEqual([])
    const isWatching = rollout.phase.kind === 'watching'
    expect(stable).toEqual(isWatching ? rollout.canary : rollout.stable)
    if (isWatching) expect(previous).toMatchObject(rollout.stable)
    expect(judgedPair(rollout)).not.toBe(judgedPair({ stable: rollout.stable, canary: rollout.stable }))
  })
})

test('a version is never its own way back, and a split and a rollout never run at once', () => {
  everyMoment(({ next: { stable, previous, split, rollout } }) => {
    expect(previous?.version).not.toBe(stable!.version)
    expect(split !== undefined && rollout !== undefined).toBe(false)
  })
})

test('in a freeze nothing raises a canary, and what raises one says so', () => {
  everyMoment(({ before, next, event, frozen }) => {
    if (frozen && event) expect(raisesCanary(event)).toBe(false)
    const isSame =
      (before.split ?? before.rollout)?.canary.version === (next.split ?? next.rollout)?.canary.version
    if (isSame && canaryWeightBp(next) > canaryWeightBp(before)) expect(raisesCanary(event!)).toBe(true)
  })
})
