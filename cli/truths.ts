import { readFile } from 'node:fs/promises'
import { type FeedbackItem, parseFeedback } from '@coalmine/contract/feedback.ts'
import { brierLoss, clippedLogLoss } from '@coalmine/contract/loss.ts'
import { ContractError } from '@coalmine/contract/problem.ts'
import type { KnownTruth } from '@coalmine/core/rollout/replayed-traffic.ts'
import { BatchError } from '@coalmine/worker/batch/batch-error.ts'
import { CommandError } from './exit-code.ts'
import { fileFault } from './file-fault.ts'
import type { LoggedRequest } from './prediction-log.ts'

/** Truths by the id of the prediction that they are about. */
export interface ReadTruths {
  readonly truths: ReadonlyMap<string, Pick<FeedbackItem, 'truth' | 'observedMs'>>
  /** Ids that came again; the first one counts, as for a gateway. */
  readonly repeated: number
}

const COLUMNS = ['prediction_id', 'truth', 'observed_at']

/**
 * Truths as they would be sent as feedback: JSON lines, or CSV with the same names in its header. Throws a CommandError that
 * names file and line.
 */
export async function readTruths(files: readonly string[]): Promise<ReadTruths> {
  const truths = new Map<string, FeedbackItem>()
  let repeated = 0
  for (const file of files) {
    const bytes = await readFile(file).catch((error: Error) => {
      throw fileFault(file, error)
    })
    const lines = file.endsWith('.csv') ? await ofCsv(file, bytes).catch(asCommandError) : linesOf(bytes)
    for (const { text, line } of lines) {
      const item = itemOf(text, `${file}:${line}`)
      if (truths.has(item.predictionId)) repeated++
      else truths.set(item.predictionId, item)
    }
  }
  return { truths, repeated }
}

/** What readers of batch files say of one. */
function asCommandError(error: Error): never {
  throw error instanceof BatchError ? new CommandError(error.message) : error
}

interface Line {
  /** A feedback item in JSON. */
  readonly text: string
  readonly line: number
}

function linesOf(bytes: Buffer): Line[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .map((text, i) => ({ text, line: i + 1 }))
    .filter(({ text }) => text.trim() !== '')
}

/** Rows of a CSV; a truth of digits is an index. */
async function ofCsv(file: string, bytes: Buffer): Promise<Line[]> {
  // Here, as other commands have no use for a reader of CSV.
  const { csvHeader, csvTable } = await import('@coalmine/worker/batch/text-table.ts')
  const { reader } = await import('@coalmine/worker/batch/column.ts')
  const end = bytes.indexOf('\n') + 1 || bytes.length
  const header = csvHeader(file, bytes.subarray(0, end), ',')
  const foreign = header.find((name) => !COLUMNS.includes(name))
  if (foreign !== undefined || !header.includes('prediction_id') || !header.includes('truth'))
    throw new CommandError(
      `${file}:1: expected the columns prediction_id, truth and perhaps observed_at, found ${header.join(', ')}`,
    )
  const passed = header.map((name) => ({ name, type: 'string' as const }))
  const { rows, columns, broken } = csvTable(
    bytes.subarray(end),
    { path: file, firstRow: 0, header, delimiter: ',' },
    { inputs: [], passed },
  )
  const cells = new Map([...columns].map(([name, column]) => [name, reader(column)]))
  return Array.from({ length: rows }, (_, row) => {
    const line = row + 2
    if (broken.has(row)) throw new CommandError(`${file}:${line}: ${broken.get(row)}`)
    const cell = (name: string) => cells.get(name)?.(row) as string | undefined
    const truth = cell('truth')!
    const observed = cell('observed_at')
    return {
      line,
      text: JSON.stringify({
        prediction_id: cell('prediction_id'),
        truth: /^\d+$/.test(truth) ? Number(truth) : truth,
        ...(observed && { observed_at: observed }),
      }),
    }
  })
}

function itemOf(text: string, place: string): FeedbackItem {
  try {
    const [item, ...others] = parseFeedback(text).items
    if (others.length > 0) throw new CommandError(`${place}: expected one truth a line, found a list`)
    return item!
  } catch (error) {
    if (!(error instanceof ContractError)) throw error
    const [first] = error.problems
    const at = first === undefined ? '' : `${first.loc.slice(1).join('.')}: `
    throw new CommandError(`${place}: ${at}${first?.msg ?? error.message}`)
  }
}

/** The requests, each with its truth where there is one that a gateway would have counted. */
export function withTruths(
  requests: readonly LoggedRequest[],
  { truths }: ReadTruths,
  labels: readonly string[],
): LoggedRequest[] {
  const classes =
    labels.length > 0
      ? labels.length
      : requests.reduce((most, { class: one = 0 }) => Math.max(most, one + 1), 2)
  return requests.map((request) => {
    const found = request.answeredBy === request.version ? truths.get(request.predictionId ?? '') : undefined
    if (found === undefined || request.class === undefined) return request
    const truth = classOf(found.truth, labels, classes)
    return { ...request, truth: judged(request, truth, classes, labels[truth], found.observedMs) }
  })
}

function classOf(truth: unknown, labels: readonly string[], classes: number): number {
  if (typeof truth === 'number' && Number.isInteger(truth) && truth >= 0 && truth < classes) return truth
  const index = labels.indexOf(truth as string)
  if (index >= 0) return index
  const names =
    labels.length > 0 ? ` or one of ${labels.join(', ')}` : ', or --labels, which names the classes'
  throw new CommandError(
    `truth: expected an index from 0 to ${classes - 1}${names}, found ${JSON.stringify(truth)}`,
  )
}

/** What was found out about an answer. A score is taken to be about the last class, as a part of one. */
function judged(
  { timeMs, class: predicted, score }: LoggedRequest,
  truth: number,
  classes: number,
  name: string | undefined,
  observedMs: number | undefined,
): KnownTruth {
  const part = score === undefined ? undefined : Math.max(0, Math.min(1, score))
  const given = part === undefined ? undefined : truth === classes - 1 ? part : 1 - part
  return {
    knownMs: observedMs ?? timeMs,
    wrong: predicted !== truth,
    ...(given !== undefined && { brier: brierLoss(given), logLoss: clippedLogLoss(given) }),
    ...(name !== undefined && { class: name }),
  }
}
