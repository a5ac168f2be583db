import type { ProbeAnswer } from './probe.ts'

/** What active checks have found out about one endpoint. Pure: the monitor asks, this decides. */
export interface Health {
  healthy: boolean
  /** Failed checks in a row. */
  failures: number
  reason?: string
  /** The last check got no answer at all. */
  unreachable?: boolean
}

/** Failed checks in a row before a healthy endpoint is taken out (HAProxy's `fall`); one good check brings it back. */
const FALL = 3
const GONE = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EHOSTUNREACH'])

export const UNCHECKED: Health = { healthy: false, failures: 0, reason: 'not checked yet' }

export function afterCheck(health: Health, answer: ProbeAnswer): Health {
  const reason = fault(answer)
  if (reason === undefined) return { healthy: true, failures: 0 }
  const failures = health.failures + 1
  // Nobody listens there, or it says itself that it is not ready: no reason to ask twice.
  const certain = answer.kind === 'answered' || GONE.has(answer.code)
  const unreachable = answer.kind === 'unreachable'
  return {
    healthy: health.healthy && !certain && failures < FALL,
    failures,
    reason,
    ...(unreachable && { unreachable }),
  }
}

function fault(answer: ProbeAnswer): string | undefined {
  if (answer.kind === 'unreachable') return `no answer to the health check (${answer.code})`
  if (answer.status === 200) return undefined
  return `the health check was answered with ${answer.status}${saidReason(answer.body)}`
}

function saidReason(body: string): string {
  try {
    const { reason } = JSON.parse(body)
    return typeof reason === 'string' ? `: ${reason.slice(0, 500)}` : ''
  } catch {
    return ''
  }
}
