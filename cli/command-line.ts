import { CommanderError } from 'commander'
import { contextOf } from './context.ts'
import { CommandError, EXIT } from './exit-code.ts'
import { programOf } from './program.ts'
import { paint } from './text.ts'

// Whoever reads a part only (head, grep -q) closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.done)
})

/** For whatever runs a batch job a faulty command line must not look like one that is done. */
function usageCode(): number {
  return process.argv[2] === 'batch' ? EXIT.permanent : EXIT.usage
}

const program = programOf(contextOf(process.env))
try {
  if (process.argv.length <= 2) program.outputHelp()
  else await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : usageCode()
  else if (error instanceof CommandError) {
    process.stderr.write(`${paint('red', 'coalmine:', process.stderr)} ${error.message}\n`)
    process.exitCode = error.exitCode
  } else throw error
}
