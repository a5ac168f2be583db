import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around, rollingIn, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { WIDE_POLICY } from '@coalmine/core/rollout/testing/policies.ts'
import { ref, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { describe, expect, test } from 'vitest'
import { isReady, type Seen } from './readiness.ts'

const up = (version: string, arm?: Seen['arm']): Seen => ({ version, healthy: true, ...(arm && { arm }) })
const down = (version: string, arm?: Seen['arm']): Seen => ({ ...up(version, arm), healthy: false })
const STABLE = up('1.0.0')

test('without a rollout nothing is ready', () => {
  expect(isReady(WHOLE, [STABLE, up('1.1.0')])).toBe(false)
})

describe('before the first request', () => {
  const ready = (deployment: Deployment, ...seen: Seen[]) => isReady(deployment, [STABLE, ...seen])
  const plain = rollingIn('preparing')
  const paired = rollingIn('preparing', WIDE_POLICY)
  const itself = around(started({ canary: ref('1.0.0'), measure: true }))

  test('every worker of the canary answers, and there is one', () => {
    expect(ready(plain)).toBe(false)
    expect(ready(plain, down('1.1.0'))).toBe(false)
    expect(ready(plain, up('1.1.0'), down('1.1.0'))).toBe(false)
    expect(ready(plain, up('1.1.0'), up('1.1.0'))).toBe(true)
  })

  test('other versions do not matter', () => {
    expect(ready(plain, up('1.1.0'), down('0.9.0'))).toBe(true)
  })

  test('the baseline answers too where latency is compared', () => {
    expect(ready(paired, up('1.1.0'))).toBe(false)
    expect(ready(paired, up('1.1.0'), down('1.0.0', 'baseline'))).toBe(false)
    expect(ready(paired, up('1.1.0'), up('1.0.0', 'baseline'))).toBe(true)
    // A worker of the baseline is none of the canary.
    expect(ready(paired, up('1.1.0', 'baseline'), up('1.0.0', 'baseline'))).toBe(false)
  })

  test('beside itself stable has workers of the canary’s own', () => {
    expect(ready(itself)).toBe(false)
    expect(ready(itself, up('1.0.0', 'canary'))).toBe(true)
  })
})

describe('before everything', () => {
  const ready = (...seen: Seen[]) => isReady(rollingIn('promoting'), seen)

  test('as many of the canary answer as of stable, or all it has', () => {
    expect(ready(STABLE, STABLE, up('1.1.0'))).toBe(true)
    expect(ready(STABLE, STABLE, up('1.1.0'), down('1.1.0'))).toBe(false)
    expect(ready(STABLE, STABLE, up('1.1.0'), up('1.1.0'), down('1.1.0'))).toBe(true)
  })

  test('stable that is dead itself does not keep it waiting', () => {
    expect(ready(down('1.0.0'), down('1.0.0'), up('1.1.0'), down('1.1.0'))).toBe(true)
  })

  test('a canary of which nothing answers gets nothing', () => {
    expect(ready(down('1.0.0'), down('1.1.0'))).toBe(false)
    expect(ready(STABLE)).toBe(false)
  })
})
