import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, Gateway, ROOT } from '../e2e/gateway-process.ts'

/** Runs schemathesis against the admin API of a gateway of its own, and ends with its exit code. */

const TOKEN = 'the-token-of-the-description-test'
const MODELS = [
  '  churn: { initial: 1.0.0, policy: churn, runtime: process }',
  '  digits: { initial: 1.0.0, runtime: process }',
].join('\n')
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
]

const [schemathesis, ...more] = process.argv.slice(2)
const gateway = new Gateway({
  policies: { churn: readFileSync(join(ROOT, 'config/policies/churn.yaml'), 'utf8') },
  env: { COALMINE_ADMIN_TOKEN: TOKEN },
})
try {
  process.exitCode = await run()
  // What went wrong inside is in its log.
  if (process.exitCode !== 0) process.stderr.write(gateway.output)
} finally {
  await gateway.dispose()
}

async function run(): Promise<number> {
  const [data, admin, metrics] = await freePorts(3)
  gateway.ports = { data: data!, admin: admin!, metrics: metrics! }
  gateway.configure(MODELS)
  await gateway.start()
  const child = spawn(
    schemathesis!,
    [
      ...['run', `http://127.0.0.1:${admin}/api/openapi.json`],
      // The events have no end.
      ...['--header', `Authorization: Bearer ${TOKEN}`, '--exclude-path', '/api/v1/events'],
      ...['--checks', CHECKS.join(','), '--max-examples', '20'],
      ...['--continue-on-failure', '--request-timeout', '30', ...more],
    ],
    { cwd: gateway.folder, stdio: 'inherit' },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = await once(child, 'exit')
  return code ?? 1
}
