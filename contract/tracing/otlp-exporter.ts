import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { Span } from './span.ts'
import type { Exporter } from './span-queue.ts'

type ExportedSpan = Parameters<OTLPTraceExporter['export']>[0][number]

const KINDS = { internal: 0, server: 1, client: 2 } as const
const [SAMPLED, NOT_SAMPLED] = [1, 0]
const [UNSET, ERROR] = [0, 2]
/** `ExportResultCode.SUCCESS`. */
const SUCCESS = 0

/**
 * OTLP over HTTP with protobuf, to where OTEL_EXPORTER_OTLP_* say.
 * @param attributes of the resource: who it is that makes the spans
 * @param version of the program
 */
export function otlpExporter(
  attributes: Readonly<Record<string, string | number>>,
  version: string,
): Exporter {
  const exporter = new OTLPTraceExporter()
  const resource = resourceFromAttributes(attributes)
  const scope = { name: 'coalmine', version }
  const exported = ({ context, parentId, traceState, kind, error, startMs, endMs, ...span }: Span) => {
    const contextOf = (spanId: string) => ({
      ...{ traceId: context.traceId, spanId },
      traceFlags: context.isSampled ? SAMPLED : NOT_SAMPLED,
      ...(traceState !== undefined && { traceState: { serialize: () => traceState } }),
    })
    return {
      ...span,
      kind: KINDS[kind],
      spanContext: () => contextOf(context.spanId),
      ...(parentId !== undefined && { parentSpanContext: contextOf(parentId) }),
      startTime: hrTime(startMs),
      endTime: hrTime(endMs),
      duration: hrTime(endMs - startMs),
      status: error === undefined ? { code: UNSET } : { code: ERROR, message: error },
      ...{ links: [], events: [], ended: true, resource, instrumentationScope: scope },
      ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
    } as unknown as ExportedSpan
  }
  return (spans) =>
    new Promise((resolve) => exporter.export(spans.map(exported), ({ code }) => resolve(code === SUCCESS)))
}

function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}
