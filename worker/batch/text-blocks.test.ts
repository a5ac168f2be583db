import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { textBlocks } from './text-blocks.ts'

async function* chunksOf(text: string | Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text as string)
  let from = 0
  for (let i = 0; from < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(from, from + size)
    from += size
  }
}

async function blocksOf(
  text: string | Buffer,
  { sizes = [7], rows = 3, quoted = true, delimiter = ',' } = {},
) {
  let header: string | undefined
  const blocks = []
  const csv = quoted ? { delimiter, onHeader: (bytes: Buffer) => (header = bytes.toString()) } : {}
  const settings = { path: 'in.csv', rowsPerBlock: rows, ...csv }
  for await (const block of textBlocks(chunksOf(text, sizes), settings))
    blocks.push({ ...block, bytes: block.bytes.toString() })
  return { header, blocks }
}

test('blocks of so many records, the header apart, the last with what is left', async () => {
  expect(await blocksOf('a,b\n1,2\n\n3,4\r\n5,6\n7,8')).toEqual({
    header: 'a,b\n',
    blocks: [
      { bytes: '1,2\n\n3,4\r\n5,6\n', rows: 3, firstRow: 0 },
      { bytes: '7,8', rows: 1, firstRow: 3 },
    ],
  })
})

test.each([
  ['a header alone', 'a,b\n', 'a,b\n'],
  ['a header without a line end', 'a,b', 'a,b'],
])('%s is a block without rows', async (_, text, header) => {
  expect(await blocksOf(text)).toEqual({ header, blocks: [{ bytes: '', rows: 0, firstRow: 0 }] })
})

test('a line end in quotes ends nothing, a quote within a field begins nothing', async () => {
  const { blocks } = await blocksOf('a\n"1\n""2"\n5" pipe\n7\n', { rows: 2 })
  expect(blocks.map(({ bytes }) => bytes)).toEqual(['"1\n""2"\n5" pipe\n', '7\n'])
})

test('a quote begins a value behind the delimiter that there is, and blanks are one', async () => {
  const text = 'a;b\n1;"x\ny"\n1,"2;3\n  \n'
  const { blocks } = await blocksOf(text, { rows: 1, delimiter: ';' })
  expect(blocks.map(({ bytes }) => bytes)).toEqual(['1;"x\ny"\n', '1,"2;3\n', '  \n'])
})

test.each([
  ['nothing at all', '', /expected a header/],
  ['UTF-16', Buffer.from('\ufeffa,b\n', 'utf16le'), /expected UTF-8, found UTF-16/],
  ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), /found gzip/],
])('%s is refused for good', async (_, text, message) => {
  await expect(blocksOf(text, { sizes: [1000] })).rejects.toThrow(message)
})

test('a quote that nobody closes does not swallow the memory', async () => {
  const text = `a\n"${'x'.repeat(17 * 1024 * 1024)}`
  await expect(blocksOf(text, { sizes: [1024 * 1024] })).rejects.toThrow(/row 1 is longer than 16 MiB/)
})

const cell = fc.oneof(
  fc.stringMatching(/^[a-z0-9 ]{1,6}$/),
  fc
    .string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', 'é'), maxLength: 6 })
    .map((text) => `"${text.replaceAll('"', '""')}"`),
)
const csv = fc
  .array(
    fc.array(cell, { minLength: 2, maxLength: 2 }).map((cells) => cells.join(',')),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((lines) => `h,i\n${lines.join('\n')}\n`)

test('however it is cut, it is the same records that a CSV reader finds in the whole', async () => {
  const options = { relax_quotes: true, skip_empty_lines: true } as const
  await fc.assert(
    fc.asyncProperty(
      csv,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 5 }),
      async (text, sizes, rows) => {
        const whole = (parse(text, options) as string[][]).slice(1)
        const { blocks } = await blocksOf(text, { sizes, rows })
        const records = blocks.flatMap(({ bytes }) => parse(bytes, options) as string[][])
        expect(records).toEqual(whole)
        expect(blocks.map((block) => block.rows)).toEqual(
          blocks.map(({ bytes }) => (parse(bytes, options) as string[][]).length),
        )
      },
    ),
  )
})
