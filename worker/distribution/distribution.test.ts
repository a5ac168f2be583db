import { trainedLayout } from '@coalmine/contract/distribution/layout.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  inferPath,
  instances,
  post,
  predictPath,
  startTabular,
  type TabularWorker,
  tensors,
} from '../testing/tabular-worker.ts'

const REFERENCE: Reference = {
  rows: 1000,
  features: {
    amount: {
      ...{ kind: 'numeric', missing: 0.1, mean: 5, std: 3 },
      quantiles: { probabilities: [0, 1], values: [0, 10] },
      bins: { edges: [2, 4.5], shares: [0.25, 0.25, 0.5] },
    },
    count: { kind: 'categorical', missing: 0, shares: { 3: 0.5, 4: 0.5 } },
    kind: { kind: 'categorical', missing: 0, shares: { plain: 0.75, fancy: 0.25 } },
  },
  score: { edges: [0.51], shares: [0.5, 0.5] },
  classes: { no: 0.5, yes: 0.5 },
}
/** The layout's counts in words, zeros left out. */
const WORDS = [
  ...['amount <2', 'amount <4.5', 'amount more', 'amount unseen', 'amount missing', 'amount refused'],
  ...['count 3', 'count 4', 'count unseen', 'count missing', 'count refused'],
  ...['kind plain', 'kind fancy', 'kind unseen', 'kind missing', 'kind refused'],
  ...['score <0.51', 'score more', 'score unseen', 'score missing', 'score refused'],
  ...['no', 'yes', 'class unseen', 'class missing', 'class refused'],
]

let tabular: TabularWorker
let layout: ReturnType<typeof trainedLayout>['layout']
beforeAll(async () => {
  tabular = await startTabular()
  const { manifest } = await json(await fetch(`${tabular.origin}/manifest`))
  ;({ layout } = trainedLayout(REFERENCE, manifest))
})
afterAll(() => tabular.close())

// biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
const json = (response: Response): Promise<any> => response.json()
const send = (path: string, init: RequestInit) => fetch(tabular.origin + path, init)
const ask = async (layouts: unknown[] = [layout]) => {
  const response = await send('/distribution', post({ layouts }))
  return { status: response.status, body: await json(response) }
}
const seen = async () => {
  const { counts } = (await ask()).body.counts[0] as { counts: number[] }
  return Object.fromEntries(counts.map((count, i) => [WORDS[i], count]).filter(([, count]) => count !== 0))
}

describe('what a worker counts', () => {
  test('begins with the first that asks', async () => {
    await send(predictPath, instances({ amount: 1, count: 4, kind: 'plain' }))
    expect((await ask()).body).toEqual({
      digest: expect.stringMatching(/^sha256:/),
      counts: [{ since: expect.any(String), counts: WORDS.map(() => 0) }],
    })
  })

  test('is every record that the model answered, however it came, in the bin it belongs to', async () => {
    const records = [
      { amount: 1.99, count: 3, kind: 'fancy' },
      { amount: 2, count: 4, kind: 'plain' },
      { amount: 100, count: 5, kind: 'strange' },
    ]
    expect((await send(predictPath, instances(...records))).status).toBe(200)
    expect((await send(inferPath, tensors([4.5]))).status).toBe(200)
    expect(await seen()).toEqual({
      ...{ 'amount <2': 1, 'amount <4.5': 1, 'amount more': 2 },
      ...{ 'count 3': 1, 'count 4': 2, 'count unseen': 1 },
      ...{ 'kind plain': 2, 'kind fancy': 1, 'kind unseen': 1 },
      // A total of 4.99 has a score of 0.5125.
      ...{ 'score more': 4, yes: 4 },
    })
  })

  test('tells what is missing', async () => {
    const before = await seen()
    // The total of nothing is no number: the model's answer is a fault, and its input was seen all the same.
    await send(predictPath, instances({ amount: null, count: 4, kind: '' }))
    expect(await seen()).toEqual({
      ...before,
      ...{ 'amount missing': 1, 'count 4': 3, 'kind missing': 1, 'score missing': 1 },
      ...{ yes: 4, no: 1 },
    })
  })

  test('tells what the contract refused, by field, for both protocols', async () => {
    const before = await seen()
    expect((await send(predictPath, instances({ amount: 'x', count: 4, kind: 'plain' }))).status).toBe(422)
    expect((await send(inferPath, tensors([5000]))).status).toBe(422)
    expect(await seen()).toEqual({ ...before, 'amount refused': 2 })
  })

  test('goes on while another layout is counted beside it', async () => {
    const other = {
      series: [{ kind: 'feature', name: 'nothing of that name', edges: [1] }, layout.series[2]],
    }
    const [before] = (await ask([other])).body.counts
    await send(predictPath, instances({ amount: 3, count: 4, kind: 'plain' }))
    const { counts } = (await ask([layout, other])).body
    expect(counts[1]).toEqual({ since: before.since, counts: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0] })
    expect(counts[0].since).not.toBe(before.since)
  })
})

test.each([
  [{}, /layouts/],
  [{ layouts: [] }, /layouts/],
  [{ layouts: [{ series: [{ kind: 'feature', name: 'x', edges: [2, 1] }] }] }, /ascending/],
  [{ layouts: [{ series: [{ kind: 'feature', name: 'x' }] }] }, /layouts.0.series.0/],
])('%j is refused with a reason', async (body, reason) => {
  const response = await send('/distribution', post(body))
  expect(response.status).toBe(422)
  expect((await json(response)).error).toMatch(reason)
})

test('a version without a reference says so', async () => {
  const response = await fetch(`${tabular.origin}/reference`)
  expect([response.status, await response.json()]).toEqual([200, { reference: null }])
})
