import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
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

/** The news of a file, one after the other. */
async function follow(options: Partial<Parameters<typeof watchConfig>[1]> = {}) {
  const waiting: ((news: string) => void)[] = []
  const arrived: string[] = []
  const onNews = (news: ConfigNews) => {
    const text = 'config' in news ? Object.keys(news.config.models).join() : news.error.message
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
  expect(await readConfig(file, env)).toMatchObject({ adminToken: 'a-token-of-24-characters' })
  await expect(readConfig(file, { ...env, COALMINE_ADMIN_TOKEN: 'another' })).rejects.toThrow('found both')
  await writeFile(tokenFile, '\n')
  await expect(readConfig(file, env)).rejects.toThrow('expected a token')
  await rm(tokenFile)
  await expect(readConfig(file, env)).rejects.toThrow('found no file')
})
