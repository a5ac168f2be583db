import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drawRecords } from '../../bench/load/records.ts'
import { Gateway, ROOT, until } from './gateway-process.ts'

const ROWS = 10_000

type Row = Record<string, unknown>
const folder = mkdtempSync(join(tmpdir(), 'coalmine-batch-'))
const input = join(folder, 'in.jsonl')
let records: Row[]

beforeAll(async () => {
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), 'churn', '1.1.0')
  records = drawRecords(manifest, ROWS, 7)
  writeFileSync(input, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function batch(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(ROOT, 'cli/main.ts'), 'batch', 'predict', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => (stdout += text))
  child.stderr.on('data', (text) => (stderr += text))
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }))
  return { child, ended }
}
const out = (name: string) => join(folder, name)
const job = (version: string, to: string, ...more: string[]) => [
  ...['--model', 'churn', '--version', version, '--in', input, '--out', out(to)],
  ...more,
]
function scored(name: string): Row[] {
  return readdirSync(out(name))
    .filter((file) => file.startsWith('part-'))
    .toSorted()
    .flatMap((file) =>
      readFileSync(join(out(name), file), 'utf8')
        .trim()
        .split('\n'),
    )
    .map((line) => JSON.parse(line))
}

describe('the nightly file and the endpoint', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await Gateway.start({
      models: '  churn: { initial: 1.1.0, runtime: process }',
    })
  })
  afterAll(() => gateway?.dispose())

  /** Many at once and of many sizes, as they share runs with others then. */
  async function answered(version: string): Promise<Row[]> {
    const answers: Row[] = new Array(ROWS)
    const url = `http://127.0.0.1:${gateway.ports.data}/v1/models/churn/versions/${version}:predict`
    const requests: { first: number; rows: number }[] = []
    for (let first = 0, rows = 1; first < ROWS; first += rows, rows = (rows % 37) + 1)
      requests.push({ first, rows: Math.min(rows, ROWS - first) })
    const ask = async () => {
      for (let next = requests.pop(); next !== undefined; next = requests.pop()) {
        const { first, rows } = next
        const body = JSON.stringify({ instances: records.slice(first, first + rows) })
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
        expect(response.status).toBe(200)
        const { predictions } = (await response.json()) as { predictions: Row[] }
        for (const [i, prediction] of predictions.entries()) answers[first + i] = prediction
      }
    }
    await Promise.all(Array.from({ length: 16 }, ask))
    return answers
  }

  test('give the same answer to the same record, to the bit', async () => {
    const online = await answered('1.1.0')
    expect((await batch(job('1.1.0', 'parity', '--part-rows', '1500')).ended).code).toBe(0)
    const offline = scored('parity')
    expect(offline).toHaveLength(ROWS)
    const differing = online.flatMap(({ label, probabilities }, i) => {
      const row = offline[i]!
      const there = [row.output_label, row.output_probabilities_0, row.output_probabilities_1]
      const here = [label, ...(probabilities as number[])]
      return here.every((value, e) => Object.is(value, there[e])) ? [] : [{ i, here, there }]
    })
    expect(differing).toEqual([])
  })
})

test('a job that is killed three times ends with every row once', async () => {
  const flags = ['--part-rows', '250', '--concurrency', '2']
  const checkpoint = join(out('killed'), '_checkpoint.jsonl')
  const parts = () =>
    existsSync(checkpoint)
      ? readFileSync(checkpoint, 'utf8')
          .split('\n')
          .filter((line) => line.endsWith('}')).length
      : 0
  for (const kill of [1, 2, 3]) {
    const before = parts()
    const { child, ended } = batch(job('1.1.0', 'killed', ...flags, '--resume'))
    await until(async () => parts() >= before + 3)
    child.kill('SIGKILL')
    expect([kill, (await ended).signal]).toEqual([kill, 'SIGKILL'])
    expect(existsSync(join(out('killed'), '_SUCCESS'))).toBe(false)
  }
  const { code, stdout } = await batch(job('1.1.0', 'killed', ...flags, '--resume')).ended
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/10,000 rows scored into 40 parts .* of them before/),
  ])
  expect((await batch(job('1.1.0', 'whole', ...flags)).ended).code).toBe(0)
  const without = (rows: Row[]) => rows.map(({ predicted_at: _, ...row }) => row)
  expect(without(scored('killed'))).toEqual(without(scored('whole')))
  expect(existsSync(join(out('killed'), '_SUCCESS'))).toBe(true)
})

describe('what a scheduler learns', () => {
  test('2: done, and some rows were rejected', async () => {
    const some = join(folder, 'some.jsonl')
    writeFileSync(some, `${JSON.stringify(records[0])}\n{}\n`)
    const metrics = join(folder, 'batch.prom')
    const flags = ['--model', 'churn', '--version', '1.1.0', '--in', some, '--out', out('some')]
    const { code, stdout } = await batch([...flags, '--metrics-file', metrics]).ended
    expect([code, stdout]).toEqual([2, expect.stringContaining('1 rows were rejected')])
    expect(readFileSync(metrics, 'utf8')).toMatch(
      /coalmine_batch_rejected_rows\{model="churn",version="1.1.0"\} 1/,
    )
    expect(readFileSync(metrics, 'utf8')).toMatch(/coalmine_batch_complete\{.*\} 1/)
    // A scheduler that knows success and failure alone is told which one this is.
    expect((await batch([...flags, '--resume', '--accept-rejects']).ended).code).toBe(0)
  })

  test('1: too many were', async () => {
    const bad = join(folder, 'bad.jsonl')
    writeFileSync(bad, '{}\n')
    const { code } = await batch([
      ...[
        '--model',
        'churn',
        '--version',
        '1.1.0',
        '--in',
        bad,
        '--out',
        out('bad'),
        '--max-error-rate',
        '0.5',
      ],
    ]).ended
    expect(code).toBe(1)
  })

  test.each([
    ['a version that is not there', job('9.9.9', 'never'), {}, /9\.9\.9/],
    [
      'a delimiter that values have',
      job('1.1.0', 'never', '--delimiter', '.'),
      {},
      /'--delimiter <character>' argument '\.' is invalid. expected one of/,
    ],
    ['a flag that is none', job('1.1.0', 'never', '--parts', '3'), {}, /unknown option '--parts'/],
    [
      'a task that does not know of how many',
      job('1.1.0', 'never'),
      { JOB_COMPLETION_INDEX: '1' },
      /--shard-count/,
    ],
  ])('42, not to try again: %s', async (_, args, env, message) => {
    const { code, stderr } = await batch(args, env).ended
    expect([code, stderr]).toEqual([42, expect.stringMatching(message)])
  })

  test('its share, by the environment of an indexed job', async () => {
    const flags = job('1.1.0', 'indexed', '--part-rows', '2500', '--shard-count', '2')
    for (const index of ['0', '1'])
      expect((await batch(flags, { JOB_COMPLETION_INDEX: index }).ended).code).toBe(0)
    expect(scored('indexed')).toHaveLength(ROWS)
    expect(existsSync(join(out('indexed'), '_SUCCESS'))).toBe(true)
  })
})
