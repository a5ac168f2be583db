import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import type { RecordedRequest } from '@coalmine/core/rollout/replayed-traffic.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import { CommandError } from './exit-code.ts'

/** What a log holds of one model. */
export interface ReadLog {
  /** In order of time. */
  readonly requests: readonly LoggedRequest[]
  /** Lines that were cut off when a gateway ended; no other line may be broken. */
  readonly cutOff: number
  /** Predictions that say nothing of versions: pinned, or drawn for no comparison. */
  readonly leftOut: number
}

export interface LoggedRequest extends RecordedRequest {
  readonly version: string
  readonly model: string
  /** The version whose answer the client got; undefined for none. */
  readonly answeredBy?: string
  readonly predictionId?: string
}

const OUTCOMES: Readonly<Record<string, RecordedRequest['outcome']>> = {
  ok: 'good',
  rejected: 'rejected',
  error: 'failed',
  invalid: 'failed',
  timeout: 'failed',
  unavailable: 'failed',
  aborted: 'aborted',
}
const ARMS: ReadonlySet<unknown> = new Set<Arm>(['stable', 'baseline', 'canary'])

/**
 * The predictions of files and folders that gateways wrote, `.gz` as well. Throws a CommandError that names file and line.
 *
 * @param model undefined: the only one that there is
 */
export async function readPredictionLog(paths: readonly string[], model?: string): Promise<ReadLog> {
  const requests: LoggedRequest[] = []
  let [cutOff, leftOut] = [0, 0]
  for (const file of await filesOf(paths)) {
    for await (const { line, number, isLast } of linesOf(file)) {
      const event = parsed(line)
      if (event === undefined) {
        if (!isLast)
          throw new CommandError(`${file}:${number}: expected a CloudEvent in JSON, found ${shown(line)}`)
        cutOff++
        continue
      }
      const request = requestOf(event)
      if (typeof request === 'string') throw new CommandError(`${file}:${number}: ${request}`)
      if (request === undefined || (model !== undefined && request.model !== model)) leftOut++
      else requests.push(request)
    }
  }
  const models = [...new Set(requests.map((request) => request.model))]
  if (models.length > 1)
    throw new CommandError(`the log has predictions of ${models.join(', ')}: say which by --model`)
  if (requests.length === 0)
    throw new CommandError(
      `the log has no prediction${model === undefined ? '' : ` of '${model}'`} that says anything of versions`,
    )
  return { requests: requests.toSorted((a, b) => a.timeMs - b.timeMs), cutOff, leftOut }
}

async function filesOf(paths: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) throw new CommandError(`${path}: expected a file or a folder, found none`)
    if (found.isFile()) files.push(path)
    else {
      const names = (await readdir(path)).filter((name) => /\.jsonl(\.gz)?$/.test(name)).toSorted()
      if (names.length === 0)
        throw new CommandError(`${path}: expected files that end with .jsonl or .jsonl.gz, found none`)
      files.push(...names.map((name) => join(path, name)))
    }
  }
  return files
}

async function* linesOf(file: string): AsyncGenerator<{ line: string; number: number; isLast: boolean }> {
  const stream = createReadStream(file)
  const input = file.endsWith('.gz') ? stream.pipe(createGunzip()) : stream
  let before: { line: string; number: number } | undefined
  let number = 0
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (before !== undefined) yield { ...before, isLast: false }
    before = line.trim() === '' ? undefined : { line, number: ++number }
  }
  if (before !== undefined) yield { ...before, isLast: true }
}

type Event = { readonly type?: unknown; readonly time?: unknown; readonly data?: Record<string, unknown> }

function parsed(line: string): Event | undefined {
  try {
    const event: unknown = JSON.parse(line)
    return typeof event === 'object' && event !== null ? (event as Event) : undefined
  } catch {
    return undefined
  }
}

/** Undefined for what says nothing of versions; a sentence for what is no such event. */
function requestOf({ type, time, data }: Event): LoggedRequest | undefined | string {
  if (type !== 'coalmine.prediction.v1')
    return `type: expected "coalmine.prediction.v1", found ${shown(type)}`
  const timeMs = typeof time === 'string' ? Date.parse(time) : Number.NaN
  if (Number.isNaN(timeMs)) return `time: expected an instant in ISO 8601, found ${shown(time)}`
  const { model, version, arm, weight_bp, baseline_bp, outcome, latency_ms, score } = data ?? {}
  for (const [key, value] of Object.entries({ model, version, outcome }))
    if (typeof value !== 'string') return `data.${key}: expected text, found ${shown(value)}`
  for (const [key, value] of Object.entries({ weight_bp, baseline_bp }))
    if (!Number.isInteger(value)) return `data.${key}: expected basis points, found ${shown(value)}`
  const known = OUTCOMES[outcome as string]
  if (!ARMS.has(arm) || known === undefined) return undefined
  return {
    ...{ timeMs, model: model as string, version: version as string, arm: arm as Arm, outcome: known },
    ...{ weightBp: weight_bp as number, baselineBp: baseline_bp as number },
    elapsedMs: typeof latency_ms === 'number' ? latency_ms : 0,
    ...(typeof score === 'number' && { score }),
    ...(typeof data?.class === 'number' && { class: data.class }),
    ...(typeof data?.answered_by === 'string' && { answeredBy: data.answered_by }),
    ...(typeof data?.prediction_id === 'string' && { predictionId: data.prediction_id }),
  }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
