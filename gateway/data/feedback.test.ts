import { type PredictionIdFields, sign, versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import { describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  clock,
  digest,
  EPOCH_OFFSET_MS,
  freshDataPlane,
  idOf,
  labels,
  models,
  plane,
  prediction,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering } from '../testing/upstream.ts'
import { RecentIds } from './recent-ids.ts'

freshDataPlane()

const DAY_MS = 86_400_000
const fields = (more: Partial<PredictionIdFields> = {}): PredictionIdFields => ({
  ...{ arm: 'canary', counts: true, shielded: false, pickedRow: true },
  fingerprint: versionFingerprint('churn', '1.1.0', digest('1.1.0')),
  ...{ rollout: 7, weightBp: 2500, timeMs: clock.ms + EPOCH_OFFSET_MS, score: 0.75, class: 1 },
  ...{ nonce: nonce++, row: 0, rows: 1 },
  ...more,
})
let nonce = 1
const id = (more: Partial<PredictionIdFields> = {}) => sign(fields(more), plane.idKey)
const begin = () => route({ weightBp: 2500, trial: {} })

async function over<T>(name: string, work: (call: Call) => Promise<T>): Promise<T> {
  const { call, close } = await adapters[name]!()
  try {
    return await work(call)
  } finally {
    close()
  }
}
async function send(body: unknown, model = 'churn') {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await over('fetch', (call) => call('POST', `/v1/models/${model}:feedback`, { body: text }))
  return { status: reply.status, body: JSON.parse(reply.body) }
}
const truth = (prediction_id: string, truth: unknown = 1) => ({ prediction_id, truth })
async function reasons(...ids: string[]): Promise<string[]> {
  const { body } = await send(ids.map((one) => truth(one)))
  return body.results.map(({ status, reason }: { status: string; reason?: string }) => reason ?? status)
}
/** What went to control. */
function passed() {
  plane.flush()
  return labels.flatMap((message) => message.labels)
}
const counted = () =>
  Object.fromEntries(plane.feedback.snapshot().feedback.map(({ result, count }) => [result, count]))

describe.each(Object.keys(adapters))('the truth over %s', (name) => {
  test('is taken about an answer, by the id that it came with', async () => {
    begin()
    stable.behave(answering(prediction))
    await over(name, async (call) => {
      const answered = await call('POST', '/v1/models/churn:predict', { body: BODY })
      expect(idOf(answered).timeMs).toBe(clock.ms + EPOCH_OFFSET_MS)
      const body = JSON.stringify(truth(answered.headers['x-prediction-id']!, 'stay'))
      const reply = await call('POST', '/v1/models/churn:feedback', { body })
      expect([reply.status, JSON.parse(reply.body)]).toEqual([
        202,
        {
          ...{ accepted: 1, refused: 0 },
          results: [{ prediction_id: answered.headers['x-prediction-id'], status: 'accepted' }],
        },
      ])
    })
  })

  test('of no model and by another method is refused as elsewhere', async () => {
    begin()
    await over(name, async (call) => {
      expect((await call('POST', '/v1/models/nope:feedback', { body: '{}' })).status).toBe(404)
      const got = await call('GET', '/v1/models/churn:feedback')
      expect([got.status, got.headers.allow]).toEqual([405, 'POST'])
    })
  })
})

test('what was drawn and answered by its arm goes to control, right or wrong, once', async () => {
  begin()
  const [right, wrong] = [
    id({ class: 1 }),
    id({ class: 0, arm: 'baseline', fingerprint: stableFingerprint() }),
  ]
  expect(await reasons(right, wrong, right)).toEqual(['accepted', 'accepted', 'repeated'])
  const at = clock.ms + EPOCH_OFFSET_MS
  expect(passed().map(([serial, , ...rest]) => [serial, ...rest])).toEqual([
    [7, at, 2500, 2, 0, expect.toBeOneOf([0, 1]), expect.toBeOneOf([0, 1]), 'churn'],
    [7, at, 2500, 1, 1, expect.toBeOneOf([0, 1]), expect.toBeOneOf([0, 1]), 'churn'],
  ])
  expect(counted()).toEqual({ accepted: 2, repeated: 1 })
})

test('messages of a process are numbered, each label is in one', async () => {
  begin()
  await reasons(id())
  plane.flush()
  await reasons(id(), id())
  plane.flush()
  plane.flush()
  expect(labels.map(({ sequence, labels }) => [sequence, labels.length])).toEqual([
    [0, 1],
    [1, 2],
  ])
  expect(new Set(labels.map(({ incarnation }) => incarnation)).size).toBe(1)
})

test.each<[string, Partial<PredictionIdFields>]>([
  ['was not drawn', { counts: false }],
  ['was pinned', { arm: 'pinned', counts: false, rollout: 7 }],
  ['stable answered for the canary', { shielded: true, fingerprint: stableFingerprint() }],
  ['the arm drawn did not answer', { fingerprint: stableFingerprint() }],
  ['is a row that does not stand for its request', { pickedRow: false }],
  ['has no class', { class: undefined }],
  ['is of another rollout', { rollout: 6 }],
  ['is of no rollout', { rollout: 0 }],
])('a truth is accepted and no evidence where the prediction %s', async (_, more) => {
  begin()
  expect(await reasons(id(more))).toEqual(['accepted'])
  expect(passed()).toEqual([])
})

function stableFingerprint(): bigint {
  return versionFingerprint('churn', '1.0.0', digest('1.0.0'))
}

test('without a rollout truths are counted, and nothing is sent', async () => {
  route()
  await reasons(id({ rollout: 0, arm: 'stable', fingerprint: stableFingerprint(), class: 0 }))
  expect(passed()).toEqual([])
  expect(plane.feedback.snapshot().truths).toMatchObject([
    { model: 'churn', version: '1.0.0', arm: 'stable', right: 0, wrong: 1 },
  ])
})

test('ids that are none, forged, of an unknown key, too old or of another version are refused with the reason', async () => {
  begin()
  const good = id()
  const forged = (good[20] === 'A' ? 'B' : 'A') + good.slice(21)
  const age = (days: number) => ({ timeMs: Math.max(0, clock.ms + EPOCH_OFFSET_MS - days * DAY_MS) })
  clock.ms += 91 * DAY_MS
  const cases: [string, string][] = [
    ['nonsense', 'malformed'],
    [good.slice(0, 20) + forged, 'forged'],
    ['GgAA'.padEnd(64, 'A'), 'unknown_key'],
    [id(age(91)), 'expired'],
    [id(age(89)), 'accepted'],
    [id({ fingerprint: 1n }), 'unknown_version'],
  ]
  expect(await reasons(...cases.map(([one]) => one))).toEqual(cases.map(([, reason]) => reason))
  expect(counted()).toEqual({
    ...{ malformed: 1, forged: 1, unknown_key: 1, expired: 1, unknown_version: 1, accepted: 1 },
  })
})

test('keys come and go; ids of every key in the ring are good', async () => {
  begin()
  const old = id()
  const keys = [4, 3].map((n) => ({ id: n, secret: Buffer.alloc(32, n === 3 ? 7 : 9).toString('base64') }))
  const say = (idKeys: typeof keys) =>
    plane.apply({
      ...{ kind: 'models', models: ['churn'], idKeys, epochOffsetMs: EPOCH_OFFSET_MS },
      ...{ listener: plane.listener, overload: plane.overload.settings },
    })
  say(keys)
  const young = id()
  expect(plane.idKey.id).toBe(4)
  expect(await reasons(old, young)).toEqual(['accepted', 'accepted'])
  say([keys[0]!])
  expect(await reasons(id(), sign(fields(), { ...plane.idKey, id: 3 }))).toEqual(['accepted', 'unknown_key'])
})

test('one truth that breaks the contract refuses all of them, so that all can be sent again', async () => {
  begin()
  const [one, other] = [id(), id()]
  const { status, body } = await send([truth(one), truth(other, 'churm')])
  expect([status, body.detail]).toEqual([
    422,
    [
      {
        loc: ['body', 1, 'truth'],
        type: 'not_in_enum',
        msg: 'expected an index from 0 to 1 or one of "stay", "churn", found "churm" (did you mean "churn"?)',
        input: 'churm',
      },
    ],
  ])
  expect(passed()).toEqual([])
  expect((await send([truth(one), truth(other, 'churn')])).body).toMatchObject({ accepted: 2, refused: 0 })
  expect(counted()).toEqual({ invalid: 1, accepted: 2 })
})

test('a list as long as may be has all its answers, in its order', async () => {
  begin()
  const ids = Array.from({ length: 1024 }, () => id())
  const { status, body } = await send(ids.map((one) => truth(one)))
  expect([status, body.accepted]).toEqual([202, 1024])
  expect(body.results.map((r: { prediction_id: string }) => r.prediction_id)).toEqual(ids)
  expect((await send([...ids, id()].map((one) => truth(one)))).status).toBe(413)
})

test('a model that is configured and not there yet asks for patience', async () => {
  models(['churn', 'other'])
  expect((await send(truth(id()), 'other')).status).toBe(503)
})

test('ids are remembered in fixed memory, the latest fifty thousand for certain', () => {
  const recent = new RecentIds()
  for (let i = 0; i < 120_000; i++) expect(recent.add(i)).toBe(true)
  for (let i = 70_001; i < 120_000; i++) expect(recent.add(i)).toBe(false)
  expect(recent.add(1)).toBe(true)
})
