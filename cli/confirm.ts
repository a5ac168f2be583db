import { createInterface } from 'node:readline/promises'
import { CommandError, EXIT } from './exit-code.ts'

/** Asks a person before what is dangerous; where there is nobody to ask it has to be said beforehand. */
export async function confirmed(yes: true | undefined, question: string): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CommandError(`${question} There is nobody here to ask: say --yes`, EXIT.usage)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question(`${question} [y/N] `)
  lines.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('nothing was changed')
}
