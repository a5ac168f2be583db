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
  test.each<[string, string, RequestInit | undefined, number, unknown]>([
    ['alive', '/', undefined, 200, { status: 'alive' }],
    ['live', '/livez', undefined, 200, { status: 'alive' }],
    ['ready', '/readyz', undefined, 200, { ready: true }],
    ['V1 models', '/v1/models', undefined, 200, { models: ['tabular'] }],
    ['V1 model', '/v1/models/tabular', undefined, 200, { name: 'tabular', ready: true }],
    ['V2 server', '/v2', undefined, 200, { name: 'coalmine-worker', extensions: [] }],
    ['V2 server with slash', '/v2/', undefined, 200, { name: 'coalmine-worker', extensions: [] }],
    ['V2 live', '/v2/health/live', undefined, 200, { live: true }],
    ['V2 ready', '/v2/health/ready', undefined, 200, { ready: true, live: true }],
    ['V2 models', '/v2/models', undefined, 200, { models: ['tabular'] }],
    ['V2 model ready', '/v2/models/tabular/ready', undefined, 200, { name: 'tabular', ready: true }],
    ['V2 version ready', '/v2/models/tabular/versions/1.0.0/ready', undefined, 200, { ready: true }],
    ['query parameters', '/v2/models/tabular?test_1=1', undefined, 200, { name: 'tabular' }],
    [
      'manifest',
      '/manifest',
      undefined,
      200,
      { name: 'tabular', version: '1.0.0', manifest: { name: 'tabular' } },
    ],

    ['a record', predictPath, instances(one), 200, { predictions: [{ label: 1, total: 7, echo: 'plain' }] }],
    [
      'a version',
      '/v1/models/tabular/versions/1.0.0:predict',
      instances(one),
      200,
      { model_version: '1.0.0' },
    ],
    ['tensors', inferPath, tensors([3]), 200, { model_name: 'tabular', model_version: '1.0.0' }],
    ['tensors of a version', '/v2/models/tabular/versions/1.0.0/infer', tensors([3]), 200, {}],
    ['tensors with a query', `${inferPath}?test_1=1&test_2=2`, tensors([3]), 200, {}],

    [
      'malformed JSON',
      predictPath,
      post('{"instances": [}'),
      400,
      { error: expect.stringContaining('malformed JSON') },
    ],
    ['an empty body', predictPath, post(''), 400, { error: expect.stringContaining('empty') }],
    [
      'every problem',
      predictPath,
      instances({ ...one, amount: 1e9 }, { ...one, count: 'x' }, { amount: 1 }),
      422,
      {
        error: expect.any(String),
        detail: [
          { loc: ['body', 'instances', 0, 'amount'], type: 'out_of_range' },
          { loc: ['body', 'instances', 1, 'count'], type: 'wrong_type' },
          { loc: ['body', 'instances', 2, 'count'], type: 'missing' },
          { loc: ['body', 'instances', 2, 'kind'], type: 'missing' },
        ],
      },
    ],
    [
      'an unknown output',
      inferPath,
      tensors([3], { outputs: [{ name: 'nope' }] }),
      422,
      { detail: expect.any(Array) },
    ],
    [
      'too many instances',
      predictPath,
      instances(...Array(101).fill(one)),
      413,
      { error: expect.any(String) },
    ],
    [
      'too large a body',
      predictPath,
      post('x'.repeat(17_000)),
      413,
      { error: 'the body is larger than 16384 bytes' },
    ],
    [
      'an encoded body',
      predictPath,
      post('x', { 'content-encoding': 'gzip' }),
      415,
      { error: expect.any(String) },
    ],
    [
      'an unknown model',
      '/v1/models/nope:predict',
      instances(one),
      404,
      { error: expect.stringMatching(/^Request for unknown model: 'nope'/) },
    ],
    [
      'an unknown model, V2',
      '/v2/models/nope/infer',
      tensors([3]),
      404,
      { error: expect.stringMatching(/^Request for unknown model: 'nope'/) },
    ],
    [
      'an unknown version',
      '/v2/models/tabular/versions/9/infer',
      tensors([3]),
      404,
      { error: expect.stringMatching(/^Request for unknown model: 'tabular version 9'/) },
    ],
    ['an unknown verb', '/v1/models/tabular:dance', instances(one), 404, { error: expect.any(String) }],
    ['an unknown path', '/nope', undefined, 404, { error: 'there is nothing at /nope' }],
    [
      'the wrong method',
      predictPath,
      { method: 'PUT', body: '{}' },
      405,
      { error: 'PUT is not possible here; POST is' },
    ],
    [
      'the wrong method, V2',
      '/v2/health/live',
      post('{}'),
      405,
      { error: 'POST is not possible here; GET, HEAD is' },
    ],

    ['a model that throws', predictPath, instances({ ...one, count: 10 }), 500, { error: 'model error' }],
    [
      'a model that gives NaN',
      predictPath,
      instances({ ...one, amount: null }),
      500,
      { error: 'model error' },
    ],
    [
      'no time left',
      predictPath,
      { ...instances(one), headers: { 'x-coalmine-budget-ms': '0' } },
      504,
      { error: expect.any(String) },
    ],
  ])('%s', async (_, path, init, status, body) => {
    const response = await send(path, init)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject(body as object)
    expect(response.status).toBe(status)
  })
})
