import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Gateway, PATIENT, ROOT, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import { start, untilOver, untilPhase } from './rollout-record.ts'

/** 1.2.0 has a fault that moves its scores. */
const POLICY = `
steps:
  - { setWeight: 25, minDuration: 1s, proof: 0.3 }
  - { setWeight: 50, minDuration: 1s }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 1pp, margin: 5pp }
  - { metric: score_distribution, distance: ks, tolerate: 0.1, margin: 0.3 }
interval: 250ms
`

const ACCURATE = `
steps:
  - { setWeight: 25, minDuration: 720h, proof: 0.3 }
  - { setWeight: 50, minDuration: 1s }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: accuracy, tolerate: 1pp, margin: 5pp }
labelWindow: 1s
`

let gateway: Gateway
let load: Load
const folder = () => join(gateway.folder, 'log')
const events = () =>
  readdirSync(folder()).flatMap((name) =>
    readFileSync(join(folder(), name), 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line)),
  )

async function simulate(...args: string[]) {
  const policy = join(gateway.folder, 'config/policies/quick.yaml')
  const child = spawn(
    process.execPath,
    [join(ROOT, 'cli/main.ts'), 'simulate', '--policy', policy, '--log', folder(), '--json', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => (stdout += text))
  child.stderr.on('data', (text) => (stderr += text))
  const [code] = await once(child, 'close')
  return { code, stderr, said: code === 1 || code === 2 ? undefined : JSON.parse(stdout) }
}

beforeAll(async () => {
  gateway = await Gateway.start({
    processes: 2,
    policies: { quick: POLICY },
    models: `  churn: { initial: 1.0.0, policy: quick, runtime: process, resilience: { ${PATIENT} } }
predictionLog:
  folder: ./log
  instances: { omit: [monthly_charges], hash: [contract] }`,
    env: { COALMINE_PREDICTION_LOG_KEY: Buffer.alloc(32, 5).toString('base64') },
  })
  load = startLoad(gateway)
})
afterAll(async () => {
  await load?.stop()
  await gateway?.dispose()
})

test('every prediction is in the log, as it went, and no more of a record than was allowed', async () => {
  await until(() => load.seen().answered > 1_500)
  expect((await start(gateway, '1.2.0', { force: true })).status).toBe(201)
  await untilPhase(gateway, 'stepping')
  expect(await untilOver(gateway)).toMatchObject({ outcome: 'rolled-back' })
  const seen = await load.stop()
  expect(troubles(seen)).toEqual({})
  await until(() => events().length >= seen.answered)
  const all = events()
  expect(all.length).toBe(seen.answered)
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  const canary = all.filter(({ data }) => data.arm === 'canary')
  expect(canary.length).toBe(seen.byVersion['1.2.0'])
  expect(canary[0]!.data).toMatchObject({
    ...{ version: '1.2.0', outcome: 'ok', status: 200, weight_bp: 2500, is_evidence: true },
  })
  const [record] = all[0]!.data.instances
  expect(record.contract).toMatch(/^[\w-]{16}$/)
  expect(record).not.toHaveProperty('monthly_charges')
  expect(record).toHaveProperty('tenure_months')
  await until(async () =>
    new RegExp(`coalmine_prediction_log_events_total\\{result="written"\\} ${all.length}`).test(
      await gateway.metrics(),
    ),
  )
})

test('replayed, the canary is rolled back again', async () => {
  // The log ends with what was just enough: a replay, whose ticks fall otherwise, may want a little more of it.
  const policy = join(gateway.folder, 'eager.yaml')
  writeFileSync(policy, POLICY.replace('falseRollback: 1%', 'falseRollback: 5%'))
  const { code, said } = await simulate('--policy', policy)
  expect([code, said.outcome, said.stable, said.canary]).toEqual([10, 'rolled-back', '1.0.0', '1.2.0'])
  expect(said.decisions.map(({ kind }: { kind: string }) => kind)).toEqual(['begin', 'roll-back'])
  expect(said.decisions[1].because).toMatch(/score/)
})

test('stable beside itself is not, and the same seed says the same', async () => {
  const { code, said } = await simulate('--splits', '30')
  expect([code, said.mode, said.splits]).toEqual([0, 'halves', 30])
  expect(said.falseRollbacks).toBeLessThanOrEqual(3)
  expect(said.interval.high).toBeLessThan(0.3)
  expect((await simulate('--splits', '30')).said).toEqual(said)
})

test('truths judge the answers that they are about', async () => {
  const answered = events().filter(({ data }) => data.class !== null && data.answered_by === data.version)
  const truths = answered.map(
    ({ data }) => `${data.prediction_id},${data.arm === 'canary' ? 1 - data.class : data.class}`,
  )
  const file = join(gateway.folder, 'truths.csv')
  writeFileSync(file, ['prediction_id,truth', ...truths, 'unknown,1', ''].join('\n'))
  const policy = join(gateway.folder, 'accurate.yaml')
  writeFileSync(policy, ACCURATE)
  const { code, said } = await simulate('--policy', policy, '--truth', file)
  expect([code, said.outcome]).toEqual([10, 'rolled-back'])
  expect(said.decisions.at(-1).because).toMatch(/^wrong answers/)
  expect(said.notes).toEqual([
    `${truths.length.toLocaleString('en-US')} of ${(truths.length + 1).toLocaleString('en-US')} truths are about answers in the log`,
  ])
})

test('a line that is broken is named', async () => {
  const [first] = readdirSync(folder()).toSorted()
  const text = readFileSync(join(folder(), first!), 'utf8').split('\n')
  text[2] = '{"half": '
  writeFileSync(join(folder(), first!), text.join('\n'))
  const { code, stderr } = await simulate()
  expect([code, stderr]).toEqual([1, expect.stringContaining(`${first}:3: expected a CloudEvent in JSON`)])
})
