import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import { turned } from '@coalmine/core/rollout/testing/deployments.ts'
import { afterEach, expect, test } from 'vitest'
import { decisionSchema, fullDecisionSchema } from './decision-schemas.ts'
import { admin, policyNamed, rolling } from './testing/admin.ts'

const POLICY = 'initial: 1.0.0\n    policy: careful'

let api: Awaited<ReturnType<typeof admin>>

afterEach(() => api.close())

/** The first step as the controller took it; `alter` changes what is kept of it. */
async function begun(alter: (event: DeploymentEvent) => DeploymentEvent = (event) => event) {
  const { next, event } = turned(await rolling('preparing'))
  api = await admin({ fields: POLICY, stored: { deployment: next, event: alter(event!) } })
}

test('the record is short, newest first, in pages', async () => {
  await begun()
  await api.churn('POST', '/rollout/abort', { json: { reason: 'not now' } })
  const { decisions } = (await api.churn('GET', '/decisions')).body
  expect(decisions.map((row: unknown) => decisionSchema.parse(row))).toEqual(decisions)
  expect(decisions).toMatchObject([
    { id: 2, kind: 'aborted', actor: 'operator', reason: 'not now', serial: 1, proven: null },
    {
      id: 1,
      kind: 'begun',
      actor: 'controller',
      before: { weightPercent: 0, canary: '1.1.0' },
      after: { weightPercent: 5, stable: '1.0.0' },
    },
  ])
  const ids = async (query: string) =>
    (await api.churn('GET', `/decisions${query}`)).body.decisions.map(({ id }: { id: number }) => id)
  expect([await ids('?limit=1'), await ids('?before=2'), await ids('?before=1')]).toEqual([[2], [1], []])
  expect((await api.churn('GET', '/decisions?limit=0')).body).toMatchObject({ status: 422 })
})

test('a decision of the controller is replayed from what it knew, by the rules of then', async () => {
  await begun()
  const { body } = await api.churn('GET', '/decisions/1')
  expect(fullDecisionSchema.parse(body)).toEqual(body)
  expect(body).toMatchObject({
    record: {
      policyHash: policyNamed('careful').hash,
      situation: { phase: { kind: 'preparing' }, assessment: { comparisons: [{ name: 'error_rate' }] } },
    },
    policy: { name: 'careful', hash: policyNamed('careful').hash },
    replay: { same: true, decision: { kind: 'begin', weightBp: 500 } },
  })
})

test('a record that was altered is found out', async () => {
  await begun((event) => {
    const decision = { kind: 'begin', weightBp: 9000, because: 'it is ready' } as const
    return { ...event, decision: { ...event.decision!, decision } }
  })
  expect((await api.churn('GET', '/decisions/1')).body.replay).toMatchObject({ same: false })
})

test('what a person decided is theirs, and is not replayed', async () => {
  await begun()
  await api.churn('POST', '/rollout/abort', { json: { reason: 'not now' } })
  expect((await api.churn('GET', '/decisions/2')).body).toMatchObject({
    record: { decision: { kind: 'finish', outcome: 'aborted' } },
    replay: null,
  })
})

test('what no rollout was in has no record', async () => {
  api = await admin({ fields: POLICY })
  expect((await api.churn('GET', '/decisions/1')).body).toMatchObject({
    kind: 'initialised',
    serial: null,
    record: null,
    policy: null,
    replay: null,
  })
})

test('a number that the record does not have, or has for something else', async () => {
  api = await admin({ fields: POLICY })
  await api.call('PUT', '/api/v1/freeze', { json: { frozen: true, reason: 'incident' } })
  for (const id of [2, 3])
    expect((await api.churn('GET', `/decisions/${id}`)).body).toMatchObject({
      status: 404,
      code: 'decision-unknown',
    })
})
