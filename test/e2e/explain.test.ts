import { afterAll, beforeAll, expect, test } from 'vitest'
import { CUSTOMER, Gateway, json, until } from './gateway-process.ts'

let gateway: Gateway

const MODELS = `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: none
    weight: 50
    runtime: process
    keep: [1.1.0]
  digits: { initial: 1.0.0, runtime: process }`

beforeAll(async () => {
  gateway = await Gateway.start({ models: MODELS })
  await until(async () => (await gateway.model()).split?.phase === 'split')
})
afterAll(() => gateway?.dispose())

const explain = (predictionId?: string) =>
  post('/v1/models/churn:explain', {
    instances: [CUSTOMER],
    ...(predictionId && { prediction_id: predictionId }),
  })

const post = (path: string, body: unknown) =>
  fetch(`http://127.0.0.1:${gateway.ports.data}${path}`, { method: 'POST', body: JSON.stringify(body) })

/** A prediction by this version of the split. */
async function predictedBy(version: string): Promise<Response> {
  for (let i = 0; i < 200; i++) {
    const response = await gateway.predict()
    if (response.headers.get('x-model-version') === version) return response
  }
  throw new Error(`200 predictions, and none by ${version}`)
}

test.each([
  ['1.0.0', 'linear'],
  ['1.1.0', 'tree-shap'],
])('what %s predicted is explained by it, and adds up to what it said: %s', async (version, method) => {
  const prediction = await predictedBy(version)
  const { predictions } = await json(prediction)
  const response = await explain(prediction.headers.get('x-prediction-id')!)
  expect([response.status, response.headers.get('x-model-version')]).toEqual([200, version])
  const body = await json(response)
  expect(body).toMatchObject({ method, link: 'logit', model_version: version, output: 'probabilities' })
  const [{ label, base_value, contributions }] = body.explanations
  expect(label).toBe('churn')
  const sum = contributions.reduce(
    (all: number, each: { contribution: number }) => all + each.contribution,
    base_value,
  )
  expect(1 / (1 + Math.exp(-sum))).toBeCloseTo(predictions[0].probabilities[1], 5)
  expect(contributions.map(({ feature }: { feature: string }) => feature).sort()).toEqual(
    Object.keys(CUSTOMER).sort(),
  )
})

test('a list of pixels has what each of them contributes', async () => {
  const response = await post('/v1/models/digits:explain', { instances: [{ pixels: Array(64).fill(8) }] })
  const { explanations, link } = await json(response)
  expect(link).toBe('softmax')
  expect(explanations[0].contributions[0].elements).toHaveLength(64)
})

test('a prediction is explained by its version after a rollback, while that is kept', async () => {
  const isStable = (version: string) => async () =>
    (await explain()).headers.get('x-model-version') === version
  const change = (path: string, method: string, body: object) =>
    gateway.admin(`/api/v1/models/churn/${path}`, { method, json: { reason: 'a test', ...body } })
  expect((await change('stable', 'PUT', { version: '1.1.0' })).status).toBe(200)
  await until(isStable('1.1.0'))
  const prediction = await predictedBy('1.1.0')
  expect((await change('rollback', 'POST', {})).status).toBe(200)
  await until(isStable('1.0.0'))
  const later = await explain(prediction.headers.get('x-prediction-id')!)
  expect([later.status, later.headers.get('x-model-version')]).toEqual([200, '1.1.0'])
})
