import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type PolicyText, readPolicies } from '@coalmine/policy/read-policies.ts'
import type { GatewayConfig } from './gateway-config.ts'
import { type ConfigEnvironment, ConfigError, loadConfig } from './load-config.ts'

/** What the loader needs, as read from the disk at one moment. */
export interface ConfigSource {
  readonly file: string
  readonly text: string
  readonly policies: readonly PolicyText[]
  readonly env: ConfigEnvironment
}

/** Where the policies of a configuration are: beside it. */
export function policiesFolder(file: string): string {
  return join(dirname(file), 'policies')
}

/** The texts of the files and the environment, in which the token of COALMINE_ADMIN_TOKEN_FILE takes its place. */
export async function readSource(file: string, env: NodeJS.ProcessEnv): Promise<ConfigSource> {
  const text = await read(file, 'the configuration')
  const policies = await readPolicies(policiesFolder(file)).catch((error: Error) => {
    throw new ConfigError(error.message, [])
  })
  const tokenFile = env.COALMINE_ADMIN_TOKEN_FILE
  if (!tokenFile) return { file, text, policies, env }
  if (env.COALMINE_ADMIN_TOKEN) {
    const expected = 'no COALMINE_ADMIN_TOKEN_FILE beside COALMINE_ADMIN_TOKEN'
    throw new ConfigError(`environment: expected ${expected}, found both`, [
      { path: 'COALMINE_ADMIN_TOKEN_FILE', expected, found: 'both' },
    ])
  }
  const token = (await read(tokenFile, 'the file of COALMINE_ADMIN_TOKEN_FILE')).trim()
  if (token === '') {
    const expected = 'a token in the file of COALMINE_ADMIN_TOKEN_FILE'
    throw new ConfigError(`${tokenFile}: expected ${expected}, found nothing`, [
      { path: '', expected, found: 'nothing' },
    ])
  }
  return { file, text, policies, env: { ...env, COALMINE_ADMIN_TOKEN: token } }
}

/** Reads and checks the configuration. Throws a ConfigError that says everything that is wrong. */
export async function readConfig(file: string, env: NodeJS.ProcessEnv): Promise<GatewayConfig> {
  const source = await readSource(file, env)
  return loadConfig(source.file, source.text, source.env, source.policies)
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const found = code === 'ENOENT' ? 'no file' : `a file that cannot be read (${code})`
    throw new ConfigError(`${file}: expected ${what}, found ${found}`, [{ path: '', expected: what, found }])
  }
}
