import { describeProblems } from '@coalmine/contract/strict-yaml.ts'
import { policyGaps } from '@coalmine/core/rollout/policy-gaps.ts'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { policyName } from '@coalmine/policy/policy-name.ts'
import { type PolicyText, readPolicies, readPolicy } from '@coalmine/policy/read-policies.ts'
import { policySummary } from './policy-summary.ts'

export interface LintReport {
  /** One line for each good file, and one for each thing that its policy would not notice. */
  readonly good: readonly string[]
  /** One line for each problem: `file:line:column: path: expected ..., found ...`. */
  readonly problems: readonly string[]
}

/** Checks the files of a folder. None is a problem: whoever checks policies expects some. */
export async function lintFolder(folder: string): Promise<LintReport> {
  const texts = await orProblem(readPolicies(folder))
  if (!Array.isArray(texts)) return texts
  if (texts.length === 0) return problem(`${folder}: expected a policy (NAME.yaml), found none`)
  return together(texts.map(lint))
}

/** Checks the files that are named. */
export async function lintFiles(files: readonly string[]): Promise<LintReport> {
  const reads = await Promise.all(files.map((file) => orProblem(readPolicy(file))))
  return together(reads.map((read) => ('problems' in read ? read : lint(read))))
}

function lint({ file, text }: PolicyText): LintReport {
  const name = policyName(file)
  if (name === undefined) return problem(`${file}: expected a file name that ends in .yaml`)
  const parsed = parsePolicy(name, text)
  return parsed.ok
    ? {
        good: [
          `${file}: ${policySummary(parsed.file.policy)}`,
          ...policyGaps(parsed.file.policy).map((gap) => `${file}: note: ${gap}`),
        ],
        problems: [],
      }
    : problem(describeProblems(file, parsed.problems))
}

function problem(lines: string): LintReport {
  return { good: [], problems: lines.split('\n') }
}

function orProblem<T>(work: Promise<T>): Promise<T | LintReport> {
  return work.catch((error: Error) => problem(error.message))
}

function together(reports: readonly LintReport[]): LintReport {
  return {
    good: reports.flatMap(({ good }) => good),
    problems: reports.flatMap(({ problems }) => problems),
  }
}
