import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'

// Each test starts whole processes, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'coalmine-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function coalmine(args: string, env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['cli/main.ts', ...args.split(' ').filter(Boolean)],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    },
  )
  return { status, stdout, stderr }
}

test('what was compiled is kept beside the code, and not where others may write', () => {
  expect(coalmine('--help', { NODE_COMPILE_CACHE: undefined }).status).toBe(0)
  expect(readdirSync(join(ROOT, 'node_modules/.cache/coalmine'))).not.toEqual([])
})

describe('help', () => {
  test('teaches: what there is, where the gateway is looked for, exit codes, a first canary', () => {
    for (const args of ['', '--help', 'help']) {
      const { status, stdout } = coalmine(args)
      expect(status).toBe(0)
      for (const word of ['COALMINE_URL', 'COALMINE_TOKEN', 'Exit codes', 'rollout start churn', 'policy'])
        expect(stdout).toContain(word)
    }
  })

  test.each([
    'rollout',
    'rollout start',
    'rollout watch',
    'weight',
    'decisions',
    'drift',
    'model verify',
    'state reset',
  ])('of %s', (command) => {
    const { status, stdout } = coalmine(`${command} --help`)
    expect([status, stdout]).toEqual([0, expect.stringContaining(`coalmine ${command}`)])
  })

  test('a misspelt command gets the right one suggested, and 2', () => {
    expect(coalmine('policy lnt')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('Did you mean lint?'),
    })
    expect(coalmine('rolout')).toMatchObject({ status: 2, stderr: expect.stringContaining('rollout') })
    expect(coalmine('--hlep')).toMatchObject({ status: 2, stderr: expect.stringContaining('--help') })
  })

  test.each([
    ['rollout start churn', '--canary'],
    ['rollout pause churn', '--reason'],
    ['weight churn 120 --reason x', 'Expected a share in percent'],
    ['freeze maybe --reason x', 'Expected on or off'],
    ['decisions churn 0', 'Expected a whole number'],
    ['drift', "missing required argument 'model'"],
    ['replay', 'the id of a decision'],
    ['status --url ftp://a', 'is a URL such as'],
    ['status --url http://me:secret@a', 'holds no credentials'],
    ['status --token-file /nowhere', '/nowhere: expected a file that can be read; there is none'],
    ['replay --file /', '/: expected a file that can be read; it is a folder'],
  ])('%s says what is missing or wrong, and 2', (args, words) => {
    const { status, stderr } = coalmine(args)
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)])
    expect(stderr).not.toContain('secret')
  })
})

test('without a gateway: 3, and where it was looked for', () => {
  expect(coalmine('status', { COALMINE_URL: 'http://127.0.0.1:1', COALMINE_TOKEN: 'a-secret' })).toEqual({
    status: 3,
    stdout: '',
    stderr: expect.stringMatching(/^coalmine: no gateway answers at http:\/\/127\.0\.0\.1:1 (?!.*a-secret)/),
  })
})

describe('policy lint', () => {
  test('the policies that come with the product are good', () => {
    expect(coalmine('policy lint')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^config\/policies\/churn\.yaml: steps 5 % for 2 min, .*\n$/),
      stderr: '',
    })
  })

  test('problems are written to the error output, and the exit code is 1', () => {
    expect(coalmine('policy lint config/gateway.yaml')).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining(
        'config/gateway.yaml:6:1: listen: expected one of the keys steps, risk',
      ),
    })
  })

  test('as JSON', () => {
    const { status, stdout } = coalmine('policy lint config/gateway.yaml --json')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      good: [],
      problems: expect.arrayContaining([expect.any(String)]),
    })
  })
})

describe('model verify', () => {
  test('a version that is good', () => {
    const { status, stdout } = coalmine('model verify churn 1.1.0 --json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ good: true, digest: expect.stringMatching(/^sha256:/) })
  })

  test('golden answers that the model does not give', () => {
    const models = join(folder, 'models')
    const version = join(models, 'churn/1.0.0')
    cpSync(join(ROOT, 'models/churn/1.0.0'), version, { recursive: true })
    const text = readFileSync(join(version, 'golden.jsonl'), 'utf8')
    writeFileSync(join(version, 'golden.jsonl'), text.replace(/0\.\d{3}/, '0.999'))
    const { status, stderr } = coalmine(`model verify churn 1.0.0 --models ${models}`)
    expect([status, stderr]).toEqual([1, expect.stringContaining('golden')])
  })

  test('no such version', () => {
    expect(coalmine('model verify churn 9.9.9')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('models/churn/9.9.9'),
    })
  })
})

describe('state reset', () => {
  const config = join(folder, 'config/gateway.yaml')
  const data = join(folder, 'data')
  const write = (text: string) => {
    mkdirSync(join(folder, 'config'), { recursive: true })
    writeFileSync(config, text)
  }

  test('nothing to reset; a store that is none', () => {
    write('models: {}\n')
    expect(coalmine(`state reset --yes --config ${config}`)).toMatchObject({ status: 1 })
    write('store: postgres://a:b@c/d\n')
    expect(coalmine(`state reset --yes --config ${config}`)).toMatchObject({ status: 2 })
  })

  test('the store is put aside whole, nothing is deleted, and nobody is asked in a pipe', () => {
    write('store: sqlite:./data/coalmine.db\n')
    mkdirSync(data, { recursive: true })
    for (const name of ['coalmine.db', 'coalmine.db-wal']) writeFileSync(join(data, name), name)
    expect(coalmine(`state reset --config ${config}`)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    })
    expect(existsSync(join(data, 'coalmine.db'))).toBe(true)
    expect(coalmine(`state reset --yes --config ${config}`).status).toBe(0)
    expect(readdirSync(data).sort()).toEqual(['coalmine.db.1', 'coalmine.db.1-wal'])
    writeFileSync(join(data, 'coalmine.db'), 'again')
    expect(coalmine(`state reset --yes --config ${config}`).status).toBe(0)
    expect(readdirSync(data)).toContain('coalmine.db.2')
  })
})
