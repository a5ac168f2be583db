import { createHash } from 'node:crypto'
import type { Policy } from '@coalmine/core/rollout/policy.ts'

/**
 * `sha256:<hex>` of the rules that a policy states, whatever its name: comments, the order of keys, units (`60s` or
 * `1m`) and defaults that are written out change nothing.
 */
export function policyHash(rules: Omit<Policy, 'name' | 'hash'>): string {
  return `sha256:${createHash('sha256').update(canonical(rules)).digest('hex')}`
}

/** JSON with the keys in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
