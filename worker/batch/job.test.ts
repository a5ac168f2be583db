import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { type BasicType, parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, test, vi } from 'vitest'
import { CUSTOMER } from '../testing/customer.ts'
import type { JobOptions } from './job.ts'
import { csv, jobFolder, jsonl, NAMES, rowsOf } from './testing/job-folder.ts'

/** Each job loads a model and waits for the disk. */
vi.setConfig({ testTimeout: 60_000 })

const PARQUET_TYPES: Record<string, BasicType> = { number: 'DOUBLE', string: 'STRING', boolean: 'BOOLEAN' }

const { inFolder, put, run, written, scored, rejects, hashes, isDone } = jobFolder()

describe('a file becomes parts', () => {
  test('with what was passed on, the prediction, and by what it was made', async () => {
    const summary = await run([put('in.jsonl', jsonl(rowsOf(25)))])
    expect(summary).toMatchObject({ rows: 25, rejected: 0, parts: 3, resumedParts: 0, complete: true })
    expect(written()).toEqual(['part-0000-00000.jsonl', 'part-0000-00001.jsonl', 'part-0000-00002.jsonl'])
    const rows = scored()
    expect(rows.map(({ customer_id }) => customer_id)).toEqual(
      rowsOf(25).map(({ customer_id }) => customer_id),
    )
    const [first] = rows
    expect(first).toMatchObject({
      ...{ customer_id: 'c0', prediction: expect.stringMatching(/^(stay|churn)$/) },
      ...{ model_name: 'churn', model_version: '1.0.0', prediction_id: `${summary.job}-0-1` },
    })
    expect(first!.score).toBe(first!.output_probabilities_1)
    expect(isDone()).toBe(true)
    const manifest = JSON.parse(readFileSync(join(inFolder('out'), '_manifest.json'), 'utf8'))
    expect(manifest).toMatchObject({ rows: 25, rejected: 0 })
    for (const { part, sha256 } of manifest.parts) expect(hashes()[`${part}.jsonl`]).toBe(sha256)
  })

  test('the same whatever it came as, and goes as', async () => {
    const rows = rowsOf(12)
    const columnData = ['customer_id', ...NAMES].map((name) => ({ name, data: rows.map((row) => row[name]) }))
    const inputs = {
      jsonl: put('in.jsonl', jsonl(rows)),
      csv: put('in.csv', csv(rows)),
      parquet: put(
        'in.parquet',
        new Uint8Array(
          parquetWriteBuffer({
            columnData: columnData.map((column) =>
              typeof column.data[0] === 'number' && Number.isInteger(column.data[1])
                ? { ...column, data: column.data.map((v) => BigInt(v as number)), type: 'INT64' as const }
                : { ...column, data: column.data as never },
            ),
          }),
        ),
      ),
    }
    const scores: Record<string, unknown[]> = {}
    for (const [name, input] of Object.entries(inputs)) {
      await run([input], { format: 'jsonl', out: inFolder('out') })
      scores[name] = scored().map(({ score }) => score)
      rmSync(inFolder('out'), { recursive: true })
    }
    expect(scores.csv).toEqual(scores.jsonl)
    expect(scores.parquet).toEqual(scores.jsonl)
    await run([inputs.csv], { format: 'parquet' })
    const file = await asyncBufferFromFile(join(inFolder('out'), 'part-0000-00000.parquet'))
    const read = await parquetReadObjects({ file, compressors })
    expect(read.map(({ score }) => score)).toEqual(scores.jsonl!.slice(0, 10))
    expect(read[3]).toMatchObject({ customer_id: 'c3', tenure_months: 3n, paperless_billing: true })
  })

  test('what is passed on from Parquet is what it was: large ids, and doubles where the contract has floats', async () => {
    const column = (name: string, type: BasicType, data: unknown[]) => ({ name, type, data })
    const ids = [2n ** 62n + 1n, -7n, null]
    const input = Buffer.from(
      parquetWriteBuffer({
        columnData: [
          column('customer_id', 'INT64', ids),
          ...Object.entries({ ...CUSTOMER, monthly_charges: 74.951 }).map(([name, value]) =>
            column(name, PARQUET_TYPES[typeof value]!, [value, value, value]),
          ),
        ],
      }),
    )
    expect(await run([put('in.parquet', input)])).toMatchObject({ rows: 3, rejected: 0 })
    const [part] = written('.parquet')
    const file = await asyncBufferFromFile(join(inFolder('out'), part!))
    const read = await parquetReadObjects({ file, compressors })
    expect(read.map(({ customer_id, monthly_charges }) => [customer_id ?? null, monthly_charges])).toEqual(
      ids.map((id) => [id, 74.951]),
    )
  })

  test('an int64 of the contract that no number holds is rejected, and told as it was', async () => {
    const input = Buffer.from(
      parquetWriteBuffer({
        columnData: Object.entries(CUSTOMER).map(([name, value]) =>
          name === 'tenure_months'
            ? { name, type: 'INT64' as const, data: [2n ** 62n + 1n] }
            : { name, type: PARQUET_TYPES[typeof value]!, data: [value] },
        ),
      }),
    )
    expect(await run([put('in.parquet', input)])).toMatchObject({ rows: 1, rejected: 1 })
    expect(rejects()).toMatchObject([
      { problems: [{ field: 'tenure_months' }], raw: { tenure_months: '4611686018427387905' } },
    ])
  })

  test('of several files, in their order; only the columns that are named', async () => {
    put('b.csv', csv(rowsOf(3)))
    put('a.csv', csv(rowsOf(2)))
    await run([inFolder('*.csv')], { format: 'jsonl', keys: ['customer_id'] })
    expect(written()).toEqual(['part-0000-00000.jsonl', 'part-0001-00000.jsonl'])
    expect(scored()).toHaveLength(5)
    expect(Object.keys(scored()[0]!).slice(0, 2)).toEqual(['customer_id', 'prediction'])
  })

  test('with what each field contributed, which adds up', async () => {
    await run([put('in.jsonl', jsonl(rowsOf(4)))], { explain: 'own', version: '1.1.0' })
    for (const row of scored()) {
      const shares = Object.entries(row).filter(([name]) => name.startsWith('shap_'))
      expect(shares).toHaveLength(NAMES.length)
      const logit = shares.reduce((sum, [, share]) => sum + (share as number), row.base_value as number)
      expect(1 / (1 + Math.exp(-logit))).toBeCloseTo(row.score as number, 4)
    }
  })

  test('or what it did in the units of the output, where nobody waits for it', async () => {
    await run([put('in.jsonl', jsonl(rowsOf(2)))], { explain: 'interventional', version: '1.1.0' })
    for (const row of scored()) {
      const shares = Object.entries(row).filter(([name]) => name.startsWith('shap_'))
      const sum = shares.reduce((total, [, share]) => total + (share as number), row.base_value as number)
      expect(sum).toBeCloseTo(row.score as number, 4)
    }
  })

  test.each<[string, (text: string) => string | Uint8Array, string?]>([
    ['packed.csv.gz', (text) => gzipSync(text)],
    [
      'two-members.csv.gz',
      (text) => Buffer.concat([gzipSync(text.slice(0, 500)), gzipSync(text.slice(500))]),
    ],
    ['packed.ndjson.gz', () => gzipSync(`\ufeff${jsonl(rowsOf(23))}`)],
    ['semicolons.csv', (text) => text.replaceAll(',', ';'), ';'],
    ['tabs.csv.gz', (text) => gzipSync(text.replaceAll(',', '\t')), '\t'],
  ])('packed, or with another delimiter, as if it were not: %s', async (name, written, delimiter) => {
    const text = csv(rowsOf(23))
    const scores = async (input: string, changes: Partial<JobOptions> = {}) => {
      await run([input], { format: 'jsonl', keys: ['customer_id'], ...changes })
      const found = scored().map(({ customer_id, score }) => [customer_id, score])
      rmSync(inFolder('out'), { recursive: true })
      return found
    }
    const plain = await scores(put('in.csv', text))
    expect(plain).toHaveLength(23)
    expect(await scores(put(name, written(text)), { delimiter })).toEqual(plain)
  })

  test('from standard input', async () => {
    async function* stdin() {
      yield Buffer.from(csv(rowsOf(11)).slice(0, 40))
      yield Buffer.from(csv(rowsOf(11)).slice(40))
    }
    expect(await run(['-'], { inputFormat: 'csv', format: 'jsonl', stdin: stdin() })).toMatchObject({
      rows: 11,
    })
    expect(scored()).toHaveLength(11)
  })

  test.each([
    ['csv', csv([])],
    ['jsonl', ''],
  ])('without rows: a part without rows (%s)', async (ending, content) => {
    expect(await run([put(`in.${ending}`, content)])).toMatchObject({ rows: 0, parts: 1, complete: true })
    expect(written()).toEqual([`part-0000-00000.${ending}`])
  })

  test('with a byte order mark, CR LF and an extra column', async () => {
    const text = csv(rowsOf(3), ['customer_id', ...NAMES]).replaceAll('\n', '\r\n')
    await run([put('in.csv', `\ufeff${text}`)], { format: 'jsonl' })
    expect(scored().map(({ customer_id }) => customer_id)).toEqual(['c0', 'c1', 'c2'])
  })
})

describe('a row that breaks the contract', () => {
  test('is told with its number and everything that is wrong, and hurts no other', async () => {
    const rows = rowsOf(15)
    rows[12] = { ...rows[12], tenure_months: 500, contract: 'weekly' }
    const input = put('in.csv', csv(rows))
    expect(await run([input], { format: 'jsonl' })).toMatchObject({ rows: 15, rejected: 1, complete: true })
    expect(scored()).toHaveLength(14)
    expect(rejects()).toEqual([
      {
        file: input,
        row_number: 13,
        problems: [
          { field: 'tenure_months', type: 'out_of_range', message: expect.stringContaining('120') },
          { field: 'contract', type: 'not_in_enum', message: expect.stringContaining('one-year') },
        ],
        raw: expect.objectContaining({ customer_id: 'c12', tenure_months: 500, contract: 'weekly' }),
      },
    ])
  })

  test.each([
    ['no JSON', '{"tenure_months": \n', 'unreadable', /^not JSON/],
    ['no object', '[1]\n', 'unreadable', /expected a JSON object/],
    ['text for a number', jsonl([{ ...CUSTOMER, support_calls: '2' }]), 'wrong_type', /support_calls/],
    [
      'a fraction for a whole number',
      jsonl([{ ...CUSTOMER, support_calls: 2.5 }]),
      'wrong_type',
      /support_calls/,
    ],
    ['a field too few', jsonl([{ ...CUSTOMER, contract: undefined }]), 'missing', /contract/],
  ])('%s', async (_, line, type, message) => {
    await run([put('in.jsonl', jsonl(rowsOf(2)) + line)])
    expect(rejects()).toMatchObject([
      { row_number: 3, problems: [{ type, message: expect.stringMatching(message) }] },
    ])
  })

  test('a line of another length, or of bytes that are no UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${csv(rowsOf(1))}1,2\n`),
      Buffer.from(csv(rowsOf(2)).split('\n')[2]!),
      Buffer.from([0x0a]),
    ])
    bytes[bytes.length - 30] = 0xff
    await run([put('in.csv', bytes)], { format: 'jsonl' })
    expect(rejects().map(({ row_number }) => row_number)).toEqual([2, 3])
  })

  test('a quote that nothing closes ends the job for good, with the file and the row', async () => {
    const lines = csv(rowsOf(25)).split('\n')
    lines[15] = `c14,"${lines[15]}`
    const failed = run([put('in.csv', lines.join('\n'))])
    await expect(failed).rejects.toMatchObject({
      message: expect.stringMatching(/in\.csv: row 15 opens a quote that nothing closes$/),
      permanent: true,
    })
  })

  test('too many of them fail the job, and what was scored stays', async () => {
    const input = put('in.jsonl', jsonl([...rowsOf(8), {}, {}]))
    await expect(run([input], { maxErrorRate: 0.1 })).rejects.toThrow(
      '2 of 10 rows were rejected, more than --max-error-rate 0.1',
    )
    expect(isDone()).toBe(false)
    expect(scored()).toHaveLength(8)
  })
})

describe('what can never be is refused before the first row, and for good', () => {
  const names = ['customer_id', ...NAMES]
  test.each([
    [
      'a column that is missing',
      () =>
        put(
          'in.csv',
          csv(
            rowsOf(1),
            names.filter((n) => n !== 'contract'),
          ),
        ),
      /expected the column "contract"/,
    ],
    [
      'a column that is misspelt',
      () =>
        put(
          'in.csv',
          csv(
            rowsOf(1),
            names.map((n) => (n === 'contract' ? 'contrct' : n)),
          ),
        ),
      /"contract", did you mean "contrct"\?/,
    ],
    [
      'a column twice',
      () => put('in.csv', csv([], [...names, 'contract'])),
      /two columns are called "contract"/,
    ],
    [
      'a column with a name of ours',
      () => put('in.csv', csv([], [...names, 'score'])),
      /a column "score", which is one that the output adds/,
    ],
    ['an empty file', () => put('in.csv', ''), /expected the columns/],
    [
      'another separator',
      () => put('in.csv', csv([]).replaceAll(',', ';')),
      /separated by commas, .*--delimiter/,
    ],
    ['a packed Parquet', () => put('in.parquet.gz', gzipSync('PAR1')), /read from its end/],
    [
      'a packed file that is none',
      () => put('in.csv.gz', csv([])),
      /expected a whole gzip file, found incorrect header/,
    ],
    [
      'a packed file that was cut off',
      () => put('in.jsonl.gz', gzipSync(jsonl(rowsOf(50))).subarray(0, 200)),
      /expected a whole gzip file, found unexpected end/,
    ],
    ['a file that is no Parquet', () => put('in.parquet', 'PAR0'), /not a Parquet file/],
    ['no file', () => inFolder('nowhere*.csv'), /expected a file, a folder or a pattern/],
    ['a name without a format', () => put('in.txt', ''), /--in-format/],
  ])('%s', async (_, input, message) => {
    const failed = run([input()])
    await expect(failed).rejects.toThrow(message)
    await expect(failed).rejects.toMatchObject({ permanent: true })
  })

  test('a version that there is not', async () => {
    await expect(run([put('in.csv', csv([]))], { version: '9.9.9' })).rejects.toMatchObject({
      permanent: true,
    })
  })
})
