import { readFileSync } from 'node:fs'
import { tracingOf } from '@coalmine/contract/tracing/tracing.ts'
import { Tracer } from './request-trace.ts'

const VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version

/** The tracer that the environment asks for; control has refused what is not supported. */
export async function tracerOf(env: NodeJS.ProcessEnv): Promise<Tracer | undefined> {
  const tracing = await tracingOf(env, { name: 'coalmine', version: VERSION })
  return tracing && new Tracer(tracing.queue, tracing.ratio)
}
