import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CUSTOMER, Gateway, json, PATIENT, ROOT, until } from './gateway-process.ts'

const MODELS = `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: none
    weight: 20
    runtime: process
    resilience: { ${PATIENT} }
  digits: { initial: 1.0.0, runtime: process }`

interface Golden {
  record: Record<string, unknown>
  outputs: { label: number; probabilities: number[] }
}

function golden(model: string, version: string): Golden[] {
  const text = readFileSync(join(ROOT, 'models', model, version, 'golden.jsonl'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a fresh start with two versions of a real model', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await Gateway.start({ models: MODELS })
    await until(async () => (await gateway.model()).split?.phase === 'split')
  })
  afterAll(() => gateway?.dispose())

  test.each([
    ['churn', '1.0.0'],
    ['churn', '1.1.0'],
    ['digits', '1.0.0'],
  ])('%s %s answers what scikit-learn answered, to 1e-5', async (model, version) => {
    const expected = golden(model, version)
    const response = await gateway.predict(
      expected.map((g) => g.record),
      {},
      `/v1/models/${model}/versions/${version}:predict`,
    )
    expect(response.status).toBe(200)
    expect(response.headers.get('x-model-version')).toBe(version)
    const { predictions } = await json(response)
    expected.forEach(({ outputs }, i) => {
      expect(predictions[i].label).toBe(outputs.label)
      outputs.probabilities.forEach((p, k) => {
        expect(Math.abs(predictions[i].probabilities[k] - p)).toBeLessThanOrEqual(1e-5)
      })
    })
  })

  test('the canary gets its share and every answer says which version gave it', async () => {
    const versions = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const response = await gateway.predict()
        expect(response.status, response.status === 200 ? '' : await response.clone().text()).toBe(200)
        const { model_version } = await json(response)
        expect(model_version).toBe(response.headers.get('x-model-version'))
        return model_version as string
      }),
    )
    const canary = versions.filter((version) => version === '1.1.0').length
    // 1000 draws at 20 %: outside 130..270 with probability below 1e-7.
    expect(canary).toBeGreaterThan(130)
    expect(canary).toBeLessThan(270)
    await until(async () =>
      (await gateway.metrics()).includes(
        'coalmine_requests_total{model="churn",version="1.1.0",arm="canary",outcome="ok"}',
      ),
    )
    expect(await gateway.metrics()).toContain(
      'coalmine_weight_configured{model="churn",version="1.1.0",arm="canary"} 0.2',
    )
  })

  test('a bad record gets 422 with every problem at once', async () => {
    const { contract: _, ...rest } = CUSTOMER
    const response = await gateway.predict([
      { ...rest, tenure_months: '14', monthly_charges: 501, plan: 'gold' },
    ])
    expect(response.status).toBe(422)
    const { error, detail } = await json(response)
    expect(error).toContain('4 problems')
    expect(detail.map((d: { loc: unknown[]; type: string }) => [d.loc.join('.'), d.type])).toEqual(
      expect.arrayContaining([
        ['body.instances.0.tenure_months', 'wrong_type'],
        ['body.instances.0.monthly_charges', 'out_of_range'],
        ['body.instances.0.contract', 'missing'],
        ['body.instances.0.plan', 'unknown_field'],
      ]),
    )
  })

  test.each([
    ['broken JSON', '{"instances": [', 400, 'JSON'],
    ['an empty list', '{"instances": []}', 422, 'instances'],
    ['10,000 instances', JSON.stringify({ instances: Array(10_000).fill({}) }), 413, 'batch'],
    ['not an object', '[1, 2]', 422, 'instances'],
  ])('%s gets a clear answer', async (_, body, status, word) => {
    const response = await gateway.data('/v1/models/churn:predict', { method: 'POST', body })
    expect([response.status, (await json(response)).error]).toEqual([status, expect.stringContaining(word)])
  })

  test('tensors work as records do', async () => {
    const document = await json(await gateway.data('/openapi.json'))
    for (const model of ['churn', 'digits']) {
      const { example } =
        document.paths[`/v2/models/${model}/infer`].post.requestBody.content['application/json']
      const response = await gateway.data(`/v2/models/${model}/infer`, {
        method: 'POST',
        body: JSON.stringify(example),
      })
      const answer = await json(response)
      expect([response.status, answer.id, answer.model_name]).toEqual([200, 'example', model])
      expect(answer.parameters.prediction_id).toBe(response.headers.get('x-prediction-id'))
    }
  })

  test('every documented example works when tried', async () => {
    const document = await json(await gateway.data('/openapi.json'))
    const calls = Object.entries<Record<string, never>>(document.paths).filter(
      ([, methods]) => 'post' in methods,
    )
    expect(calls).toHaveLength(14)
    for (const [path, { post }] of calls as [string, { post: never }][]) {
      const { requestBody, parameters } = post as {
        requestBody: { content: Record<string, { example: unknown }> }
        parameters?: { name: string; schema: { enum?: string[] } }[]
      }
      const versions = parameters?.find(({ name }) => name === 'version')?.schema.enum ?? ['']
      for (const version of versions) {
        const url = path.replace('{version}', version)
        const response = await gateway.data(url, {
          method: 'POST',
          body: JSON.stringify(requestBody.content['application/json']!.example),
        })
        // Truths are taken, not answered.
        expect([url, response.status]).toEqual([url, url.endsWith(':feedback') ? 202 : 200])
      }
    }
  })

  test('the documentation needs no other host', async () => {
    const page = await (await gateway.data('/docs')).text()
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    for (const [, asset] of page.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g))
      expect(await gateway.status(asset!)).toBe(200)
  })

  test('a second gateway on the same ports says so and ends', async () => {
    const second = new Gateway()
    second.ports = gateway.ports
    second.configure(MODELS)
    second.spawn()
    expect(await second.exited()).toBe(2)
    expect(second.output).toMatch(/127\.0\.0\.1:\d+ is already in use.*change listen\.\w+/)
    await second.dispose()
    expect(await gateway.status('/readyz')).toBe(200)
  })

  test('a second gateway with the same state folder says so and ends', async () => {
    const { configFile } = gateway
    const second = new Gateway({
      env: {
        COALMINE_LISTEN_DATA: '127.0.0.1:0',
        COALMINE_LISTEN_ADMIN: '127.0.0.1:0',
        COALMINE_LISTEN_METRICS: '127.0.0.1:0',
      },
    })
    Object.defineProperty(second, 'configFile', { value: configFile })
    second.spawn()
    expect(await second.exited()).toBe(2)
    expect(second.output).toContain('another gateway is running with the state folder')
  })
})
