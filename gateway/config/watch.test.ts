import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { environmentToken } from './access-schema.ts'
import type { GatewayConfig } from './gateway-config.ts'
import { readConfig, readSource } from './read-config.ts'
import { type ConfigNews, type ConfigWatch, watchConfig } from './watch.ts'

const FAST = { settleMs: 5, pollMs: 60_000 }
const serving = (model: string) => `models: { ${model}: { initial: 1.0.0 } }\n`

let folder: string
let file: string
let open: ConfigWatch | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coalmine-config-'))
  file = join(folder, 'gateway.yaml')
})
afterEach(async () => {
  open?.close()
  await rm(folder, { recursive: true })
})

/** Models, and policies with the percent of their first step. */
function summary({ models, policies }: GatewayConfig): string {
  const steps = Object.values(policies).map(
    ({ policy }) => `${policy.name}@${policy.steps[0]!.weightBp / 100}`,
  )
  return [...Object.keys(models), ...steps].join()
}

/** The news of a file, one after the other. */
async function follow(options: Partial<Parameters<typeof watchConfig>[1]> = {}) {
  const waiting: ((news: string) => void)[] = []
  const arrived: string[] = []
  const onNews = (news: ConfigNews) => {
    const text = 'config' in news ? summary(news.config) : news.error.message
    const next = waiting.shift()
    if (next) next(text)
    else arrived.push(text)
  }
  open = watchConfig(await readSource(file, {}), { file, env: {}, onNews, ...FAST, ...options })
  return () =>
    new Promise<string>((resolve) => {
      const next = arrived.shift()
      if (next === undefined) waiting.push(resolve)
      else resolve(next)
    })
}

test('an edit in place, and another one', async () => {
  await writeFile(file, serving('one'))
  const news = await follow()
  await writeFile(file, serving('two'))
  expect(await news()).toBe('two')
  await writeFile(file, serving('three'))
  expect(await news()).toBe('three')
})

test('an editor that renames a new file into place', async () => {
  await writeFile(file, serving('one'))
  const news = await follow()
  for (const model of ['two', 'three']) {
    await writeFile(join(folder, '.swap'), serving(model))
    await rename(join(folder, '.swap'), file)
    expect(await news()).toBe(model)
  }
})

test('a ConfigMap that swaps the symbolic link of its folder', async () => {
  for (const model of ['one', 'two']) {
    await mkdir(join(folder, `..${model}`))
    await writeFile(join(folder, `..${model}`, 'gateway.yaml'), serving(model))
  }
  await symlink('..one', join(folder, '..data'))
  await symlink('..data/gateway.yaml', file)
  const news = await follow()
  await symlink('..two', join(folder, '..new'))
  await rename(join(folder, '..new'), join(folder, '..data'))
  expect(await news()).toBe('two')
})

test('a fault is told once with its place, the repair as well, and what was before is news again', async () => {
  await writeFile(file, serving('one'))
  const news = await follow()
  await writeFile(file, 'models: { one: { intial: 1.0.0 } }')
  expect(await news()).toContain('gateway.yaml:1:18: models.one.intial')
  await writeFile(file, serving('one'))
  expect(await news()).toBe('one')
})

test('a file that goes away and comes back', async () => {
  await writeFile(file, serving('one'))
  const news = await follow()
  await rm(file)
  expect(await news()).toContain('found no file')
  await writeFile(file, serving('two'))
  expect(await news()).toBe('two')
})

test('an edit between the reading and the start is not lost', async () => {
  await writeFile(file, serving('one'))
  const loaded = await readSource(file, {})
  await writeFile(file, serving('two'))
  const news = await new Promise<ConfigNews>((onNews) => {
    open = watchConfig(loaded, { file, env: {}, onNews, ...FAST })
  })
  expect(news).toMatchObject({ config: { models: { two: {} } } })
})

describe('policies beside it', () => {
  const policy = (percent: number) => `
    steps: [{ setWeight: ${percent}, minDuration: 1m }]
    risk: { falseRollback: 1%, falsePromotion: 5% }
    guardrails: [{ metric: error_rate, tolerate: 0.1pp, margin: 1pp }]
  `
  const policies = () => join(folder, 'policies')

  test('an edit, another file, and one less are news', async () => {
    await mkdir(policies())
    await writeFile(join(policies(), 'a.yaml'), policy(10))
    await writeFile(file, serving('one'))
    const news = await follow()
    await writeFile(join(policies(), 'a.yaml'), policy(20))
    expect(await news()).toBe('one,a@20')
    await writeFile(join(policies(), 'b.yaml'), policy(30))
    expect(await news()).toBe('one,a@20,b@30')
    await rm(join(policies(), 'a.yaml'))
    expect(await news()).toBe('one,b@30')
  })

  test('the folder may come later', async () => {
    await writeFile(file, serving('one'))
    const news = await follow()
    await mkdir(policies())
    await writeFile(join(policies(), 'a.yaml'), policy(10))
    expect(await news()).toBe('one,a@10')
    await writeFile(join(policies(), 'a.yaml'), policy(20))
    expect(await news()).toBe('one,a@20')
  })

  test('a ConfigMap that swaps the symbolic link of the whole folder', async () => {
    await writeFile(file, serving('one'))
    for (const percent of [10, 20]) {
      await mkdir(join(folder, `..${percent}`, 'policies'), { recursive: true })
      await writeFile(join(folder, `..${percent}`, 'policies', 'a.yaml'), policy(percent))
    }
    await symlink('..10', join(folder, '..data'))
    await symlink('..data/policies', policies())
    const news = await follow()
    await symlink('..20', join(folder, '..new'))
    await rename(join(folder, '..new'), join(folder, '..data'))
    expect(await news()).toBe('one,a@20')
    await writeFile(join(folder, '..20', 'policies', 'a.yaml'), policy(30))
    expect(await news()).toBe('one,a@30')
  })

  test('a ConfigMap that is mounted at the folder of the policies', async () => {
    await writeFile(file, serving('one'))
    for (const percent of [10, 20]) {
      await mkdir(join(policies(), `..${percent}`), { recursive: true })
      await writeFile(join(policies(), `..${percent}`, 'a.yaml'), policy(percent))
    }
    await symlink('..10', join(policies(), '..data'))
    await symlink('..data/a.yaml', join(policies(), 'a.yaml'))
    const news = await follow()
    await symlink('..20', join(policies(), '..new'))
    await rename(join(policies(), '..new'), join(policies(), '..data'))
    expect(await news()).toBe('one,a@20')
  })

  test('a fault is told with the place in its own file', async () => {
    await mkdir(policies())
    await writeFile(join(policies(), 'a.yaml'), policy(10))
    await writeFile(file, serving('one'))
    const news = await follow()
    await writeFile(join(policies(), 'a.yaml'), policy(110))
    expect(await news()).toContain('policies/a.yaml:2:15: steps[0].setWeight: expected a percentage')
  })

  test('one that cannot be read is named', async () => {
    await mkdir(join(policies(), 'a.yaml'), { recursive: true })
    await writeFile(file, serving('one'))
    await expect(readConfig(file, {})).rejects.toThrow(
      'policies/a.yaml: expected a policy, found a file that cannot',
    )
  })
})

test('without notifications the poll finds a change', async () => {
  const elsewhere = join(folder, 'elsewhere.yaml')
  await mkdir(join(folder, 'mount'))
  await writeFile(elsewhere, serving('one'))
  // The folder that is watched never changes: only what its link points to does.
  file = join(folder, 'mount', 'gateway.yaml')
  await symlink(elsewhere, file)
  const news = await follow({ pollMs: 5 })
  await writeFile(elsewhere, serving('two'))
  expect(await news()).toBe('two')
})

test('a token from a file takes its place in the environment; two tokens are one too many', async () => {
  await writeFile(file, serving('one'))
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, 'a-token-of-24-characters\n')
  const env = { COALMINE_ADMIN_TOKEN_FILE: tokenFile }
  expect(await readConfig(file, env)).toMatchObject({
    access: { admin: { tokens: [environmentToken('a-token-of-24-characters')] } },
  })
  await expect(readConfig(file, { ...env, COALMINE_ADMIN_TOKEN: 'another' })).rejects.toThrow('found both')
  await writeFile(tokenFile, '\n')
  await expect(readConfig(file, env)).rejects.toThrow('expected a token')
  await rm(tokenFile)
  await expect(readConfig(file, env)).rejects.toThrow('found no file')
})
