import { compareOutputs, type Golden } from '@coalmine/contract/golden.ts'
import { FetchExchange } from '@coalmine/contract/http/fetch-exchange.ts'
import { handle } from './call.ts'
import { V1 } from './protocol.ts'
import type { Serving } from './serving.ts'

/** More requests than this at once would only wait. */
const AT_ONCE = 256

/**
 * Sends every golden record through the whole path of a V1 request, many at once so that they share runs.
 * Undefined when all agree, else one sentence with the first record that does not and by how much.
 */
export async function goldenProblem(
  golden: readonly Golden[],
  serving: Serving,
): Promise<string | undefined> {
  const { tracer: _, ...untraced } = serving
  const uncounted = { ...untraced, metrics: { ...serving.metrics, observe: () => {} } }
  const problems: string[] = []
  for (let first = 0; first < golden.length; first += AT_ONCE) {
    const some = golden.slice(first, first + AT_ONCE)
    const found = await Promise.all(some.map((each, i) => recordProblem(each, first + i + 1, uncounted)))
    problems.push(...found.filter((problem) => problem !== undefined))
  }
  if (problems.length === 0) return undefined
  return `${problems.length} of ${golden.length} golden records disagree; ${problems[0]}`
}

async function recordProblem(
  { record, outputs }: Golden,
  line: number,
  serving: Serving,
): Promise<string | undefined> {
  const body = JSON.stringify({ instances: [record] })
  const exchange = new FetchExchange(new Request('http://worker/', { method: 'POST', body }))
  handle(exchange, V1, serving)
  const response = await exchange.response
  const answer = (await response.json()) as { predictions: Record<string, unknown>[]; error?: string }
  if (response.status !== 200) return `record ${line} was answered ${response.status}: ${answer.error}`
  const difference = compareOutputs(serving.manifest.outputs, outputs, answer.predictions[0]!)
  if (difference === undefined) return undefined
  const { output, index, expected, actual } = difference
  return `record ${line}: ${output}[${index}] should be ${expected} and is ${actual}, off by ${difference.difference}`
}
