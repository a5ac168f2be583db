import type { Manifest } from './manifest.ts'
import { addProblem, brokenContract, ContractError, found, type Loc, type Problem } from './problem.ts'
import { meaning } from './spelling.ts'

/** What turned out to be true of one prediction, as a client sends it. */
export interface FeedbackItem {
  readonly predictionId: string
  /** An index or a name of the model's labels; checked by `classOfTruth`. */
  readonly truth: unknown
  /** When it was seen, in ms since the epoch; undefined when the client does not say. */
  readonly observedMs?: number
}

/** More in one request are refused with 413. */
export const FEEDBACK_ITEMS_MAX = 1024

const KEYS = ['prediction_id', 'truth', 'observed_at'] as const
const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/**
 * The items of a feedback body: one object, or a list of them. `at` gives each item's place in the body. Throws a
 * ContractError with every problem: 400 for what is no JSON, 413 for too many, 422 for anything else.
 */
export function parseFeedback(text: string): { items: FeedbackItem[]; at: (item: number) => Loc } {
  const body = parsed(text)
  const isList = Array.isArray(body)
  const written: readonly unknown[] = isList ? body : [body]
  if (written.length > FEEDBACK_ITEMS_MAX)
    throw new ContractError(
      413,
      `at most ${FEEDBACK_ITEMS_MAX} truths in one request, found ${written.length}`,
    )
  const at = (item: number): Loc => (isList ? ['body', item] : ['body'])
  const problems: Problem[] = []
  if (written.length === 0)
    addProblem(problems, ['body'], 'too_few', 'expected at least one truth, found none')
  const items = written.map((item, i) => itemOf(item, at(i), problems))
  if (problems.length > 0) throw brokenContract(problems)
  return { items: items as FeedbackItem[], at }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ContractError(400, `the body is no JSON: ${(error as Error).message}`)
  }
}

function itemOf(item: unknown, at: Loc, problems: Problem[]): FeedbackItem | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    const expected = 'expected {"prediction_id": ..., "truth": ...}'
    addProblem(problems, at, 'wrong_type', `${expected}, found ${found(item)}`, item)
    return undefined
  }
  for (const key of Object.keys(item))
    if (!(KEYS as readonly string[]).includes(key))
      addProblem(problems, [...at, key], 'unknown_field', `expected no such field${meaning(key, KEYS)}`)
  const { prediction_id: predictionId, truth, observed_at: observed } = item as Record<string, unknown>
  if (typeof predictionId !== 'string')
    addProblem(
      problems,
      [...at, 'prediction_id'],
      predictionId === undefined ? 'missing' : 'wrong_type',
      `expected the prediction_id of an answer, found ${found(predictionId)}`,
      predictionId,
    )
  if (truth === undefined)
    addProblem(problems, [...at, 'truth'], 'missing', 'expected the true label, found nothing')
  const observedMs = observed === undefined ? undefined : instantMs(observed)
  if (observed !== undefined && observedMs === undefined)
    addProblem(
      problems,
      [...at, 'observed_at'],
      typeof observed === 'string' ? 'not_supported' : 'wrong_type',
      `expected an instant such as 2026-01-31T12:00:00Z, found ${found(observed)}`,
      observed,
    )
  return {
    predictionId: predictionId as string,
    truth,
    ...(observedMs !== undefined && { observedMs }),
  }
}

function instantMs(value: unknown): number | undefined {
  if (typeof value !== 'string' || !ISO_INSTANT.test(value)) return undefined
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? undefined : ms
}

/** The labels that a model's answers are among; empty for a model without. */
export function labelsOf({ outputs }: Pick<Manifest, 'outputs'>): readonly string[] {
  return outputs.find(({ labels }) => labels !== undefined)?.labels ?? []
}

/** The class that a truth names, by index or by name; otherwise the problem is added and there is none. */
export function classOfTruth(
  truth: unknown,
  { name, outputs }: Pick<Manifest, 'name' | 'outputs'>,
  at: Loc,
  problems: Problem[],
): number | undefined {
  const labels = labelsOf({ outputs })
  const where = [...at, 'truth']
  if (labels.length === 0) {
    const none = `expected no truth, as model '${name}' declares no labels to compare it with`
    addProblem(problems, where, 'not_supported', none, truth)
    return undefined
  }
  if (typeof truth === 'number' && Number.isInteger(truth) && truth >= 0 && truth < labels.length)
    return truth
  const index = typeof truth === 'string' ? labels.indexOf(truth) : -1
  if (index >= 0) return index
  const type =
    typeof truth === 'string' ? 'not_in_enum' : typeof truth === 'number' ? 'out_of_range' : 'wrong_type'
  const near = typeof truth === 'string' ? meaning(truth, labels) : ''
  addProblem(
    problems,
    where,
    type,
    () =>
      `expected an index from 0 to ${labels.length - 1} or one of ${listed(labels)}, found ${found(truth)}${near}`,
    truth,
  )
  return undefined
}

function listed(labels: readonly string[]): string {
  const shown = labels
    .slice(0, 10)
    .map((label) => JSON.stringify(label))
    .join(', ')
  return labels.length > 10 ? `${shown} and ${labels.length - 10} more` : shown
}
