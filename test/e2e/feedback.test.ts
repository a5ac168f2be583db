import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { customers } from '../demo/customers.ts'
import { Gateway, until } from './gateway-process.ts'
import { expectWholeRecord, kinds, served, start, untilOver, untilPhase } from './rollout-record.ts'

/** Wide enough that no chance decides, short enough that nobody waits. */
const LABELLED = `
steps:
  - { setWeight: 50, minDuration: 1s }
risk: { falseRollback: 0.1%, falsePromotion: 5% }
guardrails:
  - { metric: accuracy, tolerate: 10pp, margin: 25pp }
labelWindow: 2s
interval: 250ms
`
/** The same answers, of one class and by how far the score was off. */
const SIGNALS = `
signals:
  - { metric: accuracy, class: churn, tolerate: 10pp, margin: 50pp }
  - { metric: accuracy, loss: brier, tolerate: 5pp, margin: 30pp }
  - { metric: accuracy, loss: log, tolerate: 5pp, margin: 30pp }
`
/** Nothing is labelled at this age while the test looks. */
const PATIENT = LABELLED.replace('labelWindow: 2s', 'labelWindow: 1h')

/** It does not end by itself. */
const WATCHED = LABELLED.replace('minDuration: 1s', 'minDuration: 1h') + SIGNALS

const customer = customers('feedback')

interface Answered {
  id: string
  version: string
  label: number
}

/** One connection each, so that the processes take turns. */
function post(gateway: Gateway, path: string, body: unknown): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: gateway.ports.data, path, method: 'POST', agent: false },
      (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode!, body: text }))
      },
    )
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

/** Undefined where the gateway has too much to do, as it may have on a small machine. */
async function asked(gateway: Gateway): Promise<Answered | undefined> {
  const { status, body } = await post(gateway, '/v1/models/churn:predict', {
    instances: [customer().record],
  })
  if (status === 503) return undefined
  expect(status, body).toBe(200)
  const { predictions, model_version } = JSON.parse(body)
  return { id: predictions[0].prediction_id, label: predictions[0].label, version: model_version }
}

async function predicted(gateway: Gateway): Promise<Answered> {
  let answered: Answered | undefined
  await until(async () => {
    answered = await asked(gateway)
    return answered !== undefined
  })
  return answered!
}

async function say(gateway: Gateway, truths: object | object[], model = 'churn') {
  const { status, body } = await post(gateway, `/v1/models/${model}:feedback`, truths)
  return { status, ...JSON.parse(body) }
}

const about = ({ id, label }: Answered, right = true) => ({
  prediction_id: id,
  truth: right ? label : 1 - label,
})

async function reasonOf(gateway: Gateway, truth: object, model?: string): Promise<string> {
  const { results } = await say(gateway, truth, model)
  return results[0].reason ?? results[0].status
}

async function metric(gateway: Gateway, line: string): Promise<number> {
  const found = (await gateway.metrics()).split('\n').find((one) => one.startsWith(line))
  return found === undefined ? 0 : Number(found.split(' ').at(-1))
}

/** Customers come, and the truth about each follows at once, until the rollout is over. */
async function live(gateway: Gateway, isRight: (version: string, n: number) => boolean) {
  let over = false
  let count = 0
  const one = async () => {
    while (!over) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => asked(gateway)))
      await say(
        gateway,
        answers
          .filter((answered) => answered !== undefined)
          .map((answered) => about(answered, isRight(answered.version, count++))),
      )
    }
  }
  const callers = Promise.all([one(), one(), one()])
  const last = await untilOver(gateway).finally(() => (over = true))
  await callers
  return last
}

describe('the truth about predictions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-keys-'))
  const keys = join(folder, 'keys')
  const [first, second] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
  let gateway: Gateway

  beforeAll(async () => {
    writeFileSync(keys, `1:${first}\n`)
    gateway = await Gateway.start({
      processes: 2,
      policies: { labelled: LABELLED + SIGNALS, patient: PATIENT, watched: WATCHED },
      env: { COALMINE_PREDICTION_KEYS_FILE: keys },
      models: `  churn:
    initial: 1.0.0
    policy: labelled
    runtime: process
    limits: { timeout: 3s }
  digits:
    initial: 1.0.0
    runtime: process`,
    })
  })
  afterAll(async () => {
    await gateway?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  test('is taken by the id of the answer, and refused for a reason', async () => {
    const [one, other, third] = [await predicted(gateway), await predicted(gateway), await predicted(gateway)]
    const forged = one.id.slice(0, -1) + (one.id.endsWith('A') ? 'B' : 'A')
    const answer = await say(gateway, [about(one), { ...about(other), truth: 'stay' }, about(one)])
    expect([answer.status, answer.accepted, answer.refused]).toEqual([202, 2, 1])
    expect(answer.results[2]).toEqual({ prediction_id: one.id, status: 'refused', reason: 'repeated' })
    expect(await reasonOf(gateway, { prediction_id: forged, truth: 1 })).toBe('forged')
    expect(await reasonOf(gateway, { prediction_id: 'no id', truth: 1 })).toBe('malformed')
    expect(await reasonOf(gateway, about(third), 'digits')).toBe('other_model')
    const wrong = await say(gateway, { prediction_id: third.id, truth: 7 })
    expect([wrong.status, wrong.detail[0].loc, wrong.detail[0].msg]).toEqual([
      422,
      ['body', 'truth'],
      'expected an index from 0 to 1 or one of "stay", "churn", found 7',
    ])
    expect((await say(gateway, about(third), 'nope')).status).toBe(404)
    await until(
      async () => (await metric(gateway, 'coalmine_feedback_total{model="churn",result="forged"}')) === 1,
    )
    const foreign = 'coalmine_feedback_total{model="digits",result="other_model"}'
    await until(async () => (await metric(gateway, foreign)) === 1)
    const right = 'coalmine_labels_total{model="churn",version="1.0.0",arm="stable",answer="right"}'
    await until(async () => (await metric(gateway, right)) >= 1)
  })

  test('comes after a restart, and after the keys have changed, as good as before', async () => {
    const [before, lost] = [await predicted(gateway), await predicted(gateway)]
    expect(await gateway.stop()).toBe(0)
    writeFileSync(keys, `2:${second}\n1:${first}\n`)
    await gateway.start()
    expect(await reasonOf(gateway, about(before))).toBe('accepted')
    const young = await predicted(gateway)
    expect(await gateway.stop()).toBe(0)
    writeFileSync(keys, `2:${second}\n`)
    await gateway.start()
    expect(await reasonOf(gateway, about(young))).toBe('accepted')
    expect(await reasonOf(gateway, about(lost))).toBe('unknown_key')
  })

  test('a label counts once, to whatever process it comes, and as wrong as the first said', async () => {
    expect((await start(gateway, '1.1.0', { force: true, policy: 'patient' })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    const answered = await predicted(gateway)
    const results: string[] = []
    // The processes take turns: the second one has not heard of it, and control has.
    for (let i = 0; i < 6; i++) results.push(await reasonOf(gateway, about(answered)))
    expect(results.filter((one) => one === 'accepted')).toHaveLength(2)
    const received = async () => (await served(gateway)).rollout.labels.received
    await until(async () => (await received()).repeated === 1)
    expect(await received()).toMatchObject({ counted: 1, repeated: 1, late: 0 })
    expect(await metric(gateway, 'coalmine_rollout_labels_total{model="churn",result="repeated"}')).toBe(1)
    const { labels, readings } = (await served(gateway)).rollout
    expect(labels).toMatchObject({ windowSeconds: 3600, stable: { labelled: 0 }, sampleRatioMismatch: false })
    expect(readings).toMatchObject([{ metric: 'accuracy', verdict: 'no-data' }])
    await gateway.admin('/api/v1/models/churn/rollout/abort', { method: 'POST', json: { reason: 'a test' } })
    await untilOver(gateway)
  })

  test('is judged by class and by both losses of the score as well', async () => {
    expect((await start(gateway, '1.1.0', { force: true, retry: true, policy: 'watched' })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    const names = ['accuracy', 'accuracy_churn', 'brier', 'log_loss']
    let verdicts: string[] = []
    await until(
      async () => {
        const answers = await Promise.all(Array.from({ length: 40 }, () => predicted(gateway)))
        await say(
          gateway,
          answers.map((answered, n) => about(answered, n % 10 !== 0)),
        )
        const { readings } = (await served(gateway)).rollout
        expect(readings.map(({ name }: { name: string }) => name)).toEqual(names)
        verdicts = readings.map(({ verdict }: { verdict: string }) => verdict)
        return verdicts.every((verdict) => verdict === 'proven')
      },
      () => `${verdicts}`,
    )
    await gateway.admin('/api/v1/models/churn/rollout/abort', { method: 'POST', json: { reason: 'a test' } })
    await untilOver(gateway)
  })

  test('rolls back a version whose answers turn out wrong, by the labels that came in time', async () => {
    expect((await start(gateway, '1.2.0', { force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
    const [early, atMs] = [await predicted(gateway), Date.now()]
    await until(() => Date.now() - atMs > 2_500)
    expect(await reasonOf(gateway, about(early))).toBe('accepted')
    await until(async () => (await served(gateway)).rollout.labels.received.late === 1)
    const last = await live(gateway, (version, n) => n % (version === '1.2.0' ? 2 : 10) !== 0)
    expect(last).toMatchObject({
      outcome: 'rolled-back',
      because: expect.stringContaining('wrong answers among the labelled'),
    })
    const { canary, stable } = last.counts
    expect(canary.wrong / canary.labelled).toBeGreaterThan(stable.wrong / stable.labelled)
    await expectWholeRecord(gateway)
  })

  test('promotes one whose answers are as good; the truths that came tell the planner that this can be decided', async () => {
    const started = await start(gateway, '1.1.0', { retry: true })
    expect(started.status, await started.clone().text()).toBe(201)
    await untilPhase(gateway, 'stepping')
    expect(await live(gateway, (_, n) => n % 10 !== 0)).toMatchObject({ outcome: 'promoted' })
    expect(await kinds(gateway)).toContain('promoted')
    await expectWholeRecord(gateway)
  })
})
