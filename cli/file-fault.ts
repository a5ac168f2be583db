import { CommandError, EXIT } from './exit-code.ts'

const WORDS: Record<string, string> = {
  ENOENT: 'there is none',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
}

/** What is wrong with a file that the command line names. */
export function fileFault(file: string, error: NodeJS.ErrnoException): CommandError {
  const found = WORDS[error.code ?? ''] ?? error.message
  return new CommandError(`${file}: expected a file that can be read; ${found}`, EXIT.usage)
}
