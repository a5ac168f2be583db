import { changed, rollingIn, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { ref } from '@coalmine/core/rollout/testing/rollouts.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { expect, test } from 'vitest'
import { tableWithoutCanary } from './routed.ts'

const TRIED = ['stepping', 'awaiting-approval', 'paused', 'held', 'promoting'] as const

test.each(TRIED)(
  'of a rollout that is %s canary and baseline get nothing, and nothing is counted',
  (kind) => {
    const deployment = rollingIn(kind, WIDE_POLICY)
    expect(routingTable(deployment)!.weightBp).toBeGreaterThan(0)
    expect(tableWithoutCanary(deployment)).toMatchObject({
      ...{ revision: deployment.revision, serial: deployment.serial, stable: '1.0.0', canary: '1.1.0' },
      ...{ weightBp: 0, baselineBp: 0, counting: false },
    })
  },
)

test('of a split the canary gets nothing', () => {
  const split = changed(WHOLE, { kind: 'start-split', canary: ref('1.1.0'), weightBp: 2000 }).next
  expect(tableWithoutCanary(split)).toMatchObject({ stable: '1.0.0', weightBp: 0, counting: false })
})

test('of a promoted version that is watched the version before it gets all', () => {
  expect(tableWithoutCanary(rollingIn('watching'))).toMatchObject({
    ...{ stable: '1.0.0', canary: '1.1.0', weightBp: 0, counting: false },
  })
})

test('where everything goes to one version the table is the usual one', () => {
  expect(tableWithoutCanary(WHOLE)).toEqual(routingTable(WHOLE))
})
