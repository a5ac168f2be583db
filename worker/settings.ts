import { resolve } from 'node:path'
import { DEFAULT_JSON_LIMITS, type JsonLimits } from '@coalmine/contract/json-limits.ts'
import { modelNameProblem, versionProblem } from '@coalmine/contract/names.ts'
import { tracingSettings } from '@coalmine/contract/tracing/settings.ts'
import type { ThreadingSetting } from './threading.ts'

export type Settings = {
  modelsRoot: string
  model: string
  version: string
  listen: { host: string; port: number } | { socket: string }
  threading: ThreadingSetting
  bodyBytesMax: number
  instancesMax: number
  /** Of a request without its records. */
  jsonLimits: JsonLimits
  readyFd: number | undefined
  dieWithStdin: boolean
}

/** Every problem of the command line, one sentence each. */
export class SettingsError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/** Linux's sockaddr_un has 108 bytes for a path with its closing NUL; one is kept in reserve. */
const SOCKET_PATH_BYTES_MAX = 106
const INSTANCES_MAX = 1024
const BODY_BYTES_MAX = 256 * 1024 * 1024

const FLAGS = {
  models: { value: 'DIR', fallback: './models', says: 'folder with <model>/<version>/model.yaml' },
  model: { value: 'NAME', fallback: undefined, says: 'the model to serve' },
  version: { value: 'VERSION', fallback: undefined, says: 'its version; always an exact one' },
  host: { value: 'HOST', fallback: '127.0.0.1', says: 'address to listen on' },
  port: { value: 'PORT', fallback: '9000', says: 'port to listen on; 0 picks a free one' },
  socket: {
    value: 'PATH',
    fallback: undefined,
    says: 'listen on a Unix socket (mode 0600) instead of a port',
  },
  threading: {
    value: 'MODE',
    fallback: 'auto',
    says: 'inline, thread, or auto: a thread when one row takes over 5 ms',
  },
  'body-limit': { value: 'SIZE', fallback: '1MiB', says: 'largest request body, such as 512KiB or 4MiB' },
  instances: { value: 'N', fallback: `${INSTANCES_MAX}`, says: 'most rows in one request, up to 1024' },
  'json-depth': {
    value: 'N',
    fallback: `${DEFAULT_JSON_LIMITS.depth}`,
    says: 'most levels of arrays and objects in a request, up to 1000',
  },
  'json-keys': {
    value: 'N',
    fallback: `${DEFAULT_JSON_LIMITS.keys}`,
    says: 'most keys in a request beside those of its rows',
  },
  'ready-fd': {
    value: 'FD',
    fallback: undefined,
    says: 'write one JSON line to this descriptor once ready or failed',
  },
  'die-with-stdin': { value: '', fallback: 'false', says: 'drain and exit at the end of standard input' },
} as const
type Flag = keyof typeof FLAGS

const variableOf = (flag: Flag) => `COALMINE_WORKER_${flag.toUpperCase().replaceAll('-', '_')}`

export const HELP = `Serves one version of one model over the V1 and Open Inference (V2) protocols.

  node worker/main.ts --model churn --version 1.1.0 --models ./models --port 9000
  curl -s localhost:9000/v1/models/churn:predict -d '{"instances": [{...}]}'

Each flag can be given as an environment variable instead; the flag wins.

${Object.entries(FLAGS)
  .map(([flag, { value, fallback, says }]) => {
    const name = `  --${flag} ${value}`.padEnd(24)
    const preset = fallback === undefined || flag === 'die-with-stdin' ? '' : ` [${fallback}]`
    return `${name}${says}${preset}\n${' '.repeat(24)}${variableOf(flag as Flag)}`
  })
  .join('\n')}

GET /readyz says whether the model passed its golden records, and if not, which one failed and by how much.
`

/** Settings from the command line and its environment twins. Throws SettingsError with every problem. */
export function parseSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const problems: string[] = []
  const given = readFlags(args, problems)
  /** The text of a setting and the name under which it was given. */
  const read = (flag: Flag): { text: string | undefined; name: string } => {
    const fromFlag = given.get(flag)
    if (fromFlag !== undefined) return { text: fromFlag, name: `--${flag}` }
    const fromEnv = env[variableOf(flag)]
    if (fromEnv !== undefined && fromEnv !== '') return { text: fromEnv, name: variableOf(flag) }
    return { text: FLAGS[flag].fallback, name: `--${flag}` }
  }
  const integer = (flag: Flag, min: number, max: number): number => {
    const { text = '', name } = read(flag)
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      problems.push(`${name} must be a whole number from ${min} to ${max}, not "${text}".`)
    }
    return value
  }
  const required = (
    flag: 'model' | 'version',
    example: string,
    problemOf: (text: string) => string | undefined,
  ) => {
    const { text = '', name } = read(flag)
    if (text === '')
      problems.push(`--${flag} is missing: name the ${flag} to serve, for example --${flag} ${example}.`)
    else {
      const problem = problemOf(text)
      if (problem !== undefined) problems.push(`${name} "${text}" is not possible: ${problem}.`)
    }
    return text
  }
  const choice = <T extends string>(flag: Flag, choices: readonly T[]): T => {
    const { text = '', name } = read(flag)
    if (!choices.includes(text as T))
      problems.push(`${name} must be one of ${choices.join(', ')}, not "${text}".`)
    return text as T
  }

  const listen = (): Settings['listen'] => {
    const { text: socket, name } = read('socket')
    if (socket === undefined) return { host: read('host').text!, port: integer('port', 0, 65_535) }
    if (given.has('port') || given.has('host')) {
      problems.push('--socket cannot be combined with --port or --host: a worker listens in one place.')
    }
    const path = resolve(socket)
    const bytes = Buffer.byteLength(path)
    if (bytes > SOCKET_PATH_BYTES_MAX) {
      problems.push(
        `${name} is ${bytes} bytes long as ${path}; a socket path may have at most ${SOCKET_PATH_BYTES_MAX}.`,
      )
    }
    return { socket: path }
  }

  const settings: Settings = {
    modelsRoot: resolve(read('models').text!),
    model: required('model', 'churn', modelNameProblem),
    version: required('version', '1.1.0', versionProblem),
    listen: listen(),
    threading: choice('threading', ['auto', 'inline', 'thread']),
    bodyBytesMax: bytesOf(read('body-limit'), problems),
    instancesMax: integer('instances', 1, INSTANCES_MAX),
    jsonLimits: { depth: integer('json-depth', 1, 1_000), keys: integer('json-keys', 1, 1_000_000) },
    readyFd: read('ready-fd').text === undefined ? undefined : integer('ready-fd', 1, 1023),
    dieWithStdin: choice('die-with-stdin', ['true', 'false']) === 'true',
  }
  try {
    tracingSettings(env)
  } catch (error) {
    problems.push(`${(error as Error).message}.`)
  }
  if (problems.length > 0) throw new SettingsError(problems)
  return settings
}

function readFlags(args: readonly string[], problems: string[]): Map<Flag, string> {
  const given = new Map<Flag, string>()
  for (let i = 0; i < args.length; i++) {
    const [, name, , attached] = /^--([^=]+)(=(.*))?$/s.exec(args[i]!) ?? []
    if (name === undefined || !Object.hasOwn(FLAGS, name)) {
      problems.push(`"${args[i]}" is not a flag of the worker; --help lists them.`)
      if (args[i + 1]?.startsWith('--') === false) i++
      continue
    }
    const flag = name as Flag
    if (given.has(flag)) problems.push(`--${flag} is given twice.`)
    if (flag === 'die-with-stdin') given.set(flag, attached ?? 'true')
    else if (attached !== undefined) given.set(flag, attached)
    else if (args[i + 1] === undefined || args[i + 1]!.startsWith('--')) {
      problems.push(`--${flag} needs a value: --${flag} ${FLAGS[flag].value}.`)
      given.set(flag, FLAGS[flag].fallback ?? '')
    } else given.set(flag, args[++i]!)
  }
  return given
}

const UNIT_BYTES: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, KB: 1000, MB: 1000 ** 2 }

function bytesOf(
  { text = '', name }: { text: string | undefined; name: string },
  problems: string[],
): number {
  const [, digits, unit = 'B'] = /^(\d{1,12})(B|KiB|MiB|KB|MB)?$/.exec(text) ?? []
  const bytes = digits === undefined ? Number.NaN : Number(digits) * UNIT_BYTES[unit]!
  if (!(bytes >= 1 && bytes <= BODY_BYTES_MAX)) {
    problems.push(`${name} must be a size from 1B to 256MiB such as 1MiB, not "${text}".`)
  }
  return bytes
}
