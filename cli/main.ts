import { parseArgs } from 'node:util'
import { lintFiles, lintFolder } from './policy-lint.ts'

const HELP = `Usage: npm run coalmine -- COMMAND

  policy lint [FILE...]  checks policy files (default: config/policies/*.yaml); 0 when all are good, 1 otherwise

  --help                 this text
`

const POLICIES = 'config/policies'

const [topic, verb, ...files] = readArguments()
if (topic !== 'policy' || verb !== 'lint')
  refuse(`unknown command ${[topic, verb].filter(Boolean).join(' ')}`)

const { good, problems } = files.length > 0 ? await lintFiles(files) : await lintFolder(POLICIES)
for (const line of good) process.stdout.write(`${line}\n`)
for (const line of problems) process.stderr.write(`${line}\n`)
process.exitCode = problems.length > 0 ? 1 : 0

function readArguments(): string[] {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' } },
    })
    if (values.help || positionals.length === 0) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return positionals
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function refuse(reason: string): never {
  process.stderr.write(`coalmine: ${reason}\n\n${HELP}`)
  process.exit(2)
}
