import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPredictionLog } from './prediction-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const event = (data: Record<string, unknown> = {}, time = '2026-11-26T10:00:00.000Z') =>
  JSON.stringify({
    ...{ specversion: '1.0', id: '1', source: '/coalmine', type: 'coalmine.prediction.v1', time },
    data: {
      ...{ model: 'churn', version: '1.0.0', arm: 'stable', rollout: 1, weight_bp: 500, baseline_bp: 0 },
      ...{ outcome: 'ok', latency_ms: 2.5, score: 0.3, class: 0, status: 200 },
      ...data,
    },
  })
const put = (name: string, text: string | Buffer) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('the files of a folder, packed ones too, in order of time', async () => {
  put('b.jsonl', `${event({ outcome: 'timeout' }, '2026-11-26T10:00:02.000Z')}\n`)
  put('a.jsonl.gz', gzipSync(`${event({ arm: 'canary', version: '1.1.0' }, '2026-11-26T10:00:01.000Z')}\n`))
  put('notes.txt', 'nothing')
  const { requests } = await readPredictionLog([folder])
  expect(requests).toEqual([
    {
      ...{ timeMs: Date.parse('2026-11-26T10:00:01.000Z'), model: 'churn', version: '1.1.0', arm: 'canary' },
      ...{ weightBp: 500, baselineBp: 0, outcome: 'good', elapsedMs: 2.5, score: 0.3, class: 0 },
    },
    expect.objectContaining({ arm: 'stable', outcome: 'failed' }),
  ])
})

test('a last line that was cut off is left out and counted, pinned predictions say nothing', async () => {
  const file = put('a.jsonl', `${event()}\n${event({ arm: 'pinned' })}\n${event().slice(0, 50)}`)
  expect(await readPredictionLog([file])).toMatchObject({ requests: [{}], cutOff: 1, leftOut: 1 })
})

test.each([
  [
    'a broken line in the middle',
    `${event().slice(0, 9)}\n${event()}\n`,
    /a\.jsonl:1: expected a CloudEvent in JSON/,
  ],
  [
    'another event',
    `{"type":"other"}\n${event()}\n`,
    /a\.jsonl:1: type: expected "coalmine.prediction.v1", found other/,
  ],
  ['no time', `${event({}, 'soon')}\n`, /a\.jsonl:1: time: expected an instant in ISO 8601, found soon/],
  [
    'no share',
    `${event({ weight_bp: null })}\n`,
    /a\.jsonl:1: data\.weight_bp: expected basis points, found null/,
  ],
  ['nothing that says anything', `${event({ arm: 'pinned' })}\n`, /no prediction that says anything/],
  ['two models', `${event()}\n${event({ model: 'digits' })}\n`, /of churn, digits: say which by --model/],
])('%s is told by file and line', async (_, text, message) => {
  await expect(readPredictionLog([put('a.jsonl', text)])).rejects.toThrow(message)
})

test('one of several models', async () => {
  const file = put('a.jsonl', `${event()}\n${event({ model: 'digits' })}\n`)
  expect((await readPredictionLog([file], 'digits')).requests).toMatchObject([{ model: 'digits' }])
})
