import {
  ANSWER_HEADER,
  type Answer as Facts,
  formatAnswer,
  ID_PLACEHOLDER,
  parseAnswer,
} from '@coalmine/contract/internal-headers.ts'
import { type Answer, headerOf, withHeader } from './forward.ts'

/** The scored output of the churn models, [probability of staying, of leaving]; the second is the score. */
const SCORED = 'probabilities'
const PAIR = 2
/** Stands where a word goes that JSON cannot say. */
const PLACE = '\0'

/** The same length, so that every header still holds, and no JSON. */
export function broken(answer: Answer): Answer {
  const body = Buffer.from(answer.body)
  body.write(',', body.length - 1)
  return { ...answer, body }
}

export function emptied(answer: Answer): Answer {
  return withBody(answer, '')
}

/** Every score is a word that no number is. Throws an Error when the answer has no scores. */
export function notFinite(answer: Answer, word: string): Answer {
  const json = parse(answer)
  changePairs(json, ([stay]) => [stay, PLACE])
  const text = JSON.stringify(json).replaceAll(JSON.stringify(PLACE), word)
  return withoutFacts(withBody(answer, text))
}

/** Every score moved within 0 to 1, and the other probability with it. Throws an Error when there are no scores. */
export function shifted(answer: Answer, by: number): Answer {
  const moved = (score: number) => Math.fround(Math.min(1, Math.max(0, score + by)))
  const json = parse(answer)
  changePairs(json, ([, leave]) => [Math.fround(1 - moved(leave)), moved(leave)])
  return withFacts(withBody(answer, JSON.stringify(json)), (facts) =>
    facts.score === undefined ? facts : { ...facts, score: moved(facts.score) },
  )
}

/** The last prediction twice, or not at all. Throws an Error when the answer is in neither protocol. */
export function miscounted(answer: Answer, by: 1 | -1): Answer {
  const json = parse(answer)
  if (json.predictions !== undefined) json.predictions = resized(json.predictions, by, 1)
  else if (json.outputs !== undefined) {
    for (const output of json.outputs) {
      const width = output.data.length / output.shape[0]!
      output.data = resized(output.data, by, width)
      output.shape[0]! += by
    }
  } else throw new Error('an answer without predictions or outputs has no rows')
  return withFacts(withBody(answer, JSON.stringify(json)), (facts) => ({ ...facts, rows: facts.rows + by }))
}

/** What both protocols' answers have of interest here. */
interface Body {
  predictions?: { [SCORED]?: Pair }[]
  outputs?: { name: string; shape: number[]; data: unknown[] }[]
}
type Pair<Word = number> = [stay: Word, leave: Word]

function parse({ body }: Answer): Body {
  return JSON.parse(body.toString('utf8'))
}

function changePairs(json: Body, change: (pair: Pair) => Pair<unknown>): void {
  const tensor = json.outputs?.find(({ name }) => name === SCORED)
  if (tensor !== undefined) {
    for (let at = 0; at < tensor.data.length; at += PAIR)
      tensor.data.splice(at, PAIR, ...change(tensor.data.slice(at, at + PAIR) as Pair))
    return
  }
  const rows = json.predictions ?? []
  if (rows.length === 0 || rows.some((row) => row[SCORED]?.length !== PAIR))
    throw new Error(`an answer without ${SCORED} of two labels has no scores`)
  for (const row of rows) row[SCORED] = change(row[SCORED]!) as Pair
}

function resized<Item>(items: Item[], by: 1 | -1, width: number): Item[] {
  return by === 1 ? [...items, ...items.slice(-width)] : items.slice(0, -width)
}

function withBody(answer: Answer, text: string): Answer {
  const body = Buffer.from(text)
  return { ...answer, headers: withHeader(answer.headers, 'content-length', `${body.length}`), body }
}

function withoutFacts(answer: Answer): Answer {
  return { ...answer, headers: withHeader(answer.headers, ANSWER_HEADER, undefined) }
}

/** The worker's header about its answer, true of the new body; gone when its row is. */
function withFacts(answer: Answer, change: (facts: Facts) => Facts): Answer {
  const facts = parseAnswer(headerOf(answer.headers, ANSWER_HEADER))
  if (facts === undefined) return answer
  const changed = { ...change(facts), ids: placeholders(answer.body) }
  if (changed.row >= changed.rows) return withoutFacts(answer)
  return { ...answer, headers: withHeader(answer.headers, ANSWER_HEADER, formatAnswer(changed)) }
}

function placeholders(body: Buffer): number[] {
  const found: number[] = []
  for (let at = body.indexOf(ID_PLACEHOLDER); at >= 0; at = body.indexOf(ID_PLACEHOLDER, at)) {
    found.push(at)
    at += ID_PLACEHOLDER.length
  }
  return found
}
