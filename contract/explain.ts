import { parseJson } from './json.ts'
import type { JsonLimits } from './json-limits.ts'
import type { Manifest } from './manifest.ts'
import { parsePredict } from './predict.ts'
import { addProblem, brokenContract, ContractError, found, type Problem } from './problem.ts'

/** How attributions are found; see docs/explanations.md. */
export const EXPLAIN_METHODS = ['tree-shap', 'linear', 'exact', 'permutation'] as const
export type ExplainMethod = (typeof EXPLAIN_METHODS)[number]

/** What the sum of base and contributions becomes before it is an output. */
export const LINKS = ['identity', 'logit', 'softmax'] as const
export type Link = (typeof LINKS)[number]

/** What contributions are in where no link lies between them and the output: points of probability, or the output's own units. */
export const SPACES = ['probability', 'output'] as const
export type Space = (typeof SPACES)[number]

/** Records that one request may ask about. */
export const MAX_EXPLAINED = 64

/**
 * How it is asked for otherwise than the version's own way: in the space of the output, at up to 50,000 answers a record, and
 * so not while the caller waits.
 */
export const EXPLAIN_MODES = ['interventional'] as const
export type ExplainMode = (typeof EXPLAIN_MODES)[number]

/** What a worker calls an explanation that is fetched later: which process, and which of its explanations. */
export const EXPLANATION_JOB = /^[0-9a-f]{24}$/

/** Where an explanation is fetched that was asked for with a mode. */
export const explanationPath = (model: string, id: string) => `/v1/models/${model}/explanations/${id}`

/** Of one request to explain, all valid. */
export interface Explain {
  records: Record<string, unknown>[]
  /** The prediction that is asked about, whose version explains it. */
  predictionId?: string
  mode?: ExplainMode
}

/**
 * Reads the body of `POST /v1/models/{m}:explain`, `{"instances": [record, ...], "prediction_id"?, "mode"?}`.
 * Throws ContractError with all problems, as a prediction's are told.
 */
export function parseExplain(json: unknown, manifest: Manifest, maxInstances = MAX_EXPLAINED): Explain {
  if (!isObject(json)) return parsePredict(json, manifest, maxInstances)
  const { prediction_id: predictionId, mode, ...predict } = json
  const problems: Problem[] = []
  if (predictionId !== undefined && typeof predictionId !== 'string')
    addProblem(
      problems,
      ['body', 'prediction_id'],
      'wrong_type',
      `prediction_id: expected the id of a prediction as a string, got ${found(predictionId)}`,
      predictionId,
    )
  if (mode !== undefined && !isMode(mode))
    addProblem(
      problems,
      ['body', 'mode'],
      typeof mode === 'string' ? 'not_in_enum' : 'wrong_type',
      `mode: expected "interventional" or none, got ${found(mode)}`,
      mode,
    )
  try {
    const { records } = parsePredict(predict, manifest, maxInstances)
    if (problems.length > 0) throw brokenContract(problems)
    return {
      records,
      ...(typeof predictionId === 'string' && { predictionId }),
      ...(isMode(mode) && { mode }),
    }
  } catch (error) {
    if (!(error instanceof ContractError) || error.status !== 422 || problems.length === 0) throw error
    throw error.problems[0] === problems[0] ? error : brokenContract([...problems, ...error.problems])
  }
}

/**
 * The prediction that a body asks about; undefined where it names none, or is so broken that whoever reads the records
 * will say more of it.
 */
export function predictionIdOf(body: Uint8Array, limits?: JsonLimits): string | undefined {
  let json: unknown
  try {
    json = parseJson(body, limits)
  } catch {
    return undefined
  }
  return isObject(json) && typeof json.prediction_id === 'string' ? json.prediction_id : undefined
}

const isMode = (mode: unknown): mode is ExplainMode => (EXPLAIN_MODES as readonly unknown[]).includes(mode)

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
