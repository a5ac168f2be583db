import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

type Done = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/**
 * `dns.lookup` that answers with what it last found while a name cannot be resolved: a name server that is away takes
 * no endpoint away. Names come from the configuration, so what is kept is bounded by it.
 */
export function lastGoodLookup(resolve: LookupFunction = lookup as LookupFunction): LookupFunction {
  const found = new Map<string, { address: string | LookupAddress[]; family: number | undefined }>()
  return (name: string, options: LookupOptions, done: Done) => {
    const key = `${options.family ?? 0} ${options.all ?? false} ${name}`
    resolve(name, options, (error, address, family) => {
      const last = found.get(key)
      if (error === null) found.set(key, { address, family })
      else if (last !== undefined) return done(null, last.address, last.family)
      done(error, address, family)
    })
  }
}
