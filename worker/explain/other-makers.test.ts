import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { describe, expect, test } from 'vitest'
import { openExplainer } from './explainer.ts'

const FOLDER = new URL('testing/makers/', import.meta.url)
const pathOf = (name: string) => fileURLToPath(new URL(`${name}.onnx`, FOLDER))

type Row = (number | null)[]
/** Of the shap package: base by target, contributions by row, target and column. */
type Said = {
  gaps: boolean
  outputs: string[]
  covers: 'nodes_hitrates' | 'background'
  base: number[]
  contributions: number[][][]
}
/** Written by testing/makers/make.py. */
const said: { whole: Row[]; gaps: Row[]; cases: Record<string, Said> } = JSON.parse(
  readFileSync(new URL('said.json', FOLDER), 'utf8'),
)

/** As somebody would describe the file in model.yaml; `target` is what is explained. */
function manifestOf(outputs: readonly string[], targets: number, target: number): Manifest {
  const [label, numbers] = [outputs.length > 1 ? outputs[0] : undefined, outputs.at(-1)!]
  const labels = ['a', 'b', 'c'].slice(0, targets)
  return {
    name: 'other',
    inputs: [{ name: 'x', type: 'float32', shape: [4] }],
    outputs: [
      ...(label === undefined ? [] : [{ name: label, type: 'int64', labels }]),
      { name: numbers, type: 'float32', shape: [targets] },
    ],
    score: { output: numbers, index: target, range: [-100, 100] },
    explain: { method: 'tree-shap', background: 'background.jsonl' },
  } as unknown as Manifest
}

async function compared(
  name: string,
  { gaps, base, contributions }: Said,
  at: number,
  outputs: readonly string[],
) {
  // Of two classes the libraries have one score, that of the second.
  const isBinary = outputs.length > 1 && base.length === 1
  const manifest = manifestOf(outputs, isBinary ? 2 : base.length, isBinary ? 1 : at)
  const records = (gaps ? said.gaps : said.whole).map((x) => ({ x: x.map((one) => one ?? Number.NaN) }))
  const explainer = await openExplainer({
    ...{ path: pathOf(name), manifest, probes: records },
    background: { file: 'background.jsonl', records },
  })
  for (const [i, row] of contributions.entries()) {
    const actual = await explainer.explain(records[i]!)
    expect(Math.abs(actual.base - base[at]!)).toBeLessThan(2e-6)
    row[at]!.forEach((value, column) => {
      expect(Math.abs(actual.contributions[column]! - value)).toBeLessThan(2e-6)
    })
  }
  return explainer.explanation
}

describe.each(Object.entries(said.cases))('%s', (name, one) => {
  test.each(one.base.map((_, at) => at))('target %i is explained as shap explains it', async (at) => {
    const { method, coverSource } = await compared(name, one, at, one.outputs)
    expect([method, coverSource]).toEqual(['tree-shap', one.covers])
  })
})

const v5 = Object.entries(said.cases).filter(([name]) => existsSync(pathOf(`${name}-v5`)))
describe.each(v5)('%s as one TreeEnsemble of ai.onnx.ml 5', (name, one) => {
  test.each(one.base.map((_, at) => at))('target %i is explained as shap explains it', async (at) => {
    const { method, coverSource } = await compared(`${name}-v5`, one, at, ['y'])
    expect([method, coverSource]).toEqual(['tree-shap', 'background'])
  })
})

/** A file that differs from one of those in something; opened, it has added up on every row. */
async function openVariant(name: string, gaps: boolean, manifest: Manifest) {
  const records = (gaps ? said.gaps : said.whole).map((x) => ({ x: x.map((one) => one ?? Number.NaN) }))
  const explainer = await openExplainer({
    ...{ path: pathOf(`variant-${name}`), manifest, probes: records },
    background: { file: 'background.jsonl', records },
  })
  return { ...(await explainer.explain(records[0]!)), link: explainer.explanation.link }
}

const COLUMNS = [0, 1, 2, 3]
const expectEach = (actual: Float64Array, expected: (column: number) => number) => {
  for (const column of COLUMNS) expect(actual[column]).toBeCloseTo(expected(column), 6)
}

describe('what else a TreeEnsemble of ai.onnx.ml 5 may hold', () => {
  const forest = said.cases['sklearn-forest-3']!
  const own = (column: number) => forest.contributions[0]![1]![column]!
  const open = (name: string) => openVariant(name, false, manifestOf(['y'], 3, 1))

  test('an average is a part of the sum', async () => {
    const { base, contributions } = await open('average')
    // Four trees of three targets are twelve there.
    expect(base).toBeCloseTo(forest.base[1]! / 12, 6)
    expectEach(contributions, (column) => own(column) / 12)
  })

  test.each([
    ['softmax', 'softmax'],
    ['logistic', 'logit'],
  ])('%s is a link, numbered as ONNX Runtime does', async (name, named) => {
    const { link, base, contributions } = await open(name)
    expect(link).toBe(named)
    expect(base).toBeCloseTo(forest.base[1]!, 6)
    expectEach(contributions, own)
  })

  test('a tree that is one leaf is in the base, and in no contribution', async () => {
    const { base, contributions } = await open('stump')
    expect(base).toBeCloseTo(forest.base[1]! + 0.25, 6)
    expectEach(contributions, own)
  })

  test.each([
    ['max', 'the MAX of trees is no sum'],
    ['member', 'membership in a set'],
    ['shared', 'two branches lead to the same node or leaf'],
  ])('%s is refused with the reason', async (name, reason) => {
    await expect(open(name)).rejects.toThrow(reason)
  })
})

describe('one score for two classes', () => {
  const two = said.cases['xgboost-2']!
  const open = (name: string, index: number) => openVariant(name, true, manifestOf(two.outputs, 2, index))

  test.each([0, 1])('as it is, class %i', async (index) => {
    const { link, base, contributions } = await open('two-raw', index)
    const sign = index === 1 ? 1 : -1
    expect(link).toBe('identity')
    expect(base).toBeCloseTo(sign * two.base[0]!, 6)
    expectEach(contributions, (column) => sign * two.contributions[0]![0]![column]!)
  })

  test.each([0, 1])('of positive weights alone, behind a link and as it is, class %i', async (index) => {
    const [linked, raw] = [await open('two-positive', index), await open('two-positive-raw', index)]
    expect([linked.link, raw.link]).toEqual(['logit', 'identity'])
    expectEach(linked.contributions, (column) => raw.contributions[column]!)
    // What remains of 1 as it is, and of 0 in log-odds.
    expect(raw.base - linked.base).toBeCloseTo(index === 1 ? 0 : 1, 6)
  })
})

test('one number behind a transform that ONNX Runtime leaves out is explained as it is', async () => {
  const number = said.cases['xgboost-number']!
  const { link, contributions } = await openVariant('number-logistic', true, manifestOf(['variable'], 1, 0))
  expect(link).toBe('identity')
  expectEach(contributions, (column) => number.contributions[0]![0]![column]!)
})
