import { expect, test } from 'vitest'
import { afterCheck, type Health, UNCHECKED } from './health.ts'
import type { ProbeAnswer } from './probe.ts'

const good: ProbeAnswer = { kind: 'answered', status: 200, body: '{"ready":true}' }
const notReady: ProbeAnswer = {
  kind: 'answered',
  status: 503,
  body: '{"ready":false,"reason":"golden record 3 differs by 0.2"}',
}
const unreachable = (code: string): ProbeAnswer => ({ kind: 'unreachable', code })
const after = (...answers: ProbeAnswer[]): Health => answers.reduce(afterCheck, UNCHECKED)

test('an endpoint is out until a check has passed', () => {
  expect(UNCHECKED.healthy).toBe(false)
  expect(after(good)).toEqual({ healthy: true, failures: 0 })
})

test('a slow endpoint is taken out by the third failed check in a row, not before', () => {
  const slow = unreachable('TIMEOUT')
  expect(after(good, slow, slow).healthy).toBe(true)
  expect(after(good, slow, slow, slow).healthy).toBe(false)
  expect(after(good, slow, slow, good, slow, slow).healthy).toBe(true)
})

test('an endpoint where nobody listens is taken out at once', () => {
  expect(after(good, unreachable('ECONNREFUSED')).healthy).toBe(false)
})

test('an endpoint that says it is not ready is taken out at once, with its reason', () => {
  expect(after(good, notReady)).toMatchObject({
    healthy: false,
    reason: expect.stringContaining('golden record 3 differs by 0.2'),
  })
})

test('one good check brings it back', () => {
  expect(after(good, notReady, notReady, good).healthy).toBe(true)
})
