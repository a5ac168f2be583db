import { parsePolicy } from '../parse-policy.ts'

/** Texts of small policies, for tests that change a key or two. */

export const STEPS = '[{ setWeight: 50, minDuration: 1m }]'
export const RISK = '{ falseRollback: 1%, falsePromotion: 5% }'
export const ERRORS = 'metric: error_rate, tolerate: 0.1pp, margin: 0.5pp'
export const SCORES = 'metric: score_distribution, tolerate: 0.1, margin: 0.2'

/** A policy of a few top-level keys, with the least of what they leave out. */
export function policyText(keys: Record<string, string> = {}): string {
  const all = { steps: STEPS, risk: RISK, guardrails: `[{ ${ERRORS} }]`, ...keys }
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')
}

/** `line:column: path: expected, found` of each problem. */
export function problems(text: string, name = 'churn'): string[] {
  const parsed = parsePolicy(name, text)
  return parsed.ok
    ? []
    : parsed.problems.map(
        ({ line, column, path, expected, found }) =>
          `${line}:${column}: ${path}: expected ${expected}, found ${found}`,
      )
}
