import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { customers } from '../demo/customers.ts'
import { type Fault, faultOf } from '../faults/fault.ts'
import { FRAME_FORMS } from '../faults/link-frame.ts'
import { type FaultProxy, startFaultProxy } from '../faults/proxy.ts'
import { WIRE_FORMS } from '../faults/wire.ts'
import { freePorts, Gateway, ROOT, until } from './gateway-process.ts'

/** Shorter than the ten seconds that a model has, longer than anything here takes but what never ends. */
const PATIENCE_MS = 1_500
const CALLERS = 24
/** How far apart any two customers' probabilities are at least. */
const APART = 1e-4
const SEED = process.env.SEED ?? 'broken upstreams'

interface Answered {
  status: number
  text: string
}

/** Customers whose answers differ, so that an answer tells whose it is. */
const draw = customers(SEED)
const RECORDS = Array.from({ length: CALLERS }, () => draw().record)

let workers: ChildProcess[]
let proxies: { plain: FaultProxy; linked: FaultProxy }
let gateways: { alone: Gateway; pair: Gateway; linkAlone: Gateway; linkPair: Gateway }
let truth: number[]

function startWorker(port: number): ChildProcess {
  const flags = ['--models', join(ROOT, 'models'), '--model', 'churn', '--version', '1.0.0']
  return spawn(process.execPath, [join(ROOT, 'worker/main.ts'), ...flags, '--port', `${port}`], {
    stdio: 'ignore',
  })
}

function before(...addresses: string[]): Promise<Gateway> {
  return Gateway.start({
    modelsFolder: './nothing',
    models: `  churn:
    initial: 1.0.0
    runtime: { static: { 1.0.0: [${addresses.map((address) => `'${address}'`).join(', ')}] } }
    resilience:
      firstAttempt: 700ms
      # A machine with other work is slow, and a limit that falls for it would refuse some of them before anybody is asked.
      concurrency: { min: 256 }`,
  })
}

async function ask(gateway: Gateway, i: number): Promise<Answered> {
  const response = await gateway.predict([RECORDS[i]], { 'x-request-timeout-ms': `${PATIENCE_MS}` })
  return { status: response.status, text: await response.text() }
}

/** The probability that an answer gives its customer: no two here have the same. */
function probability({ text }: Answered): number {
  const { predictions } = JSON.parse(text)
  expect(predictions).toHaveLength(1)
  return predictions[0].probabilities[1]
}

const everybody = (gateway: Gateway) => Promise.all(RECORDS.map((_, i) => ask(gateway, i)))

/** Single precision: in which batch a record stood shows in the last digit. */
function expectTheirs(answer: Answered, i: number): void {
  expect(answer.status).toBe(200)
  expect(Math.abs(probability(answer) - truth[i]!)).toBeLessThan(APART / 4)
}

/** Nobody got another's answer or half of one; whoever failed learns that it was not them, and no address. */
function expectHonest(answers: Answered[]): void {
  for (const [i, answer] of answers.entries()) {
    if (answer.status === 200) {
      expectTheirs(answer, i)
      continue
    }
    expect([502, 503, 504]).toContain(answer.status)
    expect(Object.keys(JSON.parse(answer.text))).toEqual(['error'])
    expect(answer.text).not.toMatch(/127\.0\.0\.1|localhost|:\d{4}|undici|UND_ERR|HPE_|at .*\.ts|stranger/)
  }
}

async function expectAllTheirs(gateway: Gateway): Promise<void> {
  for (const [i, answer] of (await everybody(gateway)).entries()) expectTheirs(answer, i)
}

beforeAll(async () => {
  const ports = await freePorts(2)
  workers = ports.map(startWorker)
  const [behind, beside] = ports.map((port) => `http://127.0.0.1:${port}`)
  proxies = {
    plain: await startFaultProxy({ to: { origin: behind! }, seed: SEED }),
    linked: await startFaultProxy({ to: { origin: behind! }, seed: SEED, link: true }),
  }
  const [alone, pair, linkAlone, linkPair] = await Promise.all([
    before(proxies.plain.address),
    before(proxies.plain.address, beside!),
    before(proxies.linked.address),
    before(proxies.linked.address, beside!),
  ])
  gateways = { alone, pair, linkAlone, linkPair }
  for (const gateway of Object.values(gateways))
    await until(async () => (await gateway.model()).endpoints.every((e: { healthy: boolean }) => e.healthy))
  truth = (await everybody(alone)).map(probability)
  const sorted = truth.toSorted((a, b) => a - b)
  for (let i = 1; i < CALLERS; i++) expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThan(APART)
})
afterAll(async () => {
  for (const gateway of Object.values(gateways ?? {})) await gateway.dispose()
  for (const proxy of Object.values(proxies ?? {})) await proxy.close()
  for (const worker of workers ?? []) worker.kill('SIGTERM')
})

/** Faults of rate 1, and what the client of the only endpoint is told. */
const HARMS: [name: string, fault: Fault, statuses: number[]][] = [
  ...WIRE_FORMS.filter((form) => form !== 'poison').map((form): [string, Fault, number[]] => [
    form,
    faultOf({ kind: 'wire', form }),
    [502],
  ]),
  ...(['reset', 'reset-mid', 'cut', 'garbage', 'empty', 'html', 'nan'] as const).map(
    (kind): [string, Fault, number[]] => [kind, faultOf({ kind }), [502]],
  ),
  ['a gzip bomb', faultOf({ kind: 'encoded' }), [502]],
  ['packed a thousand times', faultOf({ kind: 'encoded', times: 1000 }), [502]],
  ['an answer of 100 MB', faultOf({ kind: 'huge' }), [502]],
  ['a byte a second', faultOf({ kind: 'trickle' }), [504]],
  ['no answer', faultOf({ kind: 'hang' }), [504]],
  ['503 and when to come back', faultOf({ kind: 'status', status: 503 }), [503]],
]

describe('the only endpoint of a version', () => {
  test.each(HARMS)(
    '%s: the client is told precisely, and nobody else suffers',
    async (_, fault, statuses) => {
      const { alone } = gateways
      const before = residentBytes(alone)
      proxies.plain.fault = fault
      const answers = await everybody(alone)
      expectHonest(answers)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(statuses))
      expect(await alone.status('/livez')).toBe(200)
      proxies.plain.fault = { kind: 'none' }
      await until(async () => (await ask(alone, 0)).status === 200)
      await expectAllTheirs(alone)
      // Twenty-four answers of 100 MB would be 2.4 GB.
      expect(residentBytes(alone) - before).toBeLessThan(400e6)
    },
  )

  test('an answer that nobody asked for, after a good one, is nobody’s', async () => {
    const { alone } = gateways
    proxies.plain.fault = faultOf({ kind: 'wire', form: 'poison' })
    for (let round = 0; round < 10; round++) expectHonest(await everybody(alone))
    proxies.plain.fault = { kind: 'none' }
    await until(async () => (await ask(alone, 0)).status === 200)
    for (let round = 0; round < 5; round++) await expectAllTheirs(alone)
  })
})

describe('one of two endpoints', () => {
  test.each([
    ...WIRE_FORMS.map((form) => [form, faultOf({ kind: 'wire', form, rate: 0.3 })] as const),
    ...(['reset', 'reset-mid', 'cut', 'garbage', 'nan', 'html', 'encoded'] as const).map(
      (kind) => [kind, faultOf({ kind, rate: 0.3 })] as const,
    ),
  ])('%s in three of ten of its answers: everybody gets their own answer', async (_, fault) => {
    const { pair } = gateways
    proxies.plain.fault = fault
    // One after another: more failures at a time than a retry budget allows are another matter.
    for (let i = 0; i < CALLERS; i++) expectTheirs(await ask(pair, i), i)
    proxies.plain.fault = { kind: 'none' }
  })
})

describe('a link whose calls come back wrong', () => {
  test.each(FRAME_FORMS)(
    '%s, always and everywhere: whoever is sent alone is answered, or told so',
    async (form) => {
      const { linkAlone } = gateways
      proxies.linked.fault = faultOf({ kind: 'frame', form })
      // A call of one is sent again as a call of one; the rows of a call of many are sent again without the link.
      const first = await ask(linkAlone, 0)
      expect(first.status).toBe(502)
      expectHonest([first])
      expectHonest(await everybody(linkAlone))
      proxies.linked.fault = { kind: 'none' }
      await until(async () => (await ask(linkAlone, 0)).status === 200)
      await expectAllTheirs(linkAlone)
    },
  )

  test.each(FRAME_FORMS)('%s, at one of two endpoints: everybody gets their own answer', async (form) => {
    const { linkPair } = gateways
    proxies.linked.fault = faultOf({ kind: 'frame', form, rate: 0.3 })
    for (let i = 0; i < CALLERS; i++) expectTheirs(await ask(linkPair, i), i)
    proxies.linked.fault = { kind: 'none' }
  })
})

function residentBytes(gateway: Gateway): number {
  const pages = gateway
    .children('data/main.ts')
    .map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]))
  return Math.max(...pages) * 4096
}
