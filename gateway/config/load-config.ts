import { basename, dirname, resolve } from 'node:path'
import { meaning } from '@coalmine/contract/spelling.ts'
import {
  describeProblems,
  type FileProblem,
  type ProblemAt,
  parseStrictYaml,
} from '@coalmine/contract/strict-yaml.ts'
import { type PolicyFile, parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { policyName } from '@coalmine/policy/policy-name.ts'
import type { PolicyText } from '@coalmine/policy/read-policies.ts'
import type { CertificateFiles } from '../tls/certificate.ts'
import { type Access, isGuarded } from './access.ts'
import { environmentToken } from './access-schema.ts'
import { address, isLoopback } from './address.ts'
import type { Address, GatewayConfig, ModelConfig, StoreLocation } from './gateway-config.ts'
import { gatewaySchema, STORE_EXPECTED, storeLocation } from './gateway-schema.ts'
import type { WrittenPredictionLog } from './prediction-log-schema.ts'

/** A configuration that cannot be used; the message names every problem, one a line. */
export class ConfigError extends Error {
  readonly problems: readonly FileProblem[]

  constructor(message: string, problems: readonly FileProblem[]) {
    super(message)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** The few settings that the environment overrides; `COALMINE_ADMIN_TOKEN` is its alone. */
export interface ConfigEnvironment {
  readonly COALMINE_LISTEN_DATA?: string | undefined
  readonly COALMINE_LISTEN_ADMIN?: string | undefined
  readonly COALMINE_LISTEN_METRICS?: string | undefined
  readonly COALMINE_STORE?: string | undefined
  readonly COALMINE_ADMIN_TOKEN?: string | undefined
  readonly COALMINE_PREDICTION_LOG_KEY?: string | undefined
}

/** Short tokens can be guessed over the network. */
const TOKEN_LENGTH_MIN = 16

/**
 * The configuration of a file's text under an environment, with the texts of its policies. Pure; `file` is its path,
 * for messages and as the start of relative paths. Throws a ConfigError with all problems of all files.
 */
export function loadConfig(
  file: string,
  text: string,
  env: ConfigEnvironment,
  policyTexts: readonly PolicyText[] = [],
): GatewayConfig {
  const parsed = parseStrictYaml(text, gatewaySchema)
  const overrides = overridesOf(env)
  const { policies, names, faulty } = policiesOf(policyTexts)
  if (!parsed.ok || overrides.problems.length > 0)
    throw configError([
      { file, problems: parsed.ok ? [] : parsed.problems.map(withoutSecret) },
      ...faulty,
      { file: 'environment', problems: overrides.problems },
    ])

  const { value, problemAt } = parsed
  const listen = { ...value.listen, ...overrides.listen }
  const problems: FileProblem[] = unknownPolicies(value.models, names, problemAt)
  const access = withToken(value.access, overrides.adminToken)
  if (!isGuarded(access.admin) && !isLoopback(listen.admin.host)) {
    const expected =
      'a loopback address such as 127.0.0.1:8090 while nobody has to say who they are (access.tokens, access.oidc, COALMINE_ADMIN_TOKEN or COALMINE_ADMIN_TOKEN_FILE)'
    problems.push(problemAt(['listen', 'admin'], expected, addressText(listen.admin)))
  }
  for (const [key, other] of [
    ['admin', 'data'],
    ['metrics', 'data'],
    ['metrics', 'admin'],
  ] as const) {
    if (collide(listen[key], listen[other]))
      problems.push(problemAt(['listen', key], `another port than listen.${other}`, addressText(listen[key])))
  }
  problems.push(...predictionLogProblems(value, env, problemAt))
  if (problems.length + faulty.length > 0) throw configError([{ file, problems }, ...faulty])

  const baseFolder = dirname(dirname(resolve(file)))
  return {
    baseFolder,
    listen,
    access,
    tls: {
      ...(value.tls.data && { data: absoluteFiles(value.tls.data, baseFolder) }),
      ...(value.tls.admin && { admin: absoluteFiles(value.tls.admin, baseFolder) }),
    },
    listener: value.listener,
    overload: value.overload,
    ...(value.predictionLog && {
      predictionLog: { ...value.predictionLog, folder: resolve(baseFolder, value.predictionLog.folder) },
    }),
    processes: value.processes,
    notifications: value.notifications,
    store: absolute(overrides.store ?? value.store, baseFolder),
    modelsFolder: resolve(baseFolder, value.modelsFolder),
    models: value.models,
    policies,
  }
}

/** A short key could be found by trying. */
const LOG_KEY_BYTES_MIN = 32

function predictionLogProblems(
  { predictionLog, processes }: { predictionLog?: WrittenPredictionLog | undefined; processes: number },
  { COALMINE_PREDICTION_LOG_KEY: key = '' }: ConfigEnvironment,
  problemAt: ProblemAt,
): FileProblem[] {
  if (predictionLog === undefined) return []
  const { keep, instances } = predictionLog
  const isKey = Buffer.from(key, 'base64').length >= LOG_KEY_BYTES_MIN
  return [
    ...(keep < 2 * processes
      ? [problemAt(['predictionLog', 'keep'], `at least ${2 * processes}, two for each process`, `${keep}`)]
      : []),
    ...((instances?.hash.length ?? 0) > 0 && !isKey
      ? [
          problemAt(
            ['predictionLog', 'instances', 'hash'],
            `a key in COALMINE_PREDICTION_LOG_KEY, ${LOG_KEY_BYTES_MIN} bytes or more in base64`,
            key === '' ? 'none' : 'a shorter one',
          ),
        ]
      : []),
  ]
}

function withToken(access: Access, token: string | undefined): Access {
  if (token === undefined) return access
  const { admin } = access
  return { ...access, admin: { ...admin, tokens: [...admin.tokens, environmentToken(token)] } }
}

interface FaultyFile {
  readonly file: string
  readonly problems: readonly FileProblem[]
}

/** Every policy by name; a faulty one has a name too, so that its model is not told that there is none. */
function policiesOf(texts: readonly PolicyText[]) {
  const policies: Record<string, PolicyFile> = {}
  const names: string[] = []
  const faulty: FaultyFile[] = []
  for (const { file, text } of texts) {
    const name = policyName(file)
    if (name === undefined) {
      const problem = { path: '', expected: 'a file name that ends in .yaml', found: basename(file) }
      faulty.push({ file, problems: [problem] })
      continue
    }
    names.push(name)
    const parsed = parsePolicy(name, text)
    if (parsed.ok) policies[name] = parsed.file
    else faulty.push({ file, problems: parsed.problems })
  }
  return { policies, names, faulty }
}

function unknownPolicies(
  models: Readonly<Record<string, ModelConfig>>,
  names: readonly string[],
  problemAt: ProblemAt,
): FileProblem[] {
  return Object.entries(models).flatMap(([model, { policy }]) => {
    if (policy === undefined || names.includes(policy)) return []
    const known =
      names.length === 0
        ? 'none (there is no file in the folder policies)'
        : `none or a file of the folder policies: ${names.join(', ')}${meaning(policy, names)}`
    return [problemAt(['models', model, 'policy'], known, JSON.stringify(policy))]
  })
}

interface Overrides {
  listen: Partial<Record<'data' | 'admin' | 'metrics', Address>>
  store?: StoreLocation
  adminToken?: string
  problems: FileProblem[]
}

/** An empty variable is one that is not set, as `VARIABLE=` in a compose file means it. */
function overridesOf(env: ConfigEnvironment): Overrides {
  const overrides: Overrides = { listen: {}, problems: [] }
  const refuse = (path: keyof ConfigEnvironment, expected: string, found: string) =>
    overrides.problems.push({ path, expected, found })

  for (const [key, variable] of [
    ['data', 'COALMINE_LISTEN_DATA'],
    ['admin', 'COALMINE_LISTEN_ADMIN'],
    ['metrics', 'COALMINE_LISTEN_METRICS'],
  ] as const) {
    const written = env[variable]
    if (!written) continue
    const parsed = address(written)
    if (parsed) overrides.listen[key] = parsed
    else refuse(variable, 'host:port such as 127.0.0.1:8080', JSON.stringify(written))
  }
  if (env.COALMINE_STORE) {
    const store = storeLocation(env.COALMINE_STORE)
    if (store) overrides.store = store
    else refuse('COALMINE_STORE', STORE_EXPECTED, withoutCredentials(env.COALMINE_STORE))
  }
  const token = env.COALMINE_ADMIN_TOKEN
  if (token) {
    const usable = /^[\x21-\x7e]+$/.test(token) && token.length >= TOKEN_LENGTH_MIN
    if (usable) overrides.adminToken = token
    else
      refuse(
        'COALMINE_ADMIN_TOKEN',
        `at least ${TOKEN_LENGTH_MIN} printable characters without spaces`,
        `${token.length} characters that are not (not shown)`,
      )
  }
  return overrides
}

function collide(a: Address, b: Address): boolean {
  if (a.port === 0 || a.port !== b.port) return false
  return a.host === b.host || [a, b].some(({ host }) => host === '0.0.0.0' || host === '::')
}

function configError(files: readonly FaultyFile[]): ConfigError {
  const ordered = files.map(({ file, problems }) => ({
    file,
    problems: problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  }))
  const lines = ordered.map(({ file, problems }) => describeProblems(file, problems))
  return new ConfigError(
    lines.filter((line) => line !== '').join('\n'),
    ordered.flatMap(({ problems }) => problems),
  )
}

function absolute(store: StoreLocation, baseFolder: string): StoreLocation {
  return store.kind === 'sqlite' ? { kind: 'sqlite', path: resolve(baseFolder, store.path) } : store
}

function absoluteFiles({ certificate, key }: CertificateFiles, baseFolder: string): CertificateFiles {
  return { certificate: resolve(baseFolder, certificate), key: resolve(baseFolder, key) }
}

function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where a hash belongs the secret itself may stand by mistake. */
function withoutSecret(problem: FileProblem): FileProblem {
  const mayHold = /^access\.(tokens|clients)\.(?!.*\.(role|expires|models.*|rate|burst)$)/.test(problem.path)
  return mayHold ? { ...problem, found: 'something else (not shown)' } : problem
}

/** A store URL may hold a password. */
function withoutCredentials(url: string): string {
  return JSON.stringify(url.replace(/\/\/[^@/]*@/, '//***@'))
}
