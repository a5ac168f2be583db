import { type Command, InvalidArgumentError } from 'commander'
import { modelPath } from '../admin-client.ts'
import { confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { offlinePlan } from '../offline-plan.ts'
import { planLines } from '../plan-text.ts'
import { trafficLines } from '../rollout-text.ts'
import type { DryRun, Plan, Traffic } from '../views.ts'
import { watchCommand } from './watch.ts'

interface Reasoned {
  reason: string
}

interface StartOptions extends Reasoned {
  canary: string
  policy?: string
  supersede?: true
  force?: true
  retry?: true
  measure?: true
  allowContractChange?: true
  dryRun?: true
}

/** Every change has one: it stands in the record. */
export function reasoned(command: Command): Command {
  return command.requiredOption('-r, --reason <text>', 'why; it stands in the decision record', words)
}

function words(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected words.')
  return text
}

const ACTS = [
  { name: 'pause', says: 'keep the weight as it is; a breach still rolls back' },
  { name: 'resume', says: 'go on, at the first step at or above the weight' },
  { name: 'approve', says: 'the last word that a proven step waits for' },
  { name: 'advance', says: 'to the next step without waiting for a proof; recorded as not proven' },
] as const

export function rolloutCommand(program: Command, context: Context): void {
  const rollout = program
    .command('rollout')
    .summary('try a version beside the stable one, step by step')
    .description('Start a rollout, watch it, and decide where a person has to.')
  startCommand(rollout, context)
  watchCommand(rollout, context)

  for (const { name, says } of ACTS)
    reasoned(rollout.command(name).summary(says).description(says).argument('<model>')).action(
      async (model: string, { reason }: Reasoned, command: Command) => {
        const traffic = await context
          .client(command)
          .changeRollout<Traffic>(model, 'POST', `rollout/${name}`, { reason })
        context.print(command, traffic, () => trafficLines(traffic, Date.now()))
      },
    )

  reasoned(
    rollout
      .command('promote')
      .summary('to everything without waiting for a proof; recorded as not proven')
      .description(
        'Everything to the canary, although its proof is not complete. Asks on a terminal; elsewhere say --yes.',
      )
      .argument('<model>')
      .option('-y, --yes', 'do not ask'),
  ).action(async (model: string, { reason, yes }: Reasoned & { yes?: true }, command: Command) => {
    const client = context.client(command)
    const { view } = await client.read<Traffic>(`${modelPath(model)}/rollout`)
    const canary = view.rollout?.canary.version
    if (canary !== undefined)
      await confirmed(yes, `Give all of ${model}'s requests to ${canary} without a complete proof?`)
    const traffic = await client.changeRollout<Traffic>(model, 'POST', 'rollout/promote', { reason })
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })

  reasoned(
    rollout
      .command('abort')
      .summary('the canary gets nothing any more, whatever runs')
      .description('Ends a rollout or a split by hand, in every phase, whoever changed it meanwhile.')
      .argument('<model>'),
  ).action(async (model: string, { reason }: Reasoned, command: Command) => {
    const path = `${modelPath(model)}/rollout/abort`
    const traffic = await context.client(command).change<Traffic>('POST', path, { reason })
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })

  reasoned(
    rollout
      .command('retry')
      .summary('the last pair of versions once more')
      .description('Judges the last pair again by the policy as it is now; its risk is spent once more.')
      .argument('<model>'),
  ).action(async (model: string, { reason }: Reasoned, command: Command) => {
    const traffic = await context
      .client(command)
      .change<Traffic>('POST', `${modelPath(model)}/rollout/retry`, { reason })
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })

  reasoned(
    rollout
      .command('restart')
      .summary('judge anew by the present text of a policy')
      .description(
        'For other guardrails, margins or risks: evidence starts anew, both risks are spent once more.',
      )
      .argument('<model>')
      .option('--policy <name>', "the rollout's own unless said"),
  ).action(async (model: string, { reason, policy }: Reasoned & { policy?: string }, command: Command) => {
    const traffic = await context
      .client(command)
      .changeRollout<Traffic>(model, 'POST', 'rollout/restart', { reason, ...(policy && { policy }) })
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })
}

function startCommand(rollout: Command, context: Context): void {
  reasoned(
    rollout
      .command('start')
      .summary('give a version its first share')
      .description('Prints the plan: how long each step and each guardrail is expected to take.')
      .argument('<model>')
      .requiredOption('-c, --canary <version>', 'the version to try')
      .option('--policy <name>', "the model's own unless said")
      .option('--dry-run', 'only say what would come of it')
      .option('--supersede', 'end what runs in favour of this one')
      .option('--retry', 'judge a pair of versions again')
      .option('--force', 'start although the planner says that it cannot be decided')
      .option('--measure', 'compare stable with itself, which promotes nothing')
      .option('--allow-contract-change', 'start although requests that stable accepts could fail')
      .addHelpText(
        'after',
        '\nExamples:\n  coalmine rollout start churn --canary 1.1.0 --reason "better recall" --dry-run\n  coalmine rollout start churn --canary 1.1.0 --reason "better recall" && coalmine rollout watch churn',
      ),
  ).action(async (model: string, wish: StartOptions, command: Command) => {
    const client = context.client(command)
    const answer = await client.change<(Traffic & { plan: Plan | null }) | DryRun>(
      'POST',
      `${modelPath(model)}/rollout`,
      wish,
    )
    if ('refusal' in answer) {
      context.print(command, answer, () => [
        ...(answer.plan ? planLines(answer.plan) : []),
        answer.refusal === null ? 'It would start.' : `It would be refused: ${answer.refusal.detail}`,
      ])
      if (answer.refusal !== null) process.exitCode = EXIT.refused
      return
    }
    context.print(command, answer, () => [
      ...trafficLines(answer, Date.now()),
      ...(answer.plan ? ['', ...planLines(answer.plan)] : []),
      '',
      `watch it with: coalmine rollout watch ${model}`,
    ])
  })
}

/** `plan`: what a start would come to. */
export function planCommand(program: Command, context: Context): void {
  program
    .command('plan')
    .summary('how long a rollout would take, and whether it can be decided')
    .description(
      'Asks the planner with the traffic of now, or without a gateway with traffic that you expect. Nothing is started.',
    )
    .argument('[model]')
    .option('-c, --canary <version>', 'the version to try')
    .option('--policy <name>', "the model's own unless said")
    .option('--file <file>', 'a policy file: planned here, with the traffic of --rps')
    .option('--rps <n>', 'requests a second that are expected')
    .option('--errors <percent>', "of stable's requests that are expected to fail", '0.1%')
    .option('--median <duration>', 'latency that is expected', '20ms')
    .addHelpText(
      'after',
      '\nExamples:\n  coalmine plan churn --canary 1.1.0\n  coalmine plan --file config/policies/churn.yaml --rps 50',
    )
    .action(async (model: string | undefined, flags: PlanFlags, command: Command) => {
      if (flags.file !== undefined) {
        const plan = await offlinePlan(flags.file, { ...flags, rps: rate(flags.rps) })
        context.print(command, plan, () => planLines(plan))
        if (plan.cannotDecide.length > 0) process.exitCode = EXIT.refused
        return
      }
      if (model === undefined || flags.canary === undefined)
        throw new CommandError('expected MODEL and --canary, or --file and --rps', EXIT.usage)
      const wish = { canary: flags.canary, ...(flags.policy !== undefined && { policy: flags.policy }) }
      const answer = await context
        .client(command)
        .change<DryRun>('POST', `${modelPath(model)}/rollout`, { ...wish, reason: 'a plan', dryRun: true })
      if (answer.plan === null) throw new CommandError(answer.refusal?.detail ?? 'there is no plan for it')
      const { plan, refusal } = answer
      context.print(command, answer, () => [
        ...planLines(plan),
        ...(refusal === null ? [] : ['', `A start would be refused: ${refusal.detail}`]),
      ])
      if (refusal !== null) process.exitCode = EXIT.refused
    })
}

interface PlanFlags {
  canary?: string
  policy?: string
  file?: string
  rps?: string
  errors: string
  median: string
}

function rate(text: string | undefined): number {
  const value = Number(text)
  if (text === undefined || !(value > 0 && value <= 1e6))
    throw new CommandError(
      `--rps: expected requests a second, such as 50, found ${text ?? 'nothing'}`,
      EXIT.usage,
    )
  return value
}
