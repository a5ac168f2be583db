import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { readComposeFile } from './compose-file.ts'
import { type Container, freePort, startContainer } from './container.ts'
import { buildImage } from './image-folder.ts'

/** Folders that hold what each image would hold, built by carrying out its Dockerfile, and their start commands. */

const ROOT = join(import.meta.dirname, '../..')
const { services } = readComposeFile(ROOT)
const packageOf = (folder: string) => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
const [{ record }] = readFileSync(join(ROOT, 'models/churn/1.0.0/golden.jsonl'), 'utf8')
  .split('\n', 1)
  .map((line) => JSON.parse(line)) as [{ record: unknown }]

type Image = Awaited<ReturnType<typeof buildImage>>
let gateway: Image
let worker: Image
let standalone: Image
let batch: Image

// One after the other: they would only share one network and one disk. Every build downloads what npm's cache lacks.
beforeAll(async () => {
  worker = await buildImage(ROOT, 'worker/Dockerfile', 'worker')
  gateway = await buildImage(ROOT, 'gateway/Dockerfile', 'gateway')
  standalone = await buildImage(ROOT, 'gateway/Dockerfile', 'standalone')
  batch = await buildImage(ROOT, 'cli/Dockerfile', 'batch')
  await cp(join(ROOT, 'models'), join(worker.root, 'models'), { recursive: true })
}, 600_000)
afterAll(() => Promise.all([worker, gateway, standalone, batch].map((image) => image?.remove())))

const running: Container[] = []
const start = (...args: Parameters<typeof startContainer>) => {
  const container = startContainer(...args)
  running.push(container)
  return container
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((container) => container.stop()))
})

/** Waits until the address answers 200; what a container printed says why it does not. */
function answers(url: string, container: Container): Promise<void> {
  return vi.waitFor(
    async () => {
      const response = await fetch(url).catch((error) => {
        throw new Error(`${url}: ${error.cause ?? error}\n${container.output()}`)
      })
      if (!response.ok)
        throw new Error(`${url}: ${response.status} ${await response.text()}\n${container.output()}`)
    },
    { timeout: 60_000, interval: 50 },
  )
}

/** Waits until a prediction comes from that version: a gateway is ready once one of its models is. */
function predicts(url: string, version: unknown): Promise<void> {
  return vi.waitFor(
    async () => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ instances: [record] }),
      })
      expect({ status: response.status, body: await response.json() }).toMatchObject({
        status: 200,
        body: { model_name: 'churn', model_version: version, predictions: [expect.any(Object)] },
      })
    },
    { timeout: 60_000, interval: 50 },
  )
}

describe('the images', () => {
  const images = (): [name: string, image: Image, workspaces: string[]][] => [
    ['gateway', gateway, ['core', 'contract', 'policy', 'gateway']],
    ['worker', worker, ['contract', 'worker']],
    ['standalone', standalone, ['core', 'contract', 'policy', 'worker', 'gateway']],
    ['batch', batch, ['core', 'contract', 'policy', 'worker', 'cli']],
  ]
  const packagesIn = ({ root }: Image) => readdirSync(join(root, 'app/node_modules'))

  test('hold the production dependencies of their workspaces', () => {
    for (const [name, image, workspaces] of images()) {
      for (const dependency of workspaces.flatMap((each) =>
        Object.keys(packageOf(each).dependencies ?? {}),
      )) {
        const present = existsSync(join(image.root, 'app/node_modules', dependency, 'package.json'))
        expect([name, dependency, present]).toEqual([name, dependency, true])
      }
    }
  })

  test('hold no development dependency and no second Node', () => {
    const root = packageOf('.')
    // Benchmarks use packages of the product too; those belong there.
    const product = ['contract', 'policy', 'gateway', 'worker', 'cli'].flatMap((workspace) =>
      Object.keys(packageOf(workspace).dependencies ?? {}),
    )
    const others = Object.keys({ ...root.devDependencies, ...root.optionalDependencies })
    for (const name of others.filter((other) => !product.includes(other))) {
      for (const [, image] of images())
        expect(existsSync(join(image.root, 'app/node_modules', name))).toBe(false)
    }
  })

  test('score a file as a job on a cluster would', async () => {
    const folder = join(batch.root, 'data')
    await mkdir(folder)
    await chmod(folder, 0o777)
    await cp(join(ROOT, 'models'), join(batch.root, 'models'), { recursive: true })
    await writeFile(join(folder, 'in.jsonl'), `${JSON.stringify(record)}\n`)
    const flags = ['--models', '/models', '--model', 'churn', '--version', '1.0.0']
    const files = ['--in', '/data/in.jsonl', '--out', '/data/out', '--shard-count', '1']
    const inside = [...flags, ...files].map((word) => (word.startsWith('/') ? join(batch.root, word) : word))
    const command = [...batch.command.slice(0, -1), ...inside]
    const job = start({ ...batch, command }, { JOB_COMPLETION_INDEX: '0' })
    expect([await job.exited(), job.output()]).toEqual([0, expect.stringContaining('1 rows scored')])
    expect(existsSync(join(folder, 'out/_SUCCESS'))).toBe(true)
  })

  test('hold nothing of the other side', () => {
    expect(packagesIn(gateway).filter((name) => name.startsWith('onnxruntime'))).toEqual([])
    expect(packagesIn(worker)).not.toContain('undici')
    expect(readdirSync(join(gateway.root, 'app'))).not.toContain('worker')
    expect(readdirSync(join(worker.root, 'app'))).not.toContain('gateway')
  })

  test('hold the libraries of ONNX Runtime for their own platform only', () => {
    for (const image of [worker, standalone, batch]) {
      const libraries = join(image.root, 'app/node_modules/onnxruntime-node/bin/napi-v6')
      expect(readdirSync(libraries)).toEqual(['linux'])
      expect(readdirSync(join(libraries, 'linux'))).toEqual([process.arch])
    }
  })

  test('hold the operators’ page, built, and none of its sources', () => {
    for (const image of [gateway, standalone]) {
      const page = join(image.root, 'app/console')
      const files = readdirSync(page, { recursive: true, encoding: 'utf8' })
      // A bundle's name holds a digest in base64, so which of the two comes first changes with the build.
      expect(files.map((file) => file.replace(/index-[\w-]+\./, 'index.')).sort()).toEqual([
        'dist',
        'dist/assets',
        'dist/assets/index.css',
        'dist/assets/index.js',
        'dist/index.html',
      ])
    }
  })

  test('hold no tests', () => {
    for (const [, image, workspaces] of images()) {
      for (const workspace of workspaces) {
        const files = readdirSync(join(image.root, 'app', workspace), { recursive: true, encoding: 'utf8' })
        expect(files.filter((file) => /\.test\.ts$|(^|\/)testing(\/|$)/.test(file))).toEqual([])
      }
    }
  })
})

/** A worker of compose.yaml on a port of its own. */
async function startWorker(service: string) {
  const port = await freePort()
  const environment = services[service]!.environment!
  const container = start(worker, {
    ...environment,
    COALMINE_WORKER_HOST: '127.0.0.1',
    COALMINE_WORKER_PORT: `${port}`,
  })
  await answers(`http://127.0.0.1:${port}/readyz`, container)
  return { container, origin: `http://127.0.0.1:${port}` }
}

async function startGateway(image: Image, env: Record<string, string>) {
  const [data, admin, metrics] = [await freePort(), await freePort(), await freePort()]
  const container = start(image, {
    COALMINE_LISTEN_DATA: `127.0.0.1:${data}`,
    COALMINE_LISTEN_ADMIN: `127.0.0.1:${admin}`,
    COALMINE_LISTEN_METRICS: `127.0.0.1:${metrics}`,
    COALMINE_HEALTH_URL: `http://127.0.0.1:${data}/livez`,
    ...env,
  })
  await answers(`http://127.0.0.1:${data}/readyz`, container)
  return { container, data: `http://127.0.0.1:${data}`, metrics: `http://127.0.0.1:${metrics}` }
}

describe("the worker image's start command", () => {
  test('serves a model, calls itself healthy, and stops when told to', async () => {
    const { container, origin } = await startWorker('churn-100')
    expect(await container.healthcheck()).toBe(0)
    await predicts(`${origin}/v1/models/churn:predict`, '1.0.0')
    expect(await (await fetch(`${origin}/metrics`)).text()).toContain('# TYPE coalmine_worker_')
    expect(await container.stop()).toBe(0)
    expect(await container.healthcheck()).toBe(1)
  })

  test('says what is missing when no model is named', async () => {
    const container = start(worker, {})
    expect(await container.exited()).toBe(2)
    expect(container.output()).toContain('--model is missing')
  })
})

describe("the gateway image's start command", () => {
  test('serves the workers as compose.yaml sets them up, and stops when told to', async () => {
    const origins = new Map<string, string>()
    for (const service of ['churn-100', 'churn-100-baseline', 'churn-110'])
      origins.set(service, (await startWorker(service)).origin)
    // What compose.yaml mounts at /app/config, with the addresses that the workers have here.
    const config = join(gateway.root, 'app/config')
    await cp(join(ROOT, 'deploy/compose'), config, { recursive: true })
    const written = await readFile(join(config, 'gateway.yaml'), 'utf8')
    const here = written.replaceAll(
      /http:\/\/(churn-\d+(?:-baseline)?):9000/g,
      (_, service) => origins.get(service)!,
    )
    await writeFile(join(config, 'gateway.yaml'), here)

    const { container, data, metrics } = await startGateway(gateway, {
      COALMINE_STORE: 'sqlite:/data/coalmine.db',
      COALMINE_ADMIN_TOKEN: 'sixteen-characters-or-more',
    })
    expect(await container.healthcheck()).toBe(0)
    for (const version of ['1.0.0', '1.1.0'])
      await predicts(`${data}/v1/models/churn/versions/${version}:predict`, version)
    await predicts(`${data}/v1/models/churn:predict`, expect.stringMatching(/^1\.[01]\.0$/))
    expect(await (await fetch(`${metrics}/metrics`)).text()).toContain('# TYPE coalmine_')
    expect(existsSync(join(gateway.root, 'data/coalmine.db'))).toBe(true)
    expect(await container.stop()).toBe(0)
  })
})

describe("the standalone image's start command", () => {
  test('starts its own workers from the configuration and models inside, and stops when told to', async () => {
    const { container, data } = await startGateway(standalone, {})
    expect(await container.healthcheck()).toBe(0)
    await predicts(`${data}/v1/models/churn/versions/1.0.0:predict`, '1.0.0')
    expect(await container.stop()).toBe(0)
  })
})
