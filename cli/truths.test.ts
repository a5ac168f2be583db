import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CommandError } from './exit-code.ts'
import type { LoggedRequest } from './prediction-log.ts'
import { readTruths, withTruths } from './truths.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-truths-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const AT_MS = Date.parse('2026-11-26T10:00:00Z')
const request = (changes: Partial<LoggedRequest> = {}): LoggedRequest => ({
  ...{ timeMs: AT_MS, model: 'churn', version: '1.1.0', arm: 'canary', weightBp: 500, baselineBp: 0 },
  ...{ outcome: 'good', elapsedMs: 2, score: 0.8, class: 1, answeredBy: '1.1.0', predictionId: 'a' },
  ...changes,
})
const LABELS = ['stay', 'churn']

test('JSON lines and CSV say the same, and of an id that comes again the first truth counts', async () => {
  const lines = put(
    'a.jsonl',
    '{"prediction_id":"a","truth":1}\n\n{"prediction_id":"b","truth":"stay","observed_at":"2026-11-26T10:00:05Z"}\n{"prediction_id":"a","truth":0}\n',
  )
  const csv = put('a.csv', 'prediction_id,observed_at,truth\na,,1\nb,2026-11-26T10:00:05Z,"stay"\na,,0\n')
  const read = await readTruths([lines])
  expect([...read.truths]).toEqual([
    ['a', expect.objectContaining({ truth: 1 })],
    ['b', expect.objectContaining({ truth: 'stay', observedMs: AT_MS + 5_000 })],
  ])
  expect(read.repeated).toBe(1)
  expect(await readTruths([csv])).toEqual(read)
  expect((await readTruths([lines, csv])).repeated).toBe(4)
})

test('an answer is judged by its class, its score and when the truth was seen', async () => {
  const file = put(
    'a.jsonl',
    '{"prediction_id":"a","truth":"churn"}\n{"prediction_id":"b","truth":0,"observed_at":"2026-11-26T10:00:05Z"}',
  )
  const read = await readTruths([file])
  const truthOf = (one: LoggedRequest, labels = LABELS) => withTruths([one], read, labels)[0]!.truth
  expect(truthOf(request())).toEqual({
    ...{ knownMs: AT_MS, wrong: false, class: 'churn' },
    brier: expect.closeTo(0.04, 9),
    logLoss: expect.closeTo(Math.log(0.8) / Math.log(0.01), 9),
  })
  expect(truthOf(request({ predictionId: 'b' }))).toEqual({
    ...{ knownMs: AT_MS + 5_000, wrong: true, class: 'stay' },
    brier: expect.closeTo(0.64, 9),
    logLoss: expect.closeTo(Math.log(0.2) / Math.log(0.01), 9),
  })
  expect(truthOf(request({ predictionId: 'b' }), [])).not.toHaveProperty('class')
})

test.each<[string, Partial<LoggedRequest>]>([
  ['of another id', { predictionId: 'z' }],
  ['that stable answered in its place', { answeredBy: '1.0.0' }],
  ['without an answer', { answeredBy: undefined as never }],
])('a request %s has no truth', async (_, changes) => {
  const read = await readTruths([put('a.jsonl', '{"prediction_id":"a","truth":1}')])
  expect(withTruths([request(changes)], read, LABELS)[0]).not.toHaveProperty('truth')
})

test.each([
  ['a.jsonl', '{"prediction_id":"a"}', /a\.jsonl:1: truth: expected the true label, found nothing/],
  ['a.jsonl', '{"prediction_id":"a","truth":1}\n{"half"', /a\.jsonl:2: the body is no JSON/],
  [
    'a.jsonl',
    '[{"prediction_id":"a","truth":1},{"prediction_id":"b","truth":1}]',
    /a\.jsonl:1: expected one truth/,
  ],
  ['a.csv', 'id,truth\na,1\n', /a\.csv:1: expected the columns prediction_id, truth .* found id, truth/],
  ['a.csv', 'prediction_id,truth\na,1\nb\n', /a\.csv:3: expected 2 fields/],
  ['a.csv', 'prediction_id,truth,observed_at\na,1,soon\n', /a\.csv:2: observed_at: expected an instant/],
])('%s: %s is told by file and line', async (name, text, message) => {
  await expect(readTruths([put(name, text)])).rejects.toThrow(message)
})

test('a truth that is no class is refused, with what would be', async () => {
  const read = await readTruths([put('a.jsonl', '{"prediction_id":"a","truth":"gone"}')])
  expect(() => withTruths([request()], read, LABELS)).toThrow(
    'truth: expected an index from 0 to 1 or one of stay, churn, found "gone"',
  )
  expect(() => withTruths([request()], read, [])).toThrow('or --labels, which names the classes')
})

test.each([
  ['other separators', 'prediction_id;truth\na;1\n', /a\.csv: expected columns separated by commas/],
  ['a quote that nothing closes', 'prediction_id,truth\na,1\nb,"2\n', /a\.csv: row 2 opens a quote/],
])('CSV with %s is refused with its name', async (_, text, message) => {
  const failed = readTruths([put('a.csv', text)])
  await expect(failed).rejects.toThrow(message)
  await expect(failed).rejects.toBeInstanceOf(CommandError)
})
