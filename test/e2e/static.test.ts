import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePorts, Gateway, ROOT, until } from './gateway-process.ts'

function worker(version: string, port: number, models: string): ChildProcess {
  const flags = ['--models', models, '--model', 'churn', '--version', version, '--port', String(port)]
  return spawn(process.execPath, [join(ROOT, 'worker/main.ts'), ...flags], { stdio: 'ignore' })
}

describe('a gateway before workers that run elsewhere', () => {
  let gateway: Gateway
  let ports: number[]
  const workers: ChildProcess[] = []
  const start = (version: string, port: number, models = join(ROOT, 'models')) => {
    const started = worker(version, port, models)
    workers.push(started)
    return started
  }
  const endpoint = async (version: string) =>
    (await gateway.model()).endpoints.filter((e: { version: string }) => e.version === version)

  beforeAll(async () => {
    ports = await freePorts(2)
    start('1.0.0', ports[0]!)
    gateway = await Gateway.start({
      // A models folder without models: what the workers serve is learnt from them.
      modelsFolder: './nothing',
      models: `  churn:
    initial: 1.0.0
    version: 1.1.0
    policy: none
    weight: 100
    runtime:
      static: { 1.0.0: ['http://localhost:${ports[0]}'], 1.1.0: ['http://127.0.0.1:${ports[1]}'] }`,
    })
  })
  afterAll(async () => {
    for (const started of workers) started.kill('SIGTERM')
    await gateway?.dispose()
  })

  test('a canary that has not come up yet is given nothing; stable answers', async () => {
    const response = await gateway.predict()
    expect([response.status, response.headers.get('x-model-version')]).toEqual([200, '1.0.0'])
    expect(await endpoint('1.1.0')).toMatchObject([
      { healthy: false, reason: expect.stringContaining('ECONNREFUSED') },
    ])
  })

  test('when it comes up it is verified and gets its share', async () => {
    start('1.1.0', ports[1]!)
    await until(
      async () => (await gateway.predict()).headers.get('x-model-version') === '1.1.0',
      () => gateway.output,
    )
    expect((await gateway.model()).split).toMatchObject({
      phase: 'split',
      canary: { version: '1.1.0', digest: expect.stringMatching(/^sha256:/) },
    })
  })

  test('when it is killed no request fails, and the requests drawn to it are counted', async () => {
    const canary = workers.at(-1)!
    canary.kill('SIGKILL')
    for (let i = 0; i < 50; i++) {
      const response = await gateway.predict()
      expect(response.status).toBe(200)
    }
    await until(async () => (await endpoint('1.1.0'))[0].healthy === false)
    const response = await gateway.predict()
    expect([response.status, response.headers.get('x-model-version')]).toEqual([200, '1.0.0'])
    await until(async () =>
      /coalmine_requests_total\{[^}]*arm="canary",outcome="unavailable"\} [1-9]/.test(
        await gateway.metrics(),
      ),
    )
  })

  test('another version on its address is not admitted', async () => {
    const impostor = start('1.2.0', ports[1]!)
    await until(async () =>
      /serves version 1\.2\.0 of churn, not 1\.1\.0/.test((await endpoint('1.1.0'))[0].reason ?? ''),
    )
    expect((await gateway.predict()).headers.get('x-model-version')).toBe('1.0.0')
    impostor.kill('SIGKILL')
  })

  test('the same version with other bytes on its address is not admitted either', async () => {
    const models = join(gateway.folder, 'other-bytes')
    const folder = join(models, 'churn', '1.1.0')
    cpSync(join(ROOT, 'models/churn/1.1.0'), folder, { recursive: true })
    appendFileSync(join(folder, 'model.yaml'), '# not what was published\n')
    const impostor = start('1.1.0', ports[1]!, models)
    await until(
      async () => /tampered/.test((await endpoint('1.1.0'))[0].reason ?? ''),
      () => gateway.output,
    )
    expect((await gateway.predict()).headers.get('x-model-version')).toBe('1.0.0')
    impostor.kill('SIGKILL')
  })

  test('the right one on its address comes back', async () => {
    start('1.1.0', ports[1]!)
    await until(async () => (await gateway.predict()).headers.get('x-model-version') === '1.1.0')
  })
})

describe('the admin API away from loopback', () => {
  test('is refused without a token, at the start', async () => {
    const gateway = new Gateway({ env: { COALMINE_LISTEN_ADMIN: '0.0.0.0:0' } })
    gateway.configure('  digits: { initial: 1.0.0, runtime: process }')
    gateway.spawn()
    expect(await gateway.exited()).toBe(2)
    expect(gateway.output).toContain('COALMINE_ADMIN_TOKEN')
    await gateway.dispose()
  })

  test('asks for the token with one', async () => {
    const token = 'a-token-of-32-characters-for-test'
    const gateway = await Gateway.start({
      models: '  digits: { initial: 1.0.0, runtime: process }',
      env: { COALMINE_ADMIN_TOKEN: token },
    })
    const status = async (authorization?: string) =>
      (await gateway.admin('/api/v1/models', authorization ? { headers: { authorization } } : {})).status
    expect([await status(), await status('Bearer wrong'), await status(`Bearer ${token}`)]).toEqual([
      401, 401, 200,
    ])
    expect(gateway.output).not.toContain(token)
    await gateway.dispose()
  })
})
