/** A place in a trace, as W3C Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  readonly isSampled: boolean
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const NOTHING = /^0+$/

/** Undefined for what is none; a later version is read as far as it is like this one. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(text ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (NOTHING.test(traceId!) || NOTHING.test(spanId!)) return undefined
  return { traceId: traceId!, spanId: spanId!, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

export function traceparentOf({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

const NO_HEADERS: readonly string[] = []

/**
 * What an answer says of its trace: the header `traceresponse` of the W3C's draft for responses, which OpenTelemetry's propagators
 * read and write. Flat; nothing where there is no trace.
 * @param traceparent the last place in the trace that is known
 */
export function traceResponse(traceparent: string | undefined): readonly string[] {
  const context = parseTraceparent(traceparent)
  return context === undefined ? NO_HEADERS : ['traceresponse', traceparentOf(context)]
}

/** @param random u32 draws */
export function newTraceId(random: () => number): string {
  return hex(random()) + hex(random()) + hex(random()) + hex(random() || 1)
}

export function newSpanId(random: () => number): string {
  return hex(random()) + hex(random() || 1)
}

function hex(u32: number): string {
  return u32.toString(16).padStart(8, '0')
}
