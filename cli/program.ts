import { Command } from 'commander'
import { batchCommand } from './commands/batch.ts'
import { driftCommand } from './commands/drift.ts'
import { modelCommand } from './commands/model.ts'
import { policyCommand } from './commands/policy.ts'
import { recordCommands } from './commands/record.ts'
import { planCommand, rolloutCommand } from './commands/rollout.ts'
import { simulateCommand } from './commands/simulate.ts'
import { stateCommand } from './commands/state.ts'
import { statusCommand } from './commands/status.ts'
import { trafficCommands } from './commands/traffic.ts'
import { type Context, DEFAULT_URL } from './context.ts'

/** In the order of the help. */
const COMMANDS = [
  statusCommand,
  rolloutCommand,
  planCommand,
  trafficCommands,
  recordCommands,
  driftCommand,
  policyCommand,
  simulateCommand,
  modelCommand,
  batchCommand,
  stateCommand,
]

const AFTER = `
The gateway is the one at COALMINE_URL (default ${DEFAULT_URL}, its admin address), with the token in COALMINE_TOKEN where
it asks for one. policy, simulate, model, batch and state need no gateway.

Exit codes: 0 done, 1 refused or not good, 2 the command line is at fault, 3 no gateway answers, 4 somebody else was faster.
batch has its own: 0 done, 2 done with rejected rows, 1 failed, 42 failed for good, the command line included.

A first canary:
  coalmine status
  coalmine plan churn --canary 1.1.0
  coalmine rollout start churn --canary 1.1.0 --reason "better recall"
  coalmine rollout watch churn
`

export function programOf(context: Context): Command {
  const program = new Command('coalmine')
    .description('Runs canary rollouts of models, and says why they went as they did.')
    .option('--url <url>', 'admin address of the gateway (or COALMINE_URL)')
    .option('--token-file <file>', 'file with the token (or COALMINE_TOKEN)')
    .option('--json', 'answers as JSON, for scripts')
    .helpCommand(true)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', AFTER)
    .exitOverride()
  for (const add of COMMANDS) add(program, context)
  for (const command of everyCommand(program))
    command.exitOverride().showHelpAfterError('(add --help for more)')
  return program
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}
