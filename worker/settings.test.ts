import { describe, expect, test } from 'vitest'
import { HELP, parseSettings, SettingsError } from './settings.ts'

const named = ['--model', 'churn', '--version', '1.1.0']

function problems(args: string[], env = {}): readonly string[] {
  try {
    parseSettings(args, env)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

describe('settings', () => {
  test('have presets for all but model and version', () => {
    expect(parseSettings(named, {})).toEqual({
      modelsRoot: `${process.cwd()}/models`,
      model: 'churn',
      version: '1.1.0',
      listen: { host: '127.0.0.1', port: 9000 },
      threading: 'auto',
      bodyBytesMax: 1024 * 1024,
      instancesMax: 1024,
      jsonLimits: { depth: 32, keys: 10_000 },
      readyFd: undefined,
      dieWithStdin: false,
    })
  })

  test('come from flags in both forms', () => {
    const flags = [
      '--socket=/run/w.sock',
      '--body-limit',
      '512KiB',
      '--instances=10',
      '--json-keys=7',
      '--ready-fd',
      '3',
    ]
    expect(
      parseSettings([...named, ...flags, '--threading', 'thread', '--die-with-stdin'], {}),
    ).toMatchObject({
      listen: { socket: '/run/w.sock' },
      bodyBytesMax: 512 * 1024,
      instancesMax: 10,
      jsonLimits: { depth: 32, keys: 7 },
      readyFd: 3,
      threading: 'thread',
      dieWithStdin: true,
    })
  })

  test('come from the environment, and a flag wins', () => {
    const env = {
      COALMINE_WORKER_MODEL: 'fraud',
      COALMINE_WORKER_VERSION: '2',
      COALMINE_WORKER_PORT: '9001',
      COALMINE_WORKER_DIE_WITH_STDIN: 'true',
    }
    expect(parseSettings(['--model', 'churn'], env)).toMatchObject({
      model: 'churn',
      version: '2',
      listen: { port: 9001 },
      dieWithStdin: true,
    })
  })

  test.each<[string[], string]>([
    [['--port', '70000'], '--port must be a whole number from 0 to 65535, not "70000".'],
    [['--port', '-1'], '--port must be a whole number from 0 to 65535, not "-1".'],
    [['--port'], '--port needs a value: --port PORT.'],
    [['--threading', 'fast'], '--threading must be one of auto, inline, thread, not "fast".'],
    [
      ['--body-limit', '1 megabyte'],
      '--body-limit must be a size from 1B to 256MiB such as 1MiB, not "1 megabyte".',
    ],
    [['--instances', '1025'], '--instances must be a whole number from 1 to 1024, not "1025".'],
    [
      ['--socket', 's', '--port', '1'],
      '--socket cannot be combined with --port or --host: a worker listens in one place.',
    ],
    [['--verbose'], '"--verbose" is not a flag of the worker; --help lists them.'],
    [['churn'], '"churn" is not a flag of the worker; --help lists them.'],
    [['--model', 'a'], '--model is given twice.'],
  ])('%j', (args, sentence) => {
    expect(problems([...named, ...args])).toEqual([sentence])
  })

  test('name the variable when the value came from it', () => {
    expect(problems(named, { COALMINE_WORKER_PORT: 'x' })).toEqual([
      'COALMINE_WORKER_PORT must be a whole number from 0 to 65535, not "x".',
    ])
  })

  test('a socket path must fit into a socket address', () => {
    expect(problems([...named, '--socket', `/${'s'.repeat(105)}`])).toEqual([])
    expect(problems([...named, '--socket', `/${'s'.repeat(106)}`])).toEqual([
      `--socket is 107 bytes long as /${'s'.repeat(106)}; a socket path may have at most 106.`,
    ])
  })

  test('what traces cannot have is refused with the rest', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
    expect(() => parseSettings(['--model', 'churn', '--version', '1.1.0', '--port', 'x'], env)).toThrow(
      /--port must be .*\n.*OTEL_EXPORTER_OTLP_PROTOCOL: expected http\/protobuf, found grpc\.$/,
    )
  })

  test('roles are no versions', () => {
    expect(problems(['--model', 'churn', '--version', 'Stable'])[0]).toMatch(
      /^--version "Stable" is not possible: /,
    )
  })

  test('the help names every flag with its variable', () => {
    for (const flag of [
      'models',
      'model',
      'version',
      'host',
      'port',
      'socket',
      'threading',
      'body-limit',
      'instances',
      'json-depth',
      'json-keys',
      'ready-fd',
      'die-with-stdin',
    ]) {
      expect(HELP).toContain(`--${flag} `)
      expect(HELP).toContain(`COALMINE_WORKER_${flag.toUpperCase().replaceAll('-', '_')}\n`)
    }
  })
})
