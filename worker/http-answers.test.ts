import { parseAnswer } from '@coalmine/contract/internal-headers.ts'
import { afterAll, describe, expect, test } from 'vitest'
import {
  inferPath,
  instances,
  one,
  post,
  predictPath,
  startTabular,
  tensors,
} from './testing/tabular-worker.ts'

const { adapters, close } = await startTabular()
afterAll(close)

describe.each(adapters)('%s', (_, send) => {
  test('a V1 answer says who predicted, and no id unless it is asked for', async () => {
    const response = await send(predictPath, { ...instances(one), headers: { 'x-request-id': 'mine' } })
    const digest = response.headers.get('x-model-digest')
    expect(await response.json()).toEqual({
      predictions: [
        { label: 1, probabilities: [expect.any(Number), expect.any(Number)], total: 7, echo: 'plain' },
      ],
      model_name: 'tabular',
      model_version: '1.0.0',
      parameters: { model_digest: digest, mlflow_run_id: 'run-7' },
    })
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(response.headers.get('x-model-name')).toBe('tabular')
    expect(response.headers.get('x-model-version')).toBe('1.0.0')
    expect(response.headers.get('x-request-id')).toBe('mine')
    expect(response.headers.get('x-coalmine-answer')).toBeNull()
  })

  test('floats come back as the float32 that the model gave', async () => {
    const response = await send(predictPath, instances({ ...one, amount: 0.1 }))
    const { predictions } = (await response.json()) as { predictions: { total: number }[] }
    expect(Math.fround(predictions[0]!.total)).toBe(Math.fround(Math.fround(0.1) + 4))
  })

  test('a V2 answer echoes the id, holds the outputs asked for, flat, and says who predicted', async () => {
    const response = await send(
      inferPath,
      tensors([3, 5], { id: 'its-id', outputs: [{ name: 'total' }, { name: 'label' }] }),
    )
    expect(await response.json()).toEqual({
      model_name: 'tabular',
      model_version: '1.0.0',
      id: 'its-id',
      parameters: {
        model_version: '1.0.0',
        model_digest: response.headers.get('x-model-digest'),
        mlflow_run_id: 'run-7',
      },
      outputs: [
        { name: 'total', datatype: 'FP32', shape: [2], data: [7, 9] },
        { name: 'label', datatype: 'INT64', shape: [2], data: [1, 1] },
      ],
    })
    expect(response.headers.get('x-request-id')).toBe('its-id')
  })

  test('a V2 answer without an id gets the one of the request', async () => {
    const response = await send(inferPath, tensors([3]))
    const { id } = (await response.json()) as { id: string }
    expect(id).toBe(response.headers.get('x-request-id'))
  })

  test.each([
    ['ascii', 'plain'],
    ['not ascii', 'Größe 😀'],
  ])('a pick asks for placeholders, found at byte offsets: %s', async (_, kind) => {
    const records = [
      { ...one, kind },
      { ...one, amount: -900, kind },
      { ...one, kind },
    ]
    const response = await send(predictPath, post({ instances: records }, { 'x-coalmine-pick': '4' }))
    const bytes = Buffer.from(await response.arrayBuffer())
    const answer = parseAnswer(response.headers.get('x-coalmine-answer')!)!
    expect(answer).toMatchObject({ rows: 3, row: 1, class: 0 })
    for (const offset of answer.ids) bytes.fill('A', offset, offset + 64)
    const { predictions } = JSON.parse(bytes.toString()) as {
      predictions: { prediction_id: string; probabilities: number[] }[]
    }
    expect(predictions.map((each) => each.prediction_id)).toEqual(Array(3).fill('A'.repeat(64)))
    expect(answer.score).toBe(predictions[1]!.probabilities[1])
  })

  test('more than 64 rows have no id each', async () => {
    const response = await send(
      predictPath,
      post({ instances: Array(65).fill(one) }, { 'x-coalmine-pick': '0' }),
    )
    expect(parseAnswer(response.headers.get('x-coalmine-answer')!)).toMatchObject({ rows: 65, ids: [] })
    expect(await response.text()).not.toContain('prediction_id')
  })

  test('a V2 answer has one id, in its parameters', async () => {
    const init = tensors([3, 5], { id: 'Größe' })
    const response = await send(inferPath, { ...init, headers: { 'x-coalmine-pick': '1' } })
    const bytes = Buffer.from(await response.arrayBuffer())
    const { ids, row } = parseAnswer(response.headers.get('x-coalmine-answer')!)!
    bytes.fill('A', ids[0]!, ids[0]! + 64)
    expect(JSON.parse(bytes.toString())).toMatchObject({
      id: 'Größe',
      parameters: { prediction_id: 'A'.repeat(64) },
    })
    expect([ids.length, row]).toEqual([1, 1])
  })

  test('V1 and V2 requests at once: each gets its own rows, and the guilty one fails alone', async () => {
    const amounts = Array.from({ length: 40 }, (_, i) => i)
    const answers = await Promise.all(
      amounts.map(async (amount) => {
        if (amount === 13) return (await send(predictPath, instances({ ...one, count: 11 }))).status
        if (amount % 2 === 0) {
          const { predictions } = (await (await send(predictPath, instances({ ...one, amount }))).json()) as {
            predictions: { total: number }[]
          }
          return predictions[0]!.total
        }
        const { outputs } = (await (
          await send(inferPath, tensors([amount], { outputs: [{ name: 'total' }] }))
        ).json()) as {
          outputs: { data: number[] }[]
        }
        return outputs[0]!.data[0]
      }),
    )
    expect(answers).toEqual(amounts.map((amount) => (amount === 13 ? 500 : amount + 4)))
  })

  test('100 rows through runs of 16', async () => {
    const records = Array.from({ length: 100 }, (_, amount) => ({ ...one, amount }))
    const { predictions } = (await (await send(predictPath, instances(...records))).json()) as {
      predictions: { total: number }[]
    }
    expect(predictions.map(({ total }) => total)).toEqual(records.map(({ amount }) => amount + 4))
  })

  test('V2 metadata comes from the manifest', async () => {
    expect(await (await send('/v2/models/tabular')).json()).toMatchObject({
      name: 'tabular',
      versions: ['1.0.0'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'amount', datatype: 'FP32', shape: [-1, 1] },
        { name: 'count', datatype: 'INT64', shape: [-1, 1] },
        { name: 'kind', datatype: 'BYTES', shape: [-1, 1] },
      ],
    })
  })

  test('metrics count requests by route and outcome', async () => {
    await send(predictPath, instances(one))
    const text = await (await send('/metrics')).text()
    expect(text).toMatch(
      /^coalmine_worker_request_duration_seconds_count\{model="tabular",version="1.0.0",route="v1_predict",outcome="ok"\} [1-9]/m,
    )
    expect(text).toMatch(/^coalmine_worker_model_info\{.*threading="inline",rows_per_run="16"\} 1$/m)
    expect(text).toMatch(/^coalmine_worker_batch_rows_count\{.*\} [1-9]/m)
    expect(text).toContain('nodejs_eventloop_lag_seconds')
  })

  test('nothing of the inside shows in an error', async () => {
    const response = await send(predictPath, instances({ ...one, count: 10 }))
    expect(await response.text()).toBe('{"error":"model error"}')
  })
})

test('a draining worker takes no more, and says when to come back', async () => {
  const other = await startTabular()
  const { app, drain } = other.worker
  await drain()
  const response = await app.request(predictPath, instances(one))
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await response.json()).toEqual({ error: 'tabular 1.0.0 is not ready: the worker is shutting down' })
  expect((await app.request('/readyz')).status).toBe(503)
  expect((await app.request('/livez')).status).toBe(200)
  await other.close()
})
