import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChurnRecord, customers } from '../demo/customers.ts'
import { CUSTOMER, Gateway, json, ROOT, until } from './gateway-process.ts'

/** Half of the requests go to 1.2.0, whose scores are others for the same records; each version has two workers. */
const MODELS = `  churn:
    initial: 1.0.0
    version: 1.2.0
    policy: none
    weight: 50
    replicas: 2
    runtime: process`
const ROWS = 50

let gateway: Gateway
const next = customers('drift')
let sent = 0

/** What a webhook was told. */
const notices: { id: string; type: string; version: string; against: string; fields: string }[] = []
const hook = createServer(async (incoming, outgoing) => {
  notices.push(JSON.parse(await text(incoming)))
  outgoing.writeHead(204).end()
})

beforeAll(async () => {
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const { port } = hook.address() as AddressInfo
  const notifications = `notifications:
  - { name: ops, url: 'http://127.0.0.1:${port}/', events: [drifted, drift-over] }`
  gateway = await Gateway.start({ models: `${MODELS}\n${notifications}`, processes: 2 })
  await counting()
})
afterAll(async () => {
  await gateway?.dispose()
  hook.close()
})

/** Every worker is up and counts what comes from now on, the canary's also in the bins of stable. */
function counting() {
  return until(
    async () => {
      const both = await Promise.all(['1.0.0', '1.2.0'].map(drift))
      return both[1].stable.measured && both.every(({ workers }) => workers.counting === 2)
    },
    () => gateway.output,
  )
}

const drift = async (version: string) =>
  json(await gateway.admin(`/api/v1/models/churn/versions/${version}/drift`))

// biome-ignore lint/suspicious/noExplicitAny: answers as they come
const recordsOf = (comparison: any) => comparison.series[0].records.live
// biome-ignore lint/suspicious/noExplicitAny: answers as they come
const verdicts = (comparison: any): Record<string, string> =>
  // biome-ignore lint/suspicious/noExplicitAny: answers as they come
  Object.fromEntries(comparison.series.map(({ name, verdict }: any) => [name, verdict]))
const drifted = (of: Record<string, string>) => Object.keys(of).filter((name) => of[name] === 'drifted')

async function predict(records: number, change: (record: ChurnRecord) => ChurnRecord = (record) => record) {
  for (let done = 0; done < records; done += ROWS) {
    const response = await gateway.predict(Array.from({ length: ROWS }, () => change(next().record)))
    expect(response.status).toBe(200)
    await response.arrayBuffer()
  }
  sent += records
}

/** Both versions' drift once everything that was sent is counted. */
async function counted() {
  let both = await Promise.all(['1.0.0', '1.2.0'].map(drift))
  await until(
    async () => {
      both = await Promise.all(['1.0.0', '1.2.0'].map(drift))
      return recordsOf(both[0].training) + recordsOf(both[1].training) >= sent
    },
    () => JSON.stringify(both.map(({ training }) => recordsOf(training))),
  )
  expect(recordsOf(both[0].training) + recordsOf(both[1].training)).toBe(sent)
  return both
}

test('records as in training are steady for both versions, over workers and processes', async () => {
  await predict(6_000)
  const [stable, canary] = await counted()
  for (const { training } of [stable, canary]) {
    expect(training).toMatchObject({ verdict: 'steady', windowSeconds: 3_600, unmeasured: [] })
    expect(training.series).toHaveLength(11)
  }
  expect(stable.stable).toEqual({ measured: false, because: '1.0.0 is the stable version' })
})

test('a version that answers something else is told apart from a world that changed', async () => {
  const canary = await drift('1.2.0')
  // It learnt these scores; stable answers others to the same records.
  expect(verdicts(canary.training).score).toBe('steady')
  expect(drifted(verdicts(canary.stable))).toContain('score')
  const features = canary.stable.series.filter(({ kind }: { kind: string }) => kind === 'feature')
  expect(drifted(verdicts({ series: features }))).toEqual([])
})

test('records that moved are named by their feature, for every version that sees them', async () => {
  await predict(12_000, (record) => ({
    ...record,
    support_calls: Math.min(50, record.support_calls + 3),
    internet_service: next().probability < 0.2 ? null : record.internet_service,
  }))
  const [stable, canary] = await counted()
  for (const { training } of [stable, canary]) {
    const of = verdicts(training)
    expect(of.support_calls).toBe('drifted')
    expect(of.internet_service).toBe('drifted')
    for (const still of ['tenure_months', 'contract', 'monthly_charges', 'paperless_billing'])
      expect(of[still], still).toBe('steady')
    const service = training.series.find(({ name }: { name: string }) => name === 'internet_service')
    expect(service.because[0]).toMatch(/^missing \d\d\.\d %, 5\.0 % in training$/)
  }
  const features = canary.stable.series.filter(({ kind }: { kind: string }) => kind === 'feature')
  expect(drifted(verdicts({ series: features }))).toEqual([])
})

test('a webhook is told of each version once, by the features that moved', async () => {
  // What was seen of one version first may look like a difference between the two for a moment.
  const moved = () =>
    notices.filter(({ fields, against }) => against === 'training' && fields.includes('support_calls'))
  await until(() => moved().length >= 2)
  expect(
    moved()
      .map(({ version }) => version)
      .toSorted(),
  ).toEqual(['1.0.0', '1.2.0'])
  for (const { type, fields } of moved())
    expect([type, fields.includes('tenure_months')]).toEqual(['drifted', false])
  expect(new Set(notices.map(({ id }) => id)).size).toBe(notices.length)
})

test('coalmine drift: the version that is tried, the worst first, with why', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, 'cli/main.ts'), 'drift', 'churn'],
    { env: { ...process.env, COALMINE_URL: `http://127.0.0.1:${gateway.ports.admin}` } },
  )
  const lines = stdout.split('\n')
  expect(lines[0]).toBe('churn 1.2.0: 2 of 2 healthy workers tell what they see')
  expect(stdout).toContain('against training: drifted, of the last 60 min')
  expect(stdout).toMatch(/beside the stable version: drifted[\s\S]* score +drifted /)
  const worst = lines.slice(4, 6).map((line) => line.trim().split(/ +/, 2))
  expect(worst.toSorted()).toEqual([
    ['internet_service', 'drifted'],
    ['support_calls', 'drifted'],
  ])
})

test('a category that training had not is counted, and not told', async () => {
  const strange = { ...CUSTOMER, payment_method: 'crypto-wallet-of-somebody' }
  for (let i = 0; i < 20; i++) expect((await gateway.predict([strange])).status).toBe(422)
  const unseen = async () => {
    const both = await Promise.all(['1.0.0', '1.2.0'].map(drift))
    return both
      .map(({ training }) => training.series.find(({ name }: { name: string }) => name === 'payment_method'))
      .reduce((sum, { unseen }) => sum + unseen.records, 0)
  }
  await until(async () => (await unseen()) === 20)
  const told = JSON.stringify([await drift('1.0.0'), await drift('1.2.0'), await gateway.metrics()])
  expect(told).not.toContain('crypto-wallet')
})

test('the counters say the same', async () => {
  const metrics = await gateway.metrics()
  const sum = (pattern: RegExp) =>
    metrics
      .split('\n')
      .filter((line) => pattern.test(line))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  const tenure = (more: string) =>
    new RegExp(`^coalmine_drift_records_total\\{.*${more}.*field="tenure_months"`)
  expect(sum(tenure('against="training"'))).toBe(sent)
  const canary = recordsOf((await drift('1.2.0')).training)
  expect(sum(tenure('version="1.2.0",bins="1.0.0",against="stable"'))).toBe(canary)
  expect(sum(/^coalmine_drift_training_records\{.*bins="1.0.0".*field="tenure_months"/)).toBe(16_000)
})

test('a worker that is killed takes nothing back and is counted on', async () => {
  const pid = gateway.children('worker/main.ts')[0]!
  process.kill(pid, 'SIGKILL')
  await until(async () => !gateway.children('worker/main.ts').includes(pid))
  await until(async () => gateway.children('worker/main.ts').length === 4)
  await counting()
  await predict(1_000)
  await counted()
})
