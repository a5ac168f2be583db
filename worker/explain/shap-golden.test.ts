import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { expect, test } from 'vitest'
import { openExplainer } from './explainer.ts'

const MODELS = fileURLToPath(new URL('../../models', import.meta.url))
const read = (file: string) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
/** Written by test/clients/shap_oracle.py. */
const said: { churn: Record<string, { base: number; contributions: number[][] }> } = read(
  './testing/shap-golden.json',
)

async function open(version: string) {
  const { path, manifest, golden, background } = await loadModelFolder(MODELS, 'churn', version)
  const records = golden.map(({ record }) => record)
  const explainer = await openExplainer({
    ...{ path: join(path, manifest.file), manifest, probes: records },
    background: { file: 'background', records: background ?? records },
  })
  return { explainer, records }
}

test.each([
  ['1.0.0', 'linear'],
  ['1.1.0', 'tree-shap'],
  ['1.2.0', 'tree-shap'],
])('churn %s is explained as the shap package explains it: %s', async (version, method) => {
  const { explainer, records } = await open(version)
  expect(explainer.explanation).toMatchObject({ method, link: 'logit', output: 'probabilities' })
  const { base, contributions } = said.churn[version]!
  for (const [i, expected] of contributions.entries()) {
    const actual = await explainer.explain(records[i]!)
    expect(Math.abs(actual.base - base)).toBeLessThan(1e-6)
    expected.forEach((value, field) => {
      expect(Math.abs(actual.contributions[field]! - value)).toBeLessThan(1e-6)
    })
  }
})

test('every golden record adds up to what the model answers', async () => {
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    const { explainer, records } = await open(version)
    for (const record of records) expect((await explainer.explain(record)).gap).toBeLessThan(1e-6)
  }
})
