import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { csv, jobFolder, jsonl, rowsOf } from './testing/job-folder.ts'

/** Each job loads a model and waits for the disk. */
vi.setConfig({ testTimeout: 60_000 })

const { inFolder, put, run, scored, hashes, isDone } = jobFolder()

describe('a job that was interrupted', () => {
  test.each([
    ['plain', () => put('in.csv', csv(rowsOf(45)))],
    ['packed', () => put('in.csv.gz', gzipSync(csv(rowsOf(45))))],
  ])('goes on with what is not done, and ends as if it had not been: %s', async (_, write) => {
    const input = write()
    await run([input], { format: 'jsonl' })
    const whole = hashes()
    const out = inFolder('out')
    // As a machine leaves it that ends at the worst moment: parts without a line, half a line, half a part.
    const checkpoint = join(out, '_checkpoint.jsonl')
    const lines = readFileSync(checkpoint, 'utf8').trim().split('\n')
    writeFileSync(checkpoint, `${lines.slice(0, 3).join('\n')}\n${lines[3]!.slice(0, 20)}`)
    truncateSync(join(out, 'part-0000-00001.jsonl'), 10)
    rmSync(join(out, 'part-0000-00004.jsonl'))
    rmSync(join(out, '_SUCCESS'))
    expect(await run([input], { format: 'jsonl', resume: true })).toMatchObject({
      ...{ rows: 45, parts: 5, resumedParts: 2, complete: true },
    })
    expect(hashes()).toEqual(whole)
    expect(await run([input], { format: 'jsonl', resume: true })).toMatchObject({ resumedParts: 5 })
  })

  test('is not begun anew over it, nor gone on with by another input', async () => {
    const input = put('in.csv', csv(rowsOf(5)))
    await run([input])
    await expect(run([input])).rejects.toThrow(/there is a job already; go on with it by --resume/)
    put('in.csv', csv(rowsOf(6)))
    await expect(run([input], { resume: true })).rejects.toThrow(/another job is there: its input was/)
    await expect(run([input], { resume: true, explain: 'own' })).rejects.toThrow(/another job is there/)
    const other = { resume: true, delimiter: ';', out: inFolder('other') }
    await run([put('semicolons.csv', csv(rowsOf(5)).replaceAll(',', ';'))], other)
    put('semicolons.csv', csv(rowsOf(5)).replaceAll(',', '|'))
    await expect(run([inFolder('semicolons.csv')], { ...other, delimiter: '|' })).rejects.toThrow(
      /another job is there: its input was/,
    )
    await expect(run([put('in.jsonl', '')], { delimiter: ';' })).rejects.toThrow(
      /expected a CSV among the input/,
    )
  })

  test('--resume begins where nothing is there: what starts a job again and again need not know', async () => {
    expect(await run([put('in.csv', csv(rowsOf(5)))], { resume: true })).toMatchObject({ complete: true })
  })
})

test('shards share a job, and the last one says that it is done', async () => {
  const input = put('in.jsonl', jsonl(rowsOf(45)))
  const shard = (index: number) => run([input], { shard: { index, count: 2 }, resume: true })
  expect(await shard(1)).toMatchObject({ parts: 2, complete: false })
  expect(isDone()).toBe(false)
  expect(await shard(0)).toMatchObject({ parts: 3, complete: true })
  expect(scored()).toHaveLength(45)
  expect(new Set(scored().map(({ prediction_id }) => prediction_id)).size).toBe(45)
})
