import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type PolicyText, readPolicies } from '@coalmine/policy/read-policies.ts'
import { describe, expect, test } from 'vitest'
import { DEFAULT_OVERLOAD } from '../data/overload.ts'
import { DEFAULT_LISTENER } from '../http1/settings.ts'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { type ConfigEnvironment, ConfigError, loadConfig } from './load-config.ts'

const FILE = '/etc/coalmine/config/gateway.yaml'
const POLICIES = '/etc/coalmine/config/policies'
const TOKEN = 'a-token-of-24-characters'

const load = (text: string, env: ConfigEnvironment = {}, policies: readonly PolicyText[] = []) =>
  loadConfig(FILE, text, env, policies)
const churn = (fields: string) => load(`models: { churn: { ${fields} } }`).models.churn!

/** The problems of a text, as lines without the folder's path. */
function problems(text: string, env: ConfigEnvironment = {}, policies: readonly PolicyText[] = []): string[] {
  try {
    load(text, env, policies)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split('\n').map((line) => line.replace(`${FILE}:`, '').replace(`${POLICIES}/`, ''))
    throw error
  }
  return []
}

test('the configuration that comes with the product', async () => {
  const file = new URL('../../config/gateway.yaml', import.meta.url).pathname
  const texts = await readPolicies(join(dirname(file), 'policies'))
  const { listen, processes, models, policies } = loadConfig(file, readFileSync(file, 'utf8'), {}, texts)
  expect(listen).toEqual({
    data: { host: '0.0.0.0', port: 8080 },
    admin: { host: '127.0.0.1', port: 8090 },
    metrics: { host: '127.0.0.1', port: 8091 },
  })
  expect(processes).toBe(1)
  expect(models.churn).toMatchObject({
    initial: '1.0.0',
    version: '1.1.0',
    policy: 'churn',
    runtime: { kind: 'process' },
  })
  expect(policies.churn).toBeDefined()
  expect(models.digits).toMatchObject({ initial: '1.0.0' })
})

test('what is not said has the defaults', () => {
  expect(load('models: { churn: { initial: 1.0.0 } }')).toEqual({
    baseFolder: '/etc/coalmine',
    access: { admin: { tokens: [], hosts: [] } },
    tls: {},
    listen: {
      data: { host: '0.0.0.0', port: 8080 },
      admin: { host: '127.0.0.1', port: 8090 },
      metrics: { host: '127.0.0.1', port: 8091 },
    },
    listener: DEFAULT_LISTENER,
    overload: DEFAULT_OVERLOAD,
    processes: 1,
    store: { kind: 'sqlite', path: '/etc/coalmine/data/coalmine.db' },
    modelsFolder: '/etc/coalmine/models',
    notifications: [],
    models: {
      churn: {
        initial: '1.0.0',
        runtime: { kind: 'process' },
        replicas: 1,
        keep: [],
        limits: {
          ...{ timeoutMs: 10_000, bodyBytes: 1_048_576, instances: 1024 },
          ...{ jsonDepth: 32, jsonKeys: 10_000 },
        },
        resilience: DEFAULT_RESILIENCE,
      },
    },
    policies: {},
  })
})

describe('one model', () => {
  test('values in the units of people become values in the units of the program', () => {
    const limits = 'limits: { timeout: 500ms, body: 64KiB, instances: 10, jsonDepth: 8, jsonKeys: 100 }'
    expect(churn(`initial: 1.0.0, version: 1.1.0, weight: 12.34, ${limits}`)).toMatchObject({
      weightBp: 1234,
      limits: { timeoutMs: 500, bodyBytes: 65_536, instances: 10, jsonDepth: 8, jsonKeys: 100 },
    })
  })

  test.each([
    ['none', undefined],
    ['{ header: X-User-Id }', { header: 'x-user-id' }],
    ['{ cookie: Session }', { cookie: 'Session' }],
  ])('sessionAffinity: %s', (yaml, affinity) => {
    expect(churn(`initial: 1.0.0, sessionAffinity: ${yaml}`).affinity).toEqual(affinity)
  })

  test('static endpoints, by version', () => {
    const runtime = '{ static: { 1.0.0: ["http://a:9000", "https://b"], 1.1.0: ["http://[::1]:9000/"] } }'
    expect(churn(`initial: 1.0.0, version: 1.1.0, weight: 0, runtime: ${runtime}`).runtime).toEqual({
      kind: 'static',
      endpoints: { '1.0.0': ['http://a:9000', 'https://b'], '1.1.0': ['http://[::1]:9000'] },
      baseline: {},
    })
  })

  test('workers for the baseline alone', () => {
    const runtime = '{ static: { 1.0.0: ["http://a"] }, baseline: { 1.0.0: ["http://b"] } }'
    expect(churn(`initial: 1.0.0, runtime: ${runtime}`).runtime).toEqual({
      kind: 'static',
      endpoints: { '1.0.0': ['http://a'] },
      baseline: { '1.0.0': ['http://b'] },
    })
  })

  test('a weight beside one version alone is fine', () => {
    expect(churn('initial: 1.0.0, weight: 10')).toMatchObject({ weightBp: 1000 })
    expect(churn('initial: 1.0.0, version: 1.0.0')).toMatchObject({ version: '1.0.0' })
  })
})

test('a misspelt key is named with its place and the key that was meant', () => {
  expect(problems('models:\n  churn:\n    initial: 1.0.0\n    replicsa: 2\n')).toEqual([
    '4:5: models.churn.replicsa: expected a known key (did you mean "replicas"?), found the unknown key "replicsa"',
  ])
})

test('all problems come at once, in the order of the file, the environment last', () => {
  const text = `
lisen: 3
models:
  churn:
    initial: latest
    replicas: two
    limits: { timeout: 30, body: 1MB }
  Digits: { initial: 1.0.0 }
`
  const found = problems(text, { COALMINE_LISTEN_DATA: '8080' })
  expect(found.map((line) => line.split(': ').slice(0, 2).join(' '))).toEqual([
    '2:1 lisen',
    '5:5 models.churn.initial',
    '6:5 models.churn.replicas',
    '7:15 models.churn.limits.timeout',
    '7:28 models.churn.limits.body',
    '8:3 models.Digits',
    'environment COALMINE_LISTEN_DATA',
  ])
})

test.each([
  [
    'a version that is a number',
    'initial: 1.0',
    'models.churn.initial: expected a string (put it in quotes), found 1',
  ],
  [
    'a policy that no file can have',
    'initial: 1.0.0, policy: ../churn',
    'policy: expected none, or the name of a file in the folder policies without .yaml, found "../churn"',
  ],
  [
    'a weight beside a policy',
    'initial: 1.0.0, policy: churn, weight: 10',
    'weight: expected no weight beside policy: churn, whose steps set the weight, found 10',
  ],
  [
    'a baseline of a version without an address',
    'initial: 1.0.0, runtime: { static: { 1.0.0: ["http://a"] }, baseline: { 1.1.0: ["http://b"] } }',
    'models.churn.runtime.baseline.1.1.0: expected a version that has an address in static',
  ],
  [
    'a baseline on the workers of stable',
    'initial: 1.0.0, runtime: { static: { 1.0.0: ["http://a"] }, baseline: { 1.0.0: ["http://a/"] } }',
    'models.churn.runtime.baseline.1.0.0: expected workers of its own',
  ],
  [
    'a weight with three decimals',
    'initial: 1.0.0, weight: 12.345',
    'at most two decimals, such as 12.5, found 12.345',
  ],
  ['a weight as text', 'initial: 1.0.0, weight: 10%', 'a percentage from 0 to 100'],
  ['a weight above 100', 'initial: 1.0.0, weight: 101', 'a percentage from 0 to 100'],
  ['a version without its weight', 'initial: 1.0.0, version: 1.1.0', 'version: expected a weight beside it'],
  ['an unknown runtime', 'initial: 1.0.0, runtime: docker', 'runtime: expected "process" or'],
  [
    'an unknown affinity',
    'initial: 1.0.0, sessionAffinity: { heder: x }',
    'expected none, { header: NAME } or { cookie: NAME }',
  ],
  ['two affinities', 'initial: 1.0.0, sessionAffinity: { header: x, cookie: y }', 'expected none, { header'],
  [
    'a path in an address',
    'initial: 1.0.0, runtime: { static: { 1.0.0: ["http://a:1/v1"] } }',
    'without a path, found "http://a:1/v1"',
  ],
  [
    'a password in an address',
    'initial: 1.0.0, runtime: { static: { 1.0.0: ["http://u:p@a"] } }',
    'without a path',
  ],
  [
    'another scheme',
    'initial: 1.0.0, runtime: { static: { 1.0.0: ["file:///etc"] } }',
    'expected an address such as',
  ],
  [
    'a version without an address',
    'initial: 1.0.0, runtime: { static: { 1.1.0: ["http://a"] } }',
    'expected an address for 1.0.0',
  ],
  [
    'replicas elsewhere',
    'initial: 1.0.0, replicas: 2, runtime: { static: { 1.0.0: ["http://a"] } }',
    'replicas: expected nothing',
  ],
  [
    'a time-out of an hour',
    'initial: 1.0.0, limits: { timeout: 1h }',
    'expected a duration from 10ms to 60s',
  ],
  [
    'no initial version',
    'replicas: 1',
    'models.churn.initial: expected a string (the key is required), found nothing',
  ],
])('%s is refused', (_what, fields, sentence) => {
  expect(problems(`models: { churn: { ${fields} } }`).join('\n')).toContain(sentence)
})

test.each([
  ['an empty file', '', 'expected a mapping'],
  ['a key twice', 'models: {}\nmodels: {}', '2:1'],
  ['broken YAML', 'models: {', 'expected valid YAML'],
  ['two documents', 'models: {}\n---\nmodels: {}', 'expected valid YAML'],
  ['a store of another kind', 'models: {}\nstore: postgres://db', 'expected sqlite:PATH'],
  [
    'one port twice',
    'models: {}\nlisten: { metrics: 127.0.0.1:8090 }',
    'listen.metrics: expected another port than listen.admin',
  ],
  [
    'a port of every host',
    'models: {}\nlisten: { metrics: 127.0.0.1:8080 }',
    'expected another port than listen.data',
  ],
])('%s is refused', (_what, text, sentence) => {
  expect(problems(text).join('\n')).toContain(sentence)
})

describe('the environment', () => {
  test('overrides addresses and store; an empty variable is none', () => {
    const { listen, store } = load('models: {}', {
      COALMINE_LISTEN_DATA: '127.0.0.1:0',
      COALMINE_LISTEN_METRICS: '0.0.0.0:9100',
      COALMINE_LISTEN_ADMIN: '',
      COALMINE_STORE: 'memory:',
    })
    expect(listen.data).toEqual({ host: '127.0.0.1', port: 0 })
    expect(listen.metrics).toEqual({ host: '0.0.0.0', port: 9100 })
    expect(listen.admin).toEqual({ host: '127.0.0.1', port: 8090 })
    expect(store).toEqual({ kind: 'memory' })
  })

  test('a password in a store URL is not repeated', () => {
    expect(
      problems('models: {}', { COALMINE_STORE: 'postgres://coalmine:hunter2@db/x' }).join(),
    ).not.toContain('hunter2')
  })

  test('a token that is too short to be safe is refused and not repeated', () => {
    const [line] = problems('models: {}', { COALMINE_ADMIN_TOKEN: 'swordfish' })
    expect(line).toContain('at least 16 printable characters')
    expect(line).not.toContain('swordfish')
  })
})

describe('the admin address', () => {
  const open = 'models: {}\nlisten: { admin: 0.0.0.0:8090 }'

  test('is for this machine alone while there is no token', () => {
    expect(problems(open).join()).toContain('listen.admin: expected a loopback address')
    expect(problems('models: {}', { COALMINE_LISTEN_ADMIN: '10.0.0.1:8090' }).join()).toContain(
      'expected a loopback',
    )
  })

  test('is for other machines with one', () => {
    expect(load(open, { COALMINE_ADMIN_TOKEN: TOKEN })).toMatchObject({
      access: { admin: { tokens: [{ name: 'admin', role: 'admin' }] } },
    })
  })
})

test('a misspelt key is the one problem of its mistake, not also what it left out', () => {
  const text = 'models: { churn: { initial: 1.0.0, version: 1.1.0, policy: none, wieght: 50 } }'
  let message = ''
  try {
    loadConfig('/etc/coalmine/gateway.yaml', text, {})
  } catch (error) {
    message = (error as Error).message
  }
  expect(message.split('\n')).toEqual([expect.stringContaining('did you mean "weight"')])
})

describe('policies', () => {
  const good = `
    steps: [{ setWeight: 50, minDuration: 1m }]
    risk: { falseRollback: 1%, falsePromotion: 5% }
    guardrails: [{ metric: error_rate, tolerate: 0.1pp, margin: 1pp }]
  `
  const file = (name: string, text = good): PolicyText => ({ file: `${POLICIES}/${name}`, text })
  const serving = (policy: string) =>
    `models:\n  churn: { initial: 1.0.0, version: 1.1.0, policy: ${policy} }\n`

  test('are there by name, and a version beside one needs no weight', () => {
    const { models, policies } = load(serving('careful'), {}, [file('careful.yaml'), file('quick.yaml')])
    expect(models.churn).toMatchObject({ version: '1.1.0', policy: 'careful' })
    expect(models.churn!.weightBp).toBeUndefined()
    expect(Object.keys(policies)).toEqual(['careful', 'quick'])
    expect(policies.careful!.policy).toMatchObject({ name: 'careful', steps: [{ weightBp: 5000 }] })
  })

  test('one that does not exist is named with the one that was meant', () => {
    expect(problems(serving('carefull'), {}, [file('careful.yaml'), file('quick.yaml')])).toEqual([
      '2:44: models.churn.policy: expected none or a file of the folder policies: careful, quick (did you mean "careful"?), found "carefull"',
    ])
    expect(problems(serving('careful'))).toEqual([
      '2:44: models.churn.policy: expected none (there is no file in the folder policies), found "careful"',
    ])
  })

  test('a faulty one refuses the whole, at its own place and once, used or not', () => {
    const faulty = [file('careful.yaml', good.replace('minDuration', 'minDuratoin')), file('quick.yaml')]
    for (const policy of ['careful', 'quick'])
      expect(problems(serving(policy), {}, faulty)).toEqual([
        'careful.yaml:2:30: steps[0].minDuratoin: expected a known key (did you mean "minDuration"?), found the unknown key "minDuratoin"',
      ])
  })

  test('the problems of all files come at once: the configuration, policies by name, the environment', () => {
    const text = `${serving('careful')}processes: none\n`
    const policies = [file('careful.yaml', '{}'), file('quick.yml')]
    const found = problems(text, { COALMINE_STORE: 'nowhere' }, policies)
    expect(found.map((line) => line.split(': expected')[0])).toEqual([
      '3:1: processes',
      'careful.yaml:1:1: steps',
      'careful.yaml:1:1: risk',
      'careful.yaml:1:1: guardrails',
      'quick.yml',
      'environment: COALMINE_STORE',
    ])
  })
})
