import { Agent, type Dispatcher, Pool } from 'undici'
import { lastGoodLookup } from '../last-good-address.ts'

const LOOKUP = lastGoodLookup()

/** One connection to an endpoint for what control asks it; those of predictions are the data processes' own. */
export function endpointDispatcher({
  origin,
  socketPath,
}: {
  origin: string
  socketPath?: string
}): Dispatcher {
  return socketPath
    ? new Pool(origin, { connections: 1, connect: { socketPath } })
    : new Agent({ connections: 1, connect: { lookup: LOOKUP } })
}
