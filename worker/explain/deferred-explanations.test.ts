import { EXPLANATION_JOB } from '@coalmine/contract/explain.ts'
import { silent } from '@coalmine/contract/testing/silent-log.ts'
import { expect, test } from 'vitest'
import { tell } from './deferred-call.ts'
import { DEFERRED_MAX, DeferredExplanations, KEPT } from './deferred-explanations.ts'
import type { ModelRecord } from './explainer.ts'
import { LastingExplainer } from './lasting-explainer.ts'

const manifest = { name: 'm', version: '1' } as never

/** Explanations that end when the test says so: each record of `asked` waits for `next`. */
function deferred({ openFails = '', gap = 0 } = {}) {
  const asked: ModelRecord[] = []
  const turns: PromiseWithResolvers<void>[] = []
  const clock = { ms: 0 }
  const explainer = new LastingExplainer({
    async open() {
      if (openFails !== '') throw new Error(openFails)
      return {
        explanation: { method: 'exact', link: 'identity', output: 'p', space: 'probability' },
        async explain(records) {
          asked.push(...records)
          const turn = Promise.withResolvers<void>()
          turns.push(turn)
          await turn.promise
          const contributions = Float64Array.of(Number(records[0]!.x))
          return [{ index: 0, prediction: 0, base: 0, sum: 0, gap, contributions }]
        },
        close: async () => {},
      }
    },
    log: silent,
  })
  const it = new DeferredExplanations({
    explainer,
    write: ({ attributions }) => JSON.stringify(attributions.map(({ contributions }) => contributions[0])),
    nowMs: () => clock.ms,
  })
  const told = (id: string) => {
    const { status, body } = tell(id, { manifest }, it)
    return [status, JSON.parse(`${body}`)]
  }
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  const next = async (end: 'resolve' | 'reject' = 'resolve') => {
    await settled()
    turns.shift()![end](new Error('it failed') as never)
    await settled()
  }
  return { it, asked, clock, told, next, settled }
}

const records = (...xs: number[]) => xs.map((x) => ({ x }))

test('one request after the other, record by record; each is told how far it is, then its answer, as often as it asks', async () => {
  const { it, asked, told, next, settled } = deferred()
  const first = it.ask(records(1, 2))!
  const second = it.ask(records(3))!
  const third = it.ask(records(4))!
  await settled()
  const named = { model_name: 'm', model_version: '1' }
  expect(asked).toEqual(records(1))
  expect(told(first)).toEqual([202, { id: first, state: 'running', records: 2, explained: 0, ...named }])
  expect(told(third)).toEqual([202, { id: third, state: 'waiting', records: 1, ahead: 2, ...named }])
  await next()
  expect(asked).toEqual(records(1, 2))
  expect(told(first)).toMatchObject([202, { explained: 1 }])
  await next()
  expect([told(first), told(first)]).toEqual([
    [200, [1, 2]],
    [200, [1, 2]],
  ])
  expect(told(second)).toMatchObject([202, { state: 'running' }])
  await next()
  await next()
  expect([told(second), told(third)]).toEqual([
    [200, [3]],
    [200, [4]],
  ])
  expect(it.counts).toEqual({ answered: 3, failed: 0, refused: 0 })
})

test('it tells where and when to ask again', () => {
  const { it } = deferred()
  const id = it.ask(records(1))!
  expect(id).toMatch(EXPLANATION_JOB)
  const { headers } = tell(id, { manifest }, it)
  expect(headers).toEqual(['location', `/v1/models/m/explanations/${id}`, 'retry-after', '1'])
})

test('beside the one under way so many wait, and no more', async () => {
  const { it, next, settled } = deferred()
  it.ask(records(0))
  await settled()
  for (let i = 0; i < DEFERRED_MAX; i++) expect(it.ask(records(i))).toMatch(EXPLANATION_JOB)
  expect([it.ask(records(99)), it.waiting, it.counts.refused]).toEqual([undefined, DEFERRED_MAX, 1])
  await next()
  expect(it.ask(records(99))).toMatch(EXPLANATION_JOB)
})

test('what fails is told as if it had been waited for, and those behind it go on', async () => {
  const { it, told, next } = deferred()
  const bad = it.ask(records(1, 2))!
  const good = it.ask(records(3))!
  await next('reject')
  expect(told(bad)).toEqual([500, { error: 'the explanation failed' }])
  await next()
  expect(told(good)).toEqual([200, [3]])
  expect(it.counts).toMatchObject({ answered: 1, failed: 1 })
})

test('what does not add up is withheld', async () => {
  const { it, told, next } = deferred({ gap: 0.01 })
  const id = it.ask(records(1))!
  await next()
  expect(told(id)).toMatchObject([500, { error: expect.stringContaining('does not add up') }])
})

test('a version that cannot be explained says why', async () => {
  const { it, told, settled } = deferred({ openFails: 'records have 2000 values' })
  const id = it.ask(records(1))!
  await settled()
  expect(told(id)).toEqual([501, { error: 'records have 2000 values' }])
})

test('an answer is forgotten after its time, which is another thing than never having been asked for', async () => {
  const { it, clock, told, next } = deferred()
  const id = it.ask(records(1))!
  await next()
  clock.ms = KEPT.ageMaxMs
  expect(told(id)).toEqual([410, { error: 'this explanation is not kept any more; ask for it again' }])
  const never = [404, { error: 'there is no such explanation here' }]
  const later = `${id.slice(0, 16)}00000001`
  const ofAnother = deferred().it.ask(records(1))!
  for (const other of [later, ofAnother, 'x', '', `${id}0`]) expect(told(other)).toEqual(never)
})
