import { readFileSync } from 'node:fs'
import type { WrittenReceiver } from '../config/notification-schema.ts'
import { Receiver, type ReceiverSettings } from './receiver.ts'

/**
 * The receivers of a configuration with their secrets, which are in the environment or in files that it names.
 * Throws an Error that names what is missing, never what is there.
 */
export function receiversOf(
  written: readonly WrittenReceiver[],
  env: Readonly<Record<string, string | undefined>>,
): Receiver[] {
  return written.map((receiver) => new Receiver(settingsOf(receiver, env)))
}

function settingsOf(
  { name, url, urlEnv, format, secretEnv, events, models }: WrittenReceiver,
  env: Readonly<Record<string, string | undefined>>,
): ReceiverSettings {
  const address = url ?? secretFrom(env, urlEnv!, `notifications ${name}: urlEnv`)
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))
    throw new Error(
      `notifications ${name}: expected an http or https address in ${urlEnv ?? 'url'} (not shown)`,
    )
  return {
    name,
    url: address,
    format,
    secret:
      secretEnv === undefined ? undefined : secretFrom(env, secretEnv, `notifications ${name}: secretEnv`),
    kinds: events,
    models,
  }
}

/** The variable itself, or the content of the file that its twin with `_FILE` names. */
function secretFrom(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  where: string,
): string {
  const value = env[variable]
  if (value !== undefined && value !== '') return value
  const file = env[`${variable}_FILE`]
  if (file === undefined || file === '')
    throw new Error(`${where}: expected ${variable} or ${variable}_FILE in the environment, found neither`)
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new Error(
      `${where}: ${variable}_FILE names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`,
    )
  }
  if (text === '') throw new Error(`${where}: the file that ${variable}_FILE names is empty`)
  return text
}
