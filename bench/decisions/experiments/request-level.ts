import { ABORTS, RETRIES, STICKY } from './requests/clients.ts'
import { BATCHED, COLD, STALLED } from './requests/endpoints.ts'
import { BIASED, BREAKER, LAG, LATE } from './requests/gateways.ts'
import { EDITED } from './requests/policy-edit.ts'
import type { RequestLevel } from './requests/request-fleet.ts'

export type { Limit, RequestLevel } from './requests/request-fleet.ts'

const prefixed = (experiments: readonly RequestLevel[]): readonly RequestLevel[] =>
  experiments.map((experiment) => ({ ...experiment, name: `requests: ${experiment.name}` }))

/** What strikes one endpoint: healthy canaries, which must stay, and bad ones, which must not be proven. */
export const ENDPOINTS_HEALTHY: readonly RequestLevel[] = prefixed(
  [...STALLED, ...BATCHED].filter(({ limits }) => limits[0]!.figure === 'rollbackAt'),
)
export const ENDPOINTS_BAD: readonly RequestLevel[] = prefixed(
  [...STALLED, ...BATCHED].filter(({ limits }) => limits[0]!.figure === 'promotionAt'),
)

/** What gateways, clients and operators do. */
export const OTHERS: readonly RequestLevel[] = prefixed([
  BREAKER,
  ...ABORTS,
  RETRIES,
  ...LATE,
  LAG,
  ...EDITED,
  ...STICKY,
  COLD,
  BIASED,
])

export const REQUEST_LEVEL: readonly RequestLevel[] = [...ENDPOINTS_HEALTHY, ...ENDPOINTS_BAD, ...OTHERS]
