import { LINK_VERSION, type LinkTerms } from '@coalmine/contract/link/frame.ts'
import type { LinkLimits } from '../messages.ts'
import type { ProbeAnswer } from './probe.ts'

/**
 * What a worker's word on its link comes to: undefined where it has none, knows no version that we do, or speaks of
 * another model. Then it gets plain requests, which every worker understands.
 */
export function linkOf(
  answer: ProbeAnswer,
  { model, version }: { model: string; version: string },
  digest: string,
): LinkLimits | undefined {
  if (answer.kind !== 'answered' || answer.status !== 200) return undefined
  const terms = parse(answer.body)
  if (terms === undefined || !Array.isArray(terms.versions) || !terms.versions.includes(LINK_VERSION))
    return undefined
  if (terms.model !== model || terms.version !== version || terms.digest !== digest) return undefined
  const { maxRows, maxBytes } = terms
  return isCount(maxRows) && isCount(maxBytes) ? { maxRows, maxBytes } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function parse(text: string): Partial<LinkTerms> | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}
