import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../containers/container.ts'
import { Gateway, ROOT, until } from '../e2e/gateway-process.ts'

const BIN = join(import.meta.dirname, '.venv/bin')

const folder = mkdtempSync(join(tmpdir(), 'coalmine-mlflow-'))
const models = join(folder, 'models')
let server: ChildProcess
let output = ''
let uri: string
let logged: {
  run: string
  record: Record<string, unknown>
  churn: number
  single: number
  wide: number[]
  network: number
}

const coalmine = (...args: string[]) =>
  spawnSync(
    process.execPath,
    [join(ROOT, 'cli/main.ts'), 'model', 'import', 'mlflow', ...args, '--models', models],
    {
      encoding: 'utf8',
      env: { ...process.env, MLFLOW_TRACKING_URI: uri },
    },
  )

beforeAll(async () => {
  const port = await freePort()
  uri = `http://127.0.0.1:${port}`
  const stores = [
    '--backend-store-uri',
    `sqlite:///${folder}/mlflow.db`,
    '--artifacts-destination',
    join(folder, 'artifacts'),
  ]
  server = spawn(
    join(BIN, 'mlflow'),
    ['server', '--host', '127.0.0.1', '--port', `${port}`, '--workers', '1', ...stores],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  )
  for (const stream of [server.stdout!, server.stderr!]) stream.on('data', (text) => (output += text))
  await until(
    async () => (await fetch(`${uri}/health`).catch(() => undefined))?.ok === true,
    () => output,
  )
  const said = spawnSync(join(BIN, 'python'), [join(import.meta.dirname, 'log_models.py')], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, MLFLOW_TRACKING_URI: uri },
  })
  if (said.status !== 0) throw new Error(said.stderr)
  logged = JSON.parse(
    said.stdout
      .trim()
      .split('\n')
      .findLast((line) => line.startsWith('{'))!,
  )
}, 300_000)
afterAll(() => {
  // The server's workers are processes of their own, in its group.
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test('a model that Python logged is served, and answers as it did there', async () => {
  const { status, stdout, stderr } = coalmine('models:/churn@champion', '--version', '1.0.0')
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/churn 1\.0\.0 is in /)
  const single = coalmine('models:/Single Tensor/1', '--name', 'single')
  expect([single.status, single.stderr]).toEqual([0, ''])
  const network = coalmine('models:/network/1', '--tag')
  expect([network.status, network.stderr]).toEqual([0, ''])
  const gateway = await Gateway.start({
    modelsFolder: models,
    models:
      '  churn: { initial: 1.0.0, runtime: process }\n  single: { initial: "1", runtime: process }\n  network: { initial: "1", runtime: process }',
  })
  try {
    const predict = async (model: string, record: unknown) => {
      const response = await fetch(`http://127.0.0.1:${gateway.ports.data}/v1/models/${model}:predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ instances: [record] }),
      })
      const body = (await response.json()) as { predictions: { probabilities: number[] }[] }
      expect([response.status, body]).toEqual([200, expect.anything()])
      return body.predictions[0]!.probabilities[1]
    }
    const { age, charges } = logged.record
    for (const model of ['single', 'network'])
      await until(async () => (await gateway.status(`/v1/models/${model}`)) === 200)
    expect(await predict('churn', logged.record)).toBeCloseTo(logged.churn, 5)
    expect(await predict('single', { X: [age, charges] })).toBeCloseTo(logged.single, 5)
    expect(await predict('network', { X: logged.wide })).toBeCloseTo(logged.network, 5)
  } finally {
    await gateway.dispose()
  }
})

test('it scores a file that pandas wrote into files that pandas reads', () => {
  const python = (...args: string[]) => {
    const said = spawnSync(join(BIN, 'python'), [join(import.meta.dirname, 'parquet_files.py'), ...args], {
      encoding: 'utf8',
    })
    expect([said.status, said.stderr]).toEqual([0, ''])
    return said.stdout
  }
  const [input, scored] = [join(folder, 'customers.parquet'), join(folder, 'scored')]
  python('write', input, JSON.stringify(logged.record))
  const job = ['--model', 'churn', '--version', '1.0.0', '--models', models, '--in', input, '--out', scored]
  const batch = spawnSync(process.execPath, [join(ROOT, 'cli/main.ts'), 'batch', 'predict', ...job], {
    encoding: 'utf8',
  })
  expect([batch.status, batch.stderr]).toEqual([0, expect.anything()])
  const { types, rows } = JSON.parse(python('read', `${scored}/part-0000-00000.parquet`))
  expect(types).toMatchObject({ customer_id: 'int64', score: 'float32', output_label: 'int64' })
  expect(rows).toHaveLength(3)
  expect(rows[1]).toMatchObject({
    ...{ customer_id: `${2n ** 62n + 1n}`, plan: logged.record.plan },
    ...{ score: expect.closeTo(logged.churn, 5), model_name: 'churn', model_version: '1.0.0' },
  })
})

test('its provenance says where it came from, with a hash of everything that was fetched', async () => {
  const { manifest, golden } = await loadModelFolder(models, 'churn', '1.0.0')
  expect(manifest).toMatchObject({
    inputs: [
      { name: 'age', type: 'int64' },
      { name: 'plan', type: 'string' },
      { name: 'charges', type: 'float32' },
    ],
    score: { output: 'probabilities', index: 1 },
    provenance: {
      mlflowRunId: logged.run,
      mlflow: {
        ...{
          model: 'churn',
          version: '1',
          alias: 'champion',
          params: { n_estimators: '20' },
          metrics: { auc: 0.91 },
        },
        datasets: [{ name: 'customers', digest: expect.any(String), context: 'training' }],
        artifacts: expect.arrayContaining([
          { path: 'model.onnx', bytes: expect.any(Number), sha256: manifest.sha256 },
        ]),
      },
    },
  })
  expect(golden).toHaveLength(5)
})

test('weights in a file beside the model are named and covered, and the registry knows the version by its tags', async () => {
  const { manifest, digest } = await loadModelFolder(models, 'network', '1')
  expect(manifest.externalData).toHaveLength(1)
  const answer = await fetch(`${uri}/api/2.0/mlflow/model-versions/get?name=network&version=1`)
  const { model_version } = (await answer.json()) as { model_version: { tags: unknown[] } }
  expect(model_version.tags).toEqual(
    expect.arrayContaining([
      { key: 'coalmine.version', value: '1' },
      { key: 'coalmine.digest', value: digest },
    ]),
  )
})

test.each([
  ['models:/churn/9', /the registry has no version 9 of model 'churn'/],
  ['models:/nobody/1', /the registry has no version 1 of model 'nobody'/],
  ['models:/churn@nobody', /the registry has no alias 'nobody' of model 'churn'/],
  [
    'models:/pickled/1',
    /flavors: expected onnx, found .*sklearn; log the model with mlflow\.onnx\.log_model/,
  ],
  ['models:/zipmap/1', /expected a tensor, .* zipmap off/],
  ['models:/Single Tensor/1', /'Single Tensor' cannot be used here: .*; give another by --name/],
])('%s is refused, and nothing is left behind', (model, message) => {
  const { status, stderr } = coalmine(model)
  expect(status).toBeGreaterThan(0)
  expect(stderr).toMatch(message)
  expect(readdirSync(models).filter((name) => name.startsWith('.'))).toEqual([])
})

test('a version that is there is not written over', () => {
  const { status, stderr } = coalmine('models:/churn/1', '--version', '1.0.0')
  expect([status, stderr]).toEqual([1, expect.stringContaining('is there already: versions do not change')])
  expect(existsSync(join(models, 'churn/1.0.0/model.yaml'))).toBe(true)
})
