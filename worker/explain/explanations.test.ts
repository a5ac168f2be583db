import { silent } from '@coalmine/contract/testing/silent-log.ts'
import { expect, test } from 'vitest'
import type { Attribution, Explanation } from './attribution.ts'
import type { ModelRecord } from './explainer.ts'
import { type ExplainJob, Explanations } from './explanations.ts'
import { LastingExplainer } from './lasting-explainer.ts'

const explanation: Explanation = { method: 'tree-shap', link: 'logit', output: 'p' }
const attribution = (gap = 0): Attribution => ({
  ...{ index: 0, prediction: 0.5, base: 0, sum: 0, gap },
  contributions: new Float64Array(1),
})

function explanations({ gap = 0, openFails = '', hold = false } = {}) {
  const asked: (readonly ModelRecord[])[] = []
  const held = Promise.withResolvers<void>()
  if (!hold) held.resolve()
  const clock = { ms: 0 }
  const opened = { times: 0, lose: (_: string) => {} }
  const explainer = new LastingExplainer({
    async open(onLost) {
      opened.times++
      opened.lose = onLost
      if (openFails !== '') throw new Error(openFails)
      return {
        explanation,
        async explain(records) {
          asked.push(records)
          await held.promise
          return records.map(() => attribution(gap))
        },
        close: async () => {},
      }
    },
    log: silent,
  })
  const it = new Explanations({
    ...{ inputs: [{ name: 'x', type: 'float32' }], explainer },
    nowMs: () => clock.ms,
  })
  return { it, explainer, asked, clock, opened, release: held.resolve }
}

const job = (records: ModelRecord[], more: Partial<ExplainJob> = {}): ExplainJob => ({
  records,
  deadlineMs: Number.POSITIVE_INFINITY,
  gone: () => false,
  ...more,
})

test('records asked for again are not explained again; absent and null are the same record', async () => {
  const { it, asked } = explanations()
  expect(await it.ask(job([{ x: 1 }, { x: null }]))).toMatchObject({ kind: 'explained', explanation })
  const again = await it.ask(job([{}, { x: 2 }, { x: 1 }]))
  expect(asked).toEqual([[{ x: 1 }, { x: null }], [{ x: 2 }]])
  expect(again).toMatchObject({ attributions: [attribution(), attribution(), attribution()] })
  expect(it.counts).toMatchObject({ cacheHits: 2, cacheMisses: 3 })
})

test('what does not add up is withheld, counted and not kept', async () => {
  const { it, explainer, asked } = explanations({ gap: 1e-3 })
  for (let i = 1; i <= 2; i++) {
    expect(await it.ask(job([{ x: 1 }]))).toEqual({ kind: 'not additive', gap: 1e-3 })
    expect(explainer.additivityFailures).toBe(i)
  }
  expect(asked).toHaveLength(2)
})

test('a version that cannot be explained says why, each time, and is not tried again', async () => {
  const { it, opened } = explanations({ openFails: 'no way' })
  for (let i = 0; i < 2; i++)
    expect(await it.ask(job([{ x: i }]))).toEqual({ kind: 'unavailable', reason: 'no way' })
  expect(opened.times).toBe(1)
})

test('after the thread is lost the next request opens another', async () => {
  const { it, opened } = explanations()
  await it.ask(job([{ x: 1 }]))
  opened.lose('it ended')
  expect(await it.ask(job([{ x: 2 }]))).toMatchObject({ kind: 'explained' })
  expect(opened.times).toBe(2)
})

test('what waits too long, or for nobody, never reaches the thread; more than 32 at once are told to come back', async () => {
  const { it, asked, clock, release } = explanations({ hold: true })
  const first = it.ask(job([{ x: 0 }]))
  const late = it.ask(job([{ x: 1 }], { deadlineMs: 10 }))
  const left = it.ask(job([{ x: 2 }], { gone: () => true }))
  const others = Array.from({ length: 29 }, (_, i) => it.ask(job([{ x: 10 + i }])))
  expect(await it.ask(job([{ x: 99 }]))).toEqual({ kind: 'busy' })
  clock.ms = 11
  release()
  expect([(await first).kind, (await late).kind, (await left).kind]).toEqual(['explained', 'expired', 'gone'])
  await Promise.all(others)
  expect(asked.flat()).toHaveLength(30)
})
