import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column } from './column.ts'
import { Scorer } from './scored-part.ts'

const WORDS = ['a', 'b', 'c']
/** What the model does for a row by its amount: it answers NaN, and fails with every row of the run. */
const [GIVES_NAN, FAILS] = [7, 13]

const manifest: Pick<Manifest, 'inputs' | 'outputs'> = {
  inputs: [
    { name: 'amount', type: 'float32', min: 0, max: 20 },
    { name: 'word', type: 'string', enum: WORDS },
  ],
  outputs: [
    { name: 'pair', type: 'float32', shape: [2] },
    { name: 'text', type: 'string' },
  ],
}

async function run([amount, word]: readonly EncodedTensor[]): Promise<TensorData[]> {
  const [amounts, words] = [amount!.data as Float32Array, word!.data as string[]]
  if (amounts.includes(FAILS)) throw new Error('no such row')
  return [
    Float32Array.from(Array.from(amounts).flatMap((x) => [x, x === GIVES_NAN ? Number.NaN : 2 * x])),
    words.map((one, i) => `${one}${amounts[i]}`),
  ]
}

test('rows come out in their order, whatever order they are scored in and whichever of them fail', async () => {
  const row = fc.record({
    amount: fc.constantFrom(0, 1, 2, 3.5, GIVES_NAN, FAILS, 19, 21),
    word: fc.constantFrom(0, 1, 2),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (rows, perRun) => {
        const columns = new Map<string, Column>([
          [
            'amount',
            { kind: 'numbers', numbers: Float32Array.from(rows, (r) => r.amount), isThere: undefined },
          ],
          ['word', { kind: 'words', words: WORDS, places: Uint32Array.from(rows, (r) => r.word) }],
        ])
        const scorer = new Scorer({ manifest, engine: { run }, rowsPerRun: perRun })
        const part = await scorer.score({ rows: rows.length, columns, broken: new Map() })
        const good = [...rows.keys()].filter((i) => ![GIVES_NAN, FAILS, 21].includes(rows[i]!.amount))
        expect([...part.kept]).toEqual(good)
        expect([...(part.outputs[0] as Float32Array)]).toEqual(
          good.flatMap((i) => [rows[i]!.amount, 2 * rows[i]!.amount]),
        )
        expect(part.outputs[1]).toEqual(good.map((i) => `${WORDS[rows[i]!.word]}${rows[i]!.amount}`))
        const why = part.rejects.map(({ row, problems }) => [row, problems[0]!.msg])
        const expected = [...rows.entries()].flatMap(([i, { amount }]) => {
          if (amount === GIVES_NAN) return [[i, 'an output is NaN']]
          if (amount === FAILS) return [[i, 'the model fails for it']]
          return amount === 21 ? [[i, expect.stringContaining('20')]] : []
        })
        expect(why).toEqual(expected)
      },
    ),
  )
})
