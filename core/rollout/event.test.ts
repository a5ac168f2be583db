import { expect, test } from 'vitest'
import { type DeploymentEvent, raisesCanary, snapshot } from './event.ts'
import { changed, rollingIn, WHOLE } from './testing/deployments.ts'
import { WATCHED_POLICY } from './testing/policies.ts'
import { ref } from './testing/rollouts.ts'

type Kind = DeploymentEvent['kind']
type Share = readonly [canary: string | undefined, weightBp: number]

const NONE: Share = [undefined, 0]
const at = (weightBp: number): Share => ['1.1.0', weightBp]

const side = (revision: number, [canary, weightBp]: Share) => ({
  revision,
  weightBp,
  stable: '1.0.0',
  ...(canary !== undefined && { canary }),
})

/** What each kind of event does with the canary's share, and whether a freeze forbids it. */
const KINDS: Readonly<Record<Kind, readonly (readonly [Share, Share, boolean])[]>> = {
  initialised: [[NONE, NONE, false]],
  'split-started': [
    [NONE, at(0), false],
    [NONE, at(1), true],
    [at(5000), ['1.2.0', 1], true],
    [at(5000), ['1.2.0', 0], false],
  ],
  'weight-set': [
    [at(500), at(501), true],
    [at(500), at(499), false],
  ],
  // Also where the share is not seen to rise: stable is not the same any more.
  promoted: [
    [at(5000), NONE, true],
    [at(5000), at(9900), true],
    [at(10_000), at(9900), true],
  ],
  'stable-set': [
    [at(500), NONE, false],
    [at(9900), NONE, false],
    [NONE, NONE, false],
  ],
  'split-ended': [[at(500), NONE, false]],
  'rolled-back': [
    [at(500), NONE, false],
    [at(9900), NONE, false],
    [NONE, NONE, false],
  ],
  'affinity-set': [
    [NONE, NONE, false],
    [at(500), at(500), false],
  ],
  'file-noted': [
    [NONE, NONE, false],
    [at(500), at(500), false],
  ],
  // Nothing goes to a canary that prepares.
  'rollout-started': [
    [NONE, at(0), false],
    [at(500), ['1.2.0', 0], false],
    [at(9900), ['1.2.0', 0], false],
  ],
  'mirroring-begun': [[at(0), at(0), false]],
  begun: [[at(0), at(500), true]],
  advanced: [
    [at(500), at(2500), true],
    [at(9000), at(2500), false],
  ],
  'approval-asked': [[at(500), at(500), false]],
  approved: [[at(500), at(500), false]],
  held: [
    [at(500), at(500), false],
    [at(500), at(0), false],
  ],
  released: [[at(500), at(500), false]],
  paused: [
    [at(500), at(500), false],
    [at(500), at(400), false],
    [at(500), at(600), true],
  ],
  resumed: [
    [at(500), at(500), false],
    [at(0), at(500), true],
    [at(600), at(2500), true],
  ],
  'promotion-begun': [[at(5000), at(5000), false]],
  'watch-ended': [[at(9900), NONE, false]],
  aborted: [[at(500), NONE, false]],
  superseded: [[at(500), NONE, false]],
  measured: [[at(5000), NONE, false]],
  'policy-changed': [[at(500), at(500), false]],
  restarted: [[at(500), at(500), false]],
}

test.each(
  Object.entries(KINDS).flatMap(([kind, shares]) =>
    shares.map(([before, after, raises]) => [kind as Kind, before, after, raises] as const),
  ),
)('%s from %j to %j raises the canary: %s', (kind, before, after, raises) => {
  expect(raisesCanary({ kind, before: side(1, before), after: side(2, after) })).toBe(raises)
})

test('a snapshot names versions and share, of a split as of a rollout', () => {
  expect(snapshot(WHOLE)).toEqual({ revision: 1, weightBp: 0, stable: '1.0.0' })
  const split = changed(WHOLE, { kind: 'start-split', canary: ref('1.1.0'), weightBp: 500 }).next
  expect(snapshot(split)).toEqual({ revision: 2, weightBp: 500, stable: '1.0.0', canary: '1.1.0' })
  const { revision } = rollingIn('stepping')
  expect(snapshot(rollingIn('stepping'))).toEqual({
    revision,
    weightBp: 500,
    stable: '1.0.0',
    canary: '1.1.0',
  })
})

test('a version that is watched is stable and canary', () => {
  expect(snapshot(rollingIn('watching', WATCHED_POLICY))).toMatchObject({
    weightBp: 9900,
    stable: '1.1.0',
    canary: '1.1.0',
  })
})
