import type { TraceContext } from './trace-context.ts'

/** Something that took time, as it is exported. */
export interface Span {
  readonly name: string
  readonly kind: 'server' | 'client' | 'internal'
  readonly context: TraceContext
  readonly parentId: string | undefined
  readonly traceState: string | undefined
  /** Since the epoch. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  /** Why it failed; undefined where it did not. */
  readonly error: string | undefined
}
