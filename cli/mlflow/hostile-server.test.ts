import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as bodyOf } from 'node:stream/consumers'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { externalModel } from '@coalmine/worker/testing/external-model.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { importModel } from './import-model.ts'
import { parseModelUri } from './model-uri.ts'
import { TrackingClient } from './tracking-client.ts'

/** A registry that somebody else runs may say anything. */

const VERSION = { name: 'churn', version: '1', status: 'READY', run_id: '' }
const MLMODEL = 'flavors:\n  onnx: { data: model.onnx }\n'
type Answer = (response: ServerResponse, request: IncomingMessage) => void
const json =
  (body: unknown, status = 200): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }
const bytes =
  (body: Uint8Array): Answer =>
  (response) =>
    response.end(body)
const text =
  (body: string | Buffer): Answer =>
  (response) =>
    response.end(body)

let folder: string
let answers: Record<string, Answer>
let asked: IncomingMessage[]
let uri: string
let close: () => Promise<unknown>
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-import-'))
  asked = []
  answers = { '/api/2.0/mlflow/model-versions/get': json({ model_version: VERSION }), MLmodel: text(MLMODEL) }
  const server = createServer((request, response) => {
    asked.push(request)
    const url = new URL(request.url!, 'http://mlflow')
    const answer =
      answers[url.searchParams.get('path') ?? url.pathname] ??
      json({ error_code: 'RESOURCE_DOES_NOT_EXIST' }, 404)
    answer(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
})
afterEach(async () => {
  await close()
  rmSync(folder, { recursive: true, force: true })
})

const models = () => join(folder, 'models')
const run = (env: Record<string, string> = {}, settings = {}) =>
  importModel(new TrackingClient(uri, env), parseModelUri('models:/churn/1'), {
    ...{ modelsFolder: models(), fault: async () => undefined },
    ...settings,
  })
const left = () => (existsSync(models()) ? readdirSync(models()) : [])

describe('an import is refused, and leaves nothing behind, where', () => {
  test.each<[string, () => void, RegExp]>([
    ...['../../etc/passwd', '/etc/passwd', 'a/b.onnx', '..', 'C:\\x.onnx', '.hidden'].map(
      (path): [string, () => void, RegExp] => [
        `the model file is called ${path}`,
        () => {
          answers.MLmodel = text(`flavors:\n  onnx: { data: ${JSON.stringify(path)} }\n`)
        },
        /flavors\.onnx\.data: expected the plain name of a file/,
      ],
    ),
    ['the MLmodel is no YAML', () => (answers.MLmodel = text('{')), /MLmodel: not YAML/],
    ['the MLmodel is a list', () => (answers.MLmodel = text('- 1')), /the file: expected a mapping/],
    [
      'the MLmodel has no end',
      () => (answers.MLmodel = text('#'.repeat(2 ** 21))),
      /MLmodel: expected at most 1 MiB/,
    ],
    ['there is no MLmodel', () => delete answers.MLmodel, /has no MLmodel file/],
    ['there is no model', () => {}, /has no model\.onnx/],
    ['the model is none', () => (answers['model.onnx'] = text('<html>')), /the model is no ONNX file/],
    ...['../../.ssh/id', '/etc/passwd', 'a/b.data', ''].map((location): [string, () => void, RegExp] => [
      `the weights are said to lie in "${location}"`,
      () => (answers['model.onnx'] = bytes(externalModel(location).onnx)),
      /the weights of the model: expected the plain name of a file/,
    ]),
    [
      'the weights have the name of a file of ours',
      () => (answers['model.onnx'] = bytes(externalModel('golden.jsonl').onnx)),
      /the weights of the model lie in golden\.jsonl, a name that Coalmine has for another file/,
    ],
    [
      'the weights are not there',
      () => (answers['model.onnx'] = bytes(externalModel('weights.data').onnx)),
      /has no weights\.data, in which model\.onnx keeps weights/,
    ],
    [
      'the download breaks off',
      () =>
        (answers['model.onnx'] = (response) => {
          response.writeHead(200, { 'content-length': '1000' })
          response.write('half')
          response.socket!.end()
        }),
      /model\.onnx: the download broke off/,
    ],
    [
      'the version is not ready',
      () =>
        (answers['/api/2.0/mlflow/model-versions/get'] = json({
          model_version: { ...VERSION, status: 'FAILED_REGISTRATION', status_message: 'no disk' },
        })),
      /is FAILED_REGISTRATION, not READY: no disk/,
    ],
    [
      'the registry answers with a page',
      () => (answers['/api/2.0/mlflow/model-versions/get'] = text('<html>Sign in</html>')),
      /expected JSON, found <html>/,
    ],
    [
      'it sends elsewhere',
      () =>
        (answers['model.onnx'] = (response) => {
          response.writeHead(302, { location: 'http://127.0.0.1:1/model.onnx' })
          response.end()
        }),
      /MLflow does not answer/,
    ],
    [
      'it wants to know who asks',
      () => (answers['/api/2.0/mlflow/model-versions/get'] = json({}, 401)),
      /MLflow refuses \(401\): set MLFLOW_TRACKING_TOKEN/,
    ],
  ])('%s', async (_, prepare, message) => {
    prepare()
    await expect(run()).rejects.toThrow(message)
    expect(left()).toEqual([])
  })

  test('nobody listens', async () => {
    await close()
    await expect(run()).rejects.toThrow(/MLflow does not answer \(ECONNREFUSED\)/)
    await expect(run()).rejects.toMatchObject({ exitCode: 3 })
  })
})

describe('a model whose weights lie in another file', () => {
  const TAG = '/api/2.0/mlflow/model-versions/set-tag'
  let tags: Record<string, string>[]
  beforeEach(() => {
    const { onnx, data } = externalModel('weights.data')
    tags = []
    answers['model.onnx'] = bytes(onnx)
    answers['weights.data'] = bytes(data)
    answers[TAG] = async (response, request) => {
      tags.push(JSON.parse(await bodyOf(request)))
      json({})(response, request)
    }
  })

  test('is imported with it, named in the manifest and covered by the digest; the registry hears nothing', async () => {
    await run()
    const { manifest, digest } = await loadModelFolder(models(), 'churn', '1')
    expect(manifest.externalData).toEqual(['weights.data'])
    expect(manifest.provenance!.mlflow!.artifacts.map(({ path }) => path)).toContain('weights.data')
    writeFileSync(join(models(), 'churn/1/weights.data'), Float32Array.of(1, 1))
    expect((await loadModelFolder(models(), 'churn', '1')).digest).not.toBe(digest)
    expect(tags).toEqual([])
  })

  test('is tagged with what it has become here, when that is asked', async () => {
    await run({}, { tag: true, version: '2.0.0' })
    const { digest } = await loadModelFolder(models(), 'churn', '2.0.0')
    const of = { name: 'churn', version: '1' }
    expect(tags).toEqual([
      { ...of, key: 'coalmine.model', value: 'churn' },
      { ...of, key: 'coalmine.version', value: '2.0.0' },
      { ...of, key: 'coalmine.digest', value: digest },
    ])
  })

  test.each([
    ['refuses it', json({}, 403), /churn 1 is imported, and not tagged: MLflow refuses \(403\)/],
    ['does not know it any more', json({}, 404), /not tagged: MLflow/],
  ])('stays imported where the registry %s', async (_, answer, message) => {
    answers[TAG] = answer
    await expect(run({}, { tag: true })).rejects.toThrow(message)
    expect(left()).toEqual(['churn'])
  })
})

test('credentials come from the environment and are in no message', async () => {
  const env = { MLFLOW_TRACKING_USERNAME: 'ann', MLFLOW_TRACKING_PASSWORD: 'secret-word' }
  await expect(run(env)).rejects.not.toThrow(/secret-word/)
  expect(asked[0]!.headers.authorization).toBe(`Basic ${Buffer.from('ann:secret-word').toString('base64')}`)
  await expect(run({ ...env, MLFLOW_TRACKING_TOKEN: 't0ken' })).rejects.toThrow()
  expect(asked.at(-1)!.headers.authorization).toBe('Bearer t0ken')
})

test.each([
  [undefined, /expected --tracking-uri or MLFLOW_TRACKING_URI/],
  ['file:///tmp/mlruns', /one of HTTP/],
  ['http://ann:secret@host', /holds no credentials/],
])('the tracking URI %s is refused', (text, message) => {
  expect(() => new TrackingClient(text, {})).toThrow(message)
})

test.each([
  'models:/churn',
  'models:/churn/Production',
  'churn/1',
  'models:/a/b/1',
  'runs:/1/model',
  'models:/churn@',
])('%s names no version', (text) => {
  expect(() => parseModelUri(text)).toThrow(/expected models:\/NAME\/VERSION/)
})
