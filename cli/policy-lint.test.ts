import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lintFiles, lintFolder } from './policy-lint.ts'

const GOOD = `
steps:
  - { setWeight: 5, minDuration: 2m, proof: 0.3, requiresApproval: true }
  - { setWeight: 50, minDuration: 5m }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails: [{ metric: error_rate, tolerate: 0.1pp, margin: 1pp }, { metric: rejected_rate, tolerate: 0.1pp, margin: 2pp }]
`

let folder: string
const at = (name: string) => join(folder, name)
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coalmine-lint-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('a good file is one line: steps, guardrails, risk in words', async () => {
  await writeFile(at('churn.yaml'), GOOD)
  expect(await lintFolder(folder)).toEqual({
    good: [
      `${at('churn.yaml')}: steps 5 % for 2 min and an approval, 50 % for 5 min; guardrails error_rate, rejected_rate; at most 1 % of good versions are rolled back, 5 % of bad ones promoted`,
    ],
    problems: [],
  })
})

test('what a good policy would not notice is said, and no problem', async () => {
  await writeFile(
    at('churn.yaml'),
    GOOD.replace(', { metric: rejected_rate, tolerate: 0.1pp, margin: 2pp }', ''),
  )
  expect(await lintFolder(folder)).toMatchObject({
    good: [
      expect.stringContaining('steps'),
      expect.stringMatching(/churn\.yaml: note: no guardrail looks at rejected_rate/),
    ],
    problems: [],
  })
})

test('a problem is one line with file, line, column and path; other files are checked all the same', async () => {
  await writeFile(
    at('a.yaml'),
    GOOD.replace('setWeight: 5,', 'setWeigth: 5,').replace('margin: 1pp', 'margin: 1'),
  )
  await writeFile(at('b.yaml'), GOOD)
  const { good, problems } = await lintFolder(folder)
  expect(good).toEqual([expect.stringContaining('b.yaml: steps')])
  expect(problems).toEqual([
    `${at('a.yaml')}:3:7: steps[0].setWeigth: expected a known key (did you mean "setWeight"?), found the unknown key "setWeigth"`,
    expect.stringContaining(`${at('a.yaml')}:6:53: guardrails[0].margin: expected 0.1pp`),
  ])
})

test('named files, one of which is not there and one of which is not called right', async () => {
  await writeFile(at('a.yml'), GOOD)
  await writeFile(at('b.yaml'), GOOD)
  const { good, problems } = await lintFiles([at('a.yml'), at('b.yaml'), at('c.yaml')])
  expect(good).toHaveLength(1)
  expect(problems).toEqual([
    `${at('a.yml')}: expected a file name that ends in .yaml`,
    `${at('c.yaml')}: expected a policy, found no file`,
  ])
})

test('a folder without a policy is a problem', async () => {
  const none = { good: [], problems: [`${folder}: expected a policy (NAME.yaml), found none`] }
  expect(await lintFolder(folder)).toEqual(none)
})
