import { tracingSettings } from './settings.ts'
import { SpanQueue } from './span-queue.ts'

/** Where the spans of a process go, and which traces begin here. */
export interface Tracing {
  readonly queue: SpanQueue
  /** Part of the traces that begin here, 0 to 1. */
  readonly ratio: number
}

/** Who makes the spans. */
export interface Service {
  /** Where the environment names none. */
  readonly name: string
  readonly version: string
  readonly attributes?: Readonly<Record<string, string>>
}

/** What the environment asks for; undefined where nothing is traced. Throws an Error that names what is not supported. */
export async function tracingOf(env: NodeJS.ProcessEnv, service: Service): Promise<Tracing | undefined> {
  const settings = tracingSettings(env)
  if (settings === undefined) return undefined
  // Loaded by those alone who trace.
  const { otlpExporter } = await import('./otlp-exporter.ts')
  const { name, version, attributes } = service
  const resource = {
    ...{ 'service.name': name, 'service.version': version, 'process.pid': process.pid },
    ...attributes,
    ...settings.resource,
  }
  return { queue: new SpanQueue(otlpExporter(resource, version)), ratio: settings.ratio }
}
