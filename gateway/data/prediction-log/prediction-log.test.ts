import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  clock,
  EPOCH_OFFSET_MS,
  freshDataPlane,
  plane,
  route,
  stable,
} from '../../testing/data-port.ts'
import { answering } from '../../testing/upstream.ts'
import type { PredictionLogSettings } from './settings.ts'

freshDataPlane()

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const configure = (changes: Partial<PredictionLogSettings> = {}) =>
  plane.predictionLog.configure({
    ...{ folder, sampleBp: 10_000, fileBytes: 1e6, fileMs: 60_000, keep: 10, queueBytes: 1e6 },
    ...changes,
  })
async function events(): Promise<Record<string, unknown>[]> {
  await plane.predictionLog.close()
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  )
}

describe.each(Object.keys(adapters))('the prediction log over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (path = '/v1/models/churn:predict') =>
    call('POST', path, { body: BODY, headers: { 'x-request-id': 'r1' } })

  test('has a CloudEvent for each prediction, with what is needed to judge versions by it', async () => {
    route({ weightBp: 500, own: false })
    configure()
    const { headers } = await predict()
    expect(await events()).toEqual([
      {
        ...{ specversion: '1.0', id: expect.stringMatching(/^[0-9a-f]{12}-0$/), source: '/coalmine' },
        ...{ type: 'coalmine.prediction.v1', subject: 'churn', datacontenttype: 'application/json' },
        time: new Date(clock.ms + EPOCH_OFFSET_MS).toISOString(),
        data: {
          ...{ model: 'churn', version: '1.0.0', arm: 'stable', rollout: 7, weight_bp: 500, baseline_bp: 0 },
          ...{
            is_evidence: true,
            outcome: 'ok',
            latency_ms: 0,
            score: 0.8,
            class: 1,
            status: 200,
            total_ms: 0,
          },
          ...{ answered_by: '1.0.0', prediction_id: headers['x-prediction-id'], request_id: 'r1' },
        },
      },
    ])
  })

  test('has failures as well: what the version did, and what the client got', async () => {
    route({ own: false })
    configure()
    stable.behave(answering({ error: 'model error' }, 500))
    await predict()
    stable.behave(answering({ error: 'months: at most 12' }, 422))
    await predict()
    expect((await events()).map(({ data }) => data)).toMatchObject([
      { outcome: 'error', status: 500, score: null, prediction_id: null },
      { outcome: 'rejected', status: 422, answered_by: '1.0.0' },
    ])
  })

  test('has a canary’s failure that stable answered', async () => {
    canary.behave(answering({ error: 'model error' }, 500))
    route({ weightBp: 10_000, own: false })
    configure()
    await predict()
    expect((await events())[0]!.data).toMatchObject({
      ...{ version: '1.1.0', arm: 'canary', outcome: 'error', status: 200, answered_by: '1.0.0' },
    })
  })

  test('has records only where that is asked for', async () => {
    route({ own: false })
    configure({ instances: { omit: [], hash: [], key: '' } })
    await predict()
    expect((await events())[0]!.data).toMatchObject({ instances: [{ tenure_months: 3 }] })
  })

  test('takes a sample, drawn before anything is known', async () => {
    route({ own: false })
    configure({ sampleBp: 2_000 })
    for (let i = 0; i < 200; i++) await predict()
    const { length } = await events()
    expect(length).toBeGreaterThan(20)
    expect(length).toBeLessThan(64)
  })

  test('is off unless it is configured, and again when it is not any more', async () => {
    route({ own: false })
    await predict()
    configure()
    await predict()
    plane.predictionLog.configure(undefined)
    await predict()
    expect(await events()).toHaveLength(1)
  })
})
