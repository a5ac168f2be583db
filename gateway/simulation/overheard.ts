import { type Log, log } from '@coalmine/contract/log.ts'
import type { Report } from './report.ts'

/** What the gateway says when its own code has failed in a turn. */
const STANDS_STILL = 'a rollout stands still'

/**
 * Whatever the gateway logs is told by the report instead, until the returned function is called.
 */
export function overhear(report: Report): () => void {
  const said = { ...log }
  for (const level of Object.keys(said) as (keyof Log)[])
    log[level] = (msg, fields) => {
      report.trace(() => `${level}: ${msg} ${JSON.stringify(fields ?? {})}`)
      report.holds(msg !== STANDS_STILL, () => `${msg}: ${JSON.stringify(fields)}`)
    }
  return () => void Object.assign(log, said)
}
