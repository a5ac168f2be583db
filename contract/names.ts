import { z } from 'zod'

const MODEL_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** Words that name a role; a version of that name would make "which bytes?" a question of the moment. */
const ROLES = ['latest', 'stable', 'canary', 'baseline', 'previous']

/** Why a text cannot name a model, as the end of a sentence; undefined when it can. */
export function modelNameProblem(text: string): string | undefined {
  if (!MODEL_NAME.test(text))
    return 'a model name has 1 to 63 of a-z, 0-9, ".", "_", "-" and begins with a letter or digit'
  if (text.includes('..')) return 'a model name cannot contain ".."'
  return undefined
}

/** Why a text cannot name a version, as a sentence; undefined when it can. */
export function versionProblem(text: string): string | undefined {
  if (ROLES.includes(text.toLowerCase()))
    return `"${text}" is a role, not a version; name the exact version, for example 1.1.0`
  if (!VERSION.test(text))
    return 'a version has 1 to 63 of A-Z, a-z, 0-9, ".", "_", "-" and begins with a letter or digit'
  if (text.includes('..')) return 'a version cannot contain ".."'
  return undefined
}

/** Schemas for texts that name a model or a version. */
export const modelName = checkedText('a model name', modelNameProblem)
export const version = checkedText('a version', versionProblem)

function checkedText(what: string, problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `${what} (${problem})` })
  })
}
