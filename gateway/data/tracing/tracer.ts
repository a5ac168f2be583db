import { readFileSync } from 'node:fs'
import { Tracer } from './prediction-trace.ts'
import { tracingSettings } from './settings.ts'
import { SpanQueue } from './span-queue.ts'

const VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version

/** The tracer that the environment asks for; control has refused what is not supported. */
export async function tracerOf(env: NodeJS.ProcessEnv): Promise<Tracer | undefined> {
  const settings = tracingSettings(env)
  if (settings === undefined) return undefined
  // Loaded by those alone who trace.
  const { otlpExporter } = await import('./otlp-exporter.ts')
  return new Tracer(new SpanQueue(otlpExporter(VERSION, env)), settings.ratio)
}
