import { afterEach, beforeEach, expect, test } from 'vitest'
import { admin } from './testing/admin.ts'

let api: Awaited<ReturnType<typeof admin>>
beforeEach(async () => {
  api = await admin()
})
afterEach(() => api.close())

const configuration = async () => (await api.call('GET', '/api/v1/configuration')).body

test('what is in force, what is refused and why, and what waits for the next start', async () => {
  const { configuration: standing } = api.deps
  expect(await configuration()).toEqual({
    ...{ inForce: true, problem: null, atNextStart: [], since: '1970-01-01T00:00:00.000Z' },
  })
  standing.accepted(['listen'], 1_000)
  expect(await configuration()).toEqual({
    ...{ inForce: true, problem: null, atNextStart: ['listen'], since: '1970-01-01T00:00:01.000Z' },
  })
  standing.refused('gateway.yaml:3: models: expected a mapping', 2_000)
  expect(await configuration()).toEqual({
    ...{ inForce: false, problem: 'gateway.yaml:3: models: expected a mapping' },
    ...{ atNextStart: ['listen'], since: '1970-01-01T00:00:02.000Z' },
  })
  standing.accepted([], 3_000)
  expect(await configuration()).toMatchObject({ inForce: true, problem: null, atNextStart: [] })
})
