import { basename } from 'node:path'

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/
const ENDING = '.yaml'

/** Why a text cannot name a policy, as the end of a sentence; undefined when it can. */
export function policyNameProblem(text: string): string | undefined {
  if (text === 'none') return 'none stands for no policy'
  return NAME.test(text) && !text.includes('..')
    ? undefined
    : 'a policy name has 1 to 63 of a-z, 0-9, ".", "_", "-" and begins with a letter or digit'
}

/** `churn` for `config/policies/churn.yaml`; undefined for a file with another ending. */
export function policyName(file: string): string | undefined {
  return file.endsWith(ENDING) ? basename(file, ENDING) : undefined
}
