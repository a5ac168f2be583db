import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { lintFiles, lintFolder } from '../policy-lint.ts'

const POLICIES = 'config/policies'

export function policyCommand(program: Command, context: Context): void {
  program
    .command('policy')
    .summary('check policies; needs no gateway')
    .command('lint')
    .summary('checks policy files')
    .description(`Checks policy files (default: ${POLICIES}/*.yaml): 0 when all are good, 1 otherwise.`)
    .argument('[file...]')
    .action(async (files: string[], _, command: Command) => {
      const report = files.length > 0 ? await lintFiles(files) : await lintFolder(POLICIES)
      if (command.optsWithGlobals<{ json?: boolean }>().json) context.print(command, report, () => [])
      else {
        for (const line of report.good) process.stdout.write(`${line}\n`)
        for (const line of report.problems) process.stderr.write(`${line}\n`)
      }
      if (report.problems.length > 0) process.exitCode = EXIT.refused
    })
}
