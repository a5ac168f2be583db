/** What is traced. */
export interface TracingSettings {
  /** Part of the traces that begin here, 0 to 1; what began elsewhere is traced as its beginning says. */
  readonly ratio: number
  /** What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say of who makes the spans. */
  readonly resource: Readonly<Record<string, string>>
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * From OpenTelemetry's own variables: on where one names an endpoint. The exporter reads endpoint, headers, timeout, compression
 * and certificates by itself. Throws an Error that names the variable for what is not supported: a trace that is not there is
 * looked for at the worst time.
 */
export function tracingSettings(env: Env): TracingSettings | undefined {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT
  if (!endpoint || env.OTEL_SDK_DISABLED === 'true') return undefined
  const exporter = env.OTEL_TRACES_EXPORTER || 'otlp'
  if (exporter === 'none') return undefined
  if (exporter !== 'otlp') throw unsupported('OTEL_TRACES_EXPORTER', 'otlp or none', exporter)
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new Error(
      'environment: OTEL_EXPORTER_OTLP_ENDPOINT: expected an address such as http://collector:4318, found another text',
    )
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
    const protocol = env[name]
    if (protocol && protocol !== 'http/protobuf') throw unsupported(name, 'http/protobuf', protocol)
  }
  const propagators = env.OTEL_PROPAGATORS
  if (propagators && propagators !== 'tracecontext')
    throw unsupported('OTEL_PROPAGATORS', 'tracecontext', propagators)
  return { ratio: ratioOf(env), resource: resourceOf(env) }
}

/** The name of the service stands above one that is in the list, as OpenTelemetry has it. */
function resourceOf({
  OTEL_RESOURCE_ATTRIBUTES: list,
  OTEL_SERVICE_NAME: name,
}: Env): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const pair of (list ?? '').split(',').filter((each) => each.trim() !== '')) {
    const [, key, value] = /^\s*([^\s=]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? []
    const text = value === undefined ? undefined : decoded(value)
    if (text === undefined)
      throw unsupported('OTEL_RESOURCE_ATTRIBUTES', 'key=value,key=value with values percent-encoded', pair)
    attributes[key!] = text
  }
  return name ? { ...attributes, 'service.name': name } : attributes
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function ratioOf({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: text }: Env): number {
  switch (sampler || 'parentbased_always_on') {
    case 'parentbased_always_on':
      return 1
    case 'parentbased_always_off':
      return 0
    case 'parentbased_traceidratio': {
      const ratio = Number(text || 1)
      if (ratio >= 0 && ratio <= 1) return ratio
      throw unsupported('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1', text!)
    }
    default:
      throw unsupported(
        'OTEL_TRACES_SAMPLER',
        'parentbased_always_on, parentbased_always_off or parentbased_traceidratio',
        sampler!,
      )
  }
}

function unsupported(name: string, expected: string, found: string): Error {
  return new Error(`environment: ${name}: expected ${expected}, found ${found}`)
}
