import { distributionRequest } from '@coalmine/contract/distribution/layout.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { parseJson } from '@coalmine/contract/json.ts'
import { DEFAULT_JSON_LIMITS } from '@coalmine/contract/json-limits.ts'
import { ContractError } from '@coalmine/contract/problem.ts'
import type { Serving } from '../serving.ts'

/** A thousand features with a thousand categories each do not fit; who has so many is told. */
const BYTES_MAX = 1024 * 1024

/** Answers a gateway that asks what was seen in the bins that it names. */
export function handleDistribution(exchange: Exchange, { distribution }: Serving): void {
  const answer = (status: number, body: unknown) =>
    exchange.answer(status, ['content-type', 'application/json'], JSON.stringify(body))
  exchange.readBody(BYTES_MAX, (body) => {
    if (body === 'gone') return
    if (body === 'too large') return answer(413, { error: `the body is larger than ${BYTES_MAX} bytes` })
    try {
      const request = distributionRequest.safeParse(parseJson(body, DEFAULT_JSON_LIMITS))
      if (request.success) return answer(200, distribution.ask(request.data))
      const problems = request.error.issues.map(
        ({ path, message }) => `${path.join('.') || 'body'}: ${message}`,
      )
      answer(422, { error: problems.slice(0, 3).join('; ') })
    } catch (error) {
      if (!(error instanceof ContractError)) throw error
      answer(error.status, { error: error.message })
    }
  })
}
