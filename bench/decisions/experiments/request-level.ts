import { ABORTS, RETRIES, STICKY } from './requests/clients.ts'
import { BATCHED, COLD, STALLED } from './requests/endpoints.ts'
import { BIASED, BREAKER, LAG, LATE } from './requests/gateways.ts'
import { EDITED } from './requests/policy-edit.ts'
import type { RequestLevel } from './requests/request-fleet.ts'

export type { Limit, RequestLevel } from './requests/request-fleet.ts'

export const REQUEST_LEVEL: readonly RequestLevel[] = [
  ...STALLED,
  ...BATCHED,
  BREAKER,
  ...ABORTS,
  RETRIES,
  ...LATE,
  LAG,
  ...EDITED,
  ...STICKY,
  COLD,
  BIASED,
].map((experiment) => ({ ...experiment, name: `requests: ${experiment.name}` }))
