import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { drawRecords } from '../../bench/load/records.ts'
import { CUSTOMER, Gateway, ROOT, until } from './gateway-process.ts'

const MODELS = `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: none
    weight: 50
    runtime: process
    replicas: 2
    keep: [1.1.0]
  digits: { initial: 1.0.0, runtime: process }`
const EXPLAIN = '/v1/models/churn:explain'
const PINNED = '/v1/models/churn/versions/1.1.0:explain'
const DIGIT = { pixels: Array.from({ length: 64 }, (_, i) => i % 17) }

let gateway: Gateway
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-explain-'))
  gateway = await Gateway.start({ models: MODELS, processes: 2 })
  await until(async () => (await gateway.model()).split?.phase === 'split')
})
afterAll(async () => {
  await gateway?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

interface Answer {
  status: number
  headers: Record<string, string>
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
  body: any
}

/** On a connection of its own, so that the two data processes take turns. */
function call(method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port: gateway.ports.data, method, path, agent: false as const }
    const sent = request(where, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      answer.on('end', () =>
        resolve({
          status: answer.statusCode!,
          headers: answer.headers as Record<string, string>,
          body: JSON.parse(text),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const later = (path: string, instances: unknown[] = [CUSTOMER], more: object = {}) =>
  call('POST', path, { instances, mode: 'interventional', ...more })

/** Where one was taken. */
async function taken(path: string, ...rest: [unknown[]?, object?]): Promise<string> {
  const answer = await later(path, ...rest)
  expect(answer).toMatchObject({ status: 202, headers: { 'retry-after': '1' } })
  return answer.headers.location!
}

async function answered(location: string): Promise<Answer> {
  let last: Answer | undefined
  await until(
    async () => {
      last = await call('GET', location)
      return last.status !== 202
    },
    () => JSON.stringify(last),
  )
  return last!
}

test('it is what batch says of the same records, to the bit, whichever process is asked and whichever worker has it', async () => {
  const { manifest } = await loadModelFolder(join(ROOT, 'models'), 'churn', '1.1.0')
  const records = drawRecords(manifest, 4, 11)
  const [input, out] = [join(folder, 'in.jsonl'), join(folder, 'out')]
  writeFileSync(input, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  const job = ['--model', 'churn', '--version', '1.1.0', '--in', input, '--out', out]
  const program = [join(ROOT, 'cli/main.ts'), 'batch', 'predict', ...job, '--explain', 'interventional']
  await promisify(execFile)(process.execPath, program, { cwd: ROOT })
  const [part] = readdirSync(out).filter((file) => file.startsWith('part-'))
  const rows = readFileSync(join(out, part!), 'utf8').trim().split('\n')

  // One request a record: the two replicas take them in no order that matters.
  const locations = await Promise.all(records.map((record) => taken(PINNED, [record])))
  const answers = await Promise.all(locations.map(answered))
  for (const [i, { status, headers, body }] of answers.entries()) {
    expect([status, headers['x-model-version']]).toEqual([200, '1.1.0'])
    expect(body).toMatchObject({
      ...{ method: 'exact', link: 'identity', space: 'probability', output: 'probabilities' },
      ...{ background: { file: 'golden.jsonl', rows: 97 }, model_version: '1.1.0' },
    })
    const row = JSON.parse(rows[i]!)
    const [{ base_value, contributions, prediction, label }] = body.explanations
    expect([label, base_value]).toEqual(['churn', row.base_value])
    expect(prediction).toBe(row.output_probabilities_1)
    for (const { feature, contribution } of contributions)
      expect([feature, contribution]).toEqual([feature, row[`shap_${feature}`]])
    expect(contributions).toHaveLength(manifest.inputs.length)
  }
  // All in one request are the same again, and an answer stays to be fetched.
  const together = await answered(await taken(PINNED, records))
  expect(together.body.explanations).toEqual(answers.map(({ body }) => body.explanations[0]))
  expect(await answered(locations[0]!)).toMatchObject({ status: 200, body: answers[0]!.body })
  const metrics = await gateway.metrics()
  expect(metrics).toMatch(/coalmine_explain_requests_total\{.*version="1\.1\.0",code="202"\} \d/)
  expect(metrics).toMatch(/coalmine_explain_fetches_total\{.*version="1\.1\.0",code="200"\} \d/)
})

test('one of a prediction is by the version that predicted, and is fetched after a rollback while that is kept', async () => {
  const change = (path: string, method: string, body: object) =>
    gateway.admin(`/api/v1/models/churn/${path}`, { method, json: { reason: 'a test', ...body } })
  const isStable = (version: string) => async () =>
    (await call('POST', EXPLAIN, { instances: [CUSTOMER] })).headers['x-model-version'] === version
  const predicted = await gateway.predict([CUSTOMER], {}, '/v1/models/churn/versions/1.1.0:predict')
  const ofPrediction = { prediction_id: predicted.headers.get('x-prediction-id') }
  expect((await change('stable', 'PUT', { version: '1.1.0' })).status).toBe(200)
  await until(isStable('1.1.0'))
  const locations = [await taken(EXPLAIN), await taken(EXPLAIN, [CUSTOMER], ofPrediction)]
  expect((await change('rollback', 'POST', {})).status).toBe(200)
  await until(isStable('1.0.0'))
  for (const location of locations)
    expect(await answered(location)).toMatchObject({ status: 200, body: { model_version: '1.1.0' } })
})

test('an id that was not given here leads nowhere', async () => {
  const location = await taken(PINNED)
  const changed = location.slice(0, -1) + (location.endsWith('A') ? 'E' : 'A')
  for (const path of [changed, '/v1/models/churn/explanations/0123456789abcdef00000000'])
    expect(await call('GET', path)).toMatchObject({
      status: 404,
      body: { error: 'there is no such explanation' },
    })
})

test('behind what is explained later nobody waits: predictions and explanations go first, and too much is refused', async () => {
  const digits = '/v1/models/digits:explain'
  const many = Array.from({ length: 64 }, () => DIGIT)
  let last = ''
  for (let i = 0; i < 17; i++) last = await taken(digits, many)
  const refused = await later(digits, many)
  expect(refused).toMatchObject({
    ...{ status: 503, headers: { 'retry-after': '1' } },
    body: { error: 'too many explanations are waiting' },
  })
  expect((await call('POST', digits, { instances: many })).status).toBe(200)
  expect((await gateway.predict([DIGIT], {}, '/v1/models/digits:predict')).status).toBe(200)
  const { status, body } = await call('GET', last)
  expect([status, body.state]).toEqual([202, 'waiting'])
})

test('with the worker that had it an explanation is gone, and is said to be', async () => {
  const location = await taken(PINNED)
  expect((await answered(location)).status).toBe(200)
  for (const pid of gateway.children('worker/main.ts')) process.kill(pid, 'SIGKILL')
  const seen = new Set<number>()
  let last: Answer | undefined
  await until(
    async () => {
      last = await call('GET', location)
      seen.add(last.status)
      return last.status === 410
    },
    () => JSON.stringify(last),
  )
  expect(last!.body).toEqual({ error: 'the worker that had this explanation has ended; ask for it again' })
  const others = seen.difference(new Set([200, 503, 410]))
  expect(others.size, `${[...others]}`).toBe(0)
})
