import type { EncodedTensor } from '@coalmine/contract/tensor.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Batcher, type BatcherSettings, type Job, type JobFailure } from './batcher.ts'

const POISON = -1

const column = (values: number[]): EncodedTensor => ({
  name: 'x',
  type: 'float32',
  datatype: 'FP32',
  shape: [values.length, 1],
  data: Float32Array.from(values),
})

type Result = { values: number[] } | { failed: JobFailure }
type Asked = Job & { result: Promise<Result>; values: number[] }

function ask(values: number[], as: 'records' | 'tensors', more: Partial<Job> = {}): Asked {
  const { promise, resolve } = Promise.withResolvers<Result>()
  return {
    rows: values.length,
    records: as === 'records' ? values.map((x) => ({ x })) : undefined,
    tensors: as === 'tensors' ? [column(values)] : undefined,
    deadlineMs: Infinity,
    gone: () => false,
    answered: ([data], first) =>
      resolve({ values: [...(data as Float32Array).slice(first, first + values.length)] }),
    failed: (reason) => resolve({ failed: reason }),
    result: promise,
    values,
    ...more,
  }
}

/** An engine that doubles, fails on POISON, and takes as many turns of the event loop as `turns` says. */
function doubling(more: Partial<BatcherSettings> & { turns?: () => number } = {}) {
  const runs: number[][] = []
  const batcher = new Batcher({
    async run([input]) {
      const values = [...(input!.data as Float32Array)]
      runs.push(values)
      for (let turn = more.turns?.() ?? 1; turn > 0; turn--) await new Promise(setImmediate)
      if (values.includes(POISON)) throw new Error('poison')
      return [Float32Array.from(values, (value) => value * 2)]
    },
    encode: (records) => [column(records.map(({ x }) => x as number))],
    outputElements: [1],
    rowsPerRun: 4,
    waitingMax: 1000,
    isWatched: false,
    nowMs: () => 0,
    onRun: () => {},
    onAnswered: () => {},
    onModelError: () => {},
    ...more,
  })
  return { batcher, runs }
}

const doubled = (values: number[]) => ({ values: values.map((value) => value * 2) })

describe('a batcher', () => {
  test('runs together what arrives in one turn of the event loop', async () => {
    const { batcher, runs } = doubling()
    const jobs = [ask([1], 'records'), ask([2], 'records'), ask([3], 'tensors')]
    for (const job of jobs) batcher.submit(job)
    expect(await Promise.all(jobs.map((job) => job.result))).toEqual(jobs.map((job) => doubled(job.values)))
    expect(runs).toEqual([[1, 2, 3]])
  })

  test('gathers during a run and never exceeds the rows of a run', async () => {
    const { batcher, runs } = doubling({ turns: () => 3 })
    const first = ask([1], 'records')
    batcher.submit(first)
    await new Promise(setImmediate)
    const later = [ask([2, 3], 'records'), ask([4], 'tensors'), ask([5, 6], 'records')]
    for (const job of later) batcher.submit(job)
    await Promise.all([first, ...later].map((job) => job.result))
    expect(runs).toEqual([[1], [2, 3, 4], [5, 6]])
  })

  test('splits a request with more rows than a run holds, and lets others in between', async () => {
    const { batcher, runs } = doubling()
    const big = ask([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'tensors')
    const small = ask([11], 'records')
    batcher.submit(big)
    batcher.submit(small)
    expect(await big.result).toEqual(doubled(big.values))
    expect(await small.result).toEqual(doubled([11]))
    expect(runs).toEqual([[1, 2, 3, 4], [11], [5, 6, 7, 8], [9, 10]])
  })

  test('fails only the request that the model fails on', async () => {
    const { batcher } = doubling()
    const jobs = [ask([1], 'records'), ask([POISON], 'records'), ask([3, 4], 'tensors')]
    for (const job of jobs) batcher.submit(job)
    expect(await Promise.all(jobs.map((job) => job.result))).toEqual([
      doubled([1]),
      { failed: 'model error' },
      doubled([3, 4]),
    ])
  })

  test('refuses a model that answers fewer rows than it was given', async () => {
    const { batcher } = doubling({ run: async () => [new Float32Array(1)] })
    const jobs = [ask([1], 'records'), ask([2, 3], 'records')]
    for (const job of jobs) batcher.submit(job)
    const results = await Promise.all(jobs.map((job) => job.result))
    expect(results[1]).toEqual({ failed: 'model error' })
  })

  test('does not run what nobody waits for any more', async () => {
    const { batcher, runs } = doubling({ nowMs: () => 100 })
    const jobs = [
      ask([1], 'records', { gone: () => true }),
      ask([2], 'records', { deadlineMs: 100 }),
      ask([3], 'records', { deadlineMs: 101 }),
    ]
    for (const job of jobs) batcher.submit(job)
    expect(await Promise.all(jobs.map((job) => job.result))).toEqual([
      { failed: 'gone' },
      { failed: 'expired' },
      doubled([3]),
    ])
    expect(runs).toEqual([[3]])
  })

  test('takes no more than may wait', async () => {
    const { batcher } = doubling({ waitingMax: 2 })
    const jobs = [ask([1], 'records'), ask([2], 'records'), ask([3], 'records')]
    expect(jobs.map((job) => batcher.submit(job))).toEqual([true, true, false])
    await batcher.idle()
    expect(batcher.submit(ask([4], 'records'))).toBe(true)
  })

  test('survives a job whose answer throws', async () => {
    const { batcher } = doubling()
    const broken = ask([1], 'records', {
      answered: () => {
        throw new Error('broken')
      },
    })
    const next = ask([2], 'records')
    batcher.submit(broken)
    batcher.submit(next)
    expect(await broken.result).toEqual({ failed: 'model error' })
    expect(await next.result).toEqual(doubled([2]))
  })

  test('property: everybody gets exactly their own rows, whatever arrives when', async () => {
    const request = fc.record({
      values: fc.array(fc.nat(1000), { minLength: 1, maxLength: 11 }),
      as: fc.constantFrom('records' as const, 'tensors' as const),
      poisoned: fc.boolean(),
      turnsBefore: fc.nat(3),
    })
    const interleaving = fc.record({
      requests: fc.array(request, { minLength: 1, maxLength: 20 }),
      rowsPerRun: fc.integer({ min: 1, max: 9 }),
      turns: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(interleaving, async ({ requests, rowsPerRun, turns }) => {
        let run = 0
        const { batcher, runs } = doubling({ rowsPerRun, turns: () => turns[run++ % turns.length]! })
        const jobs: Asked[] = []
        for (const { values, as, poisoned, turnsBefore } of requests) {
          for (let turn = 0; turn < turnsBefore; turn++) await new Promise(setImmediate)
          const job = ask(poisoned ? [...values.slice(1), POISON] : values, as)
          jobs.push(job)
          batcher.submit(job)
        }
        for (const [i, job] of jobs.entries()) {
          expect(await job.result).toEqual(
            requests[i]!.poisoned ? { failed: 'model error' } : doubled(job.values),
          )
        }
        await batcher.idle()
        expect(runs.every((values) => values.length <= rowsPerRun)).toBe(true)
        expect(batcher.waiting).toBe(0)
      }),
      { numRuns: 150 },
    )
  })
})
