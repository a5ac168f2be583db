import { type Command, InvalidArgumentError } from 'commander'
import { modelPath } from '../admin-client.ts'
import { confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { trafficLines } from '../rollout-text.ts'
import type { Traffic } from '../views.ts'
import { reasoned } from './rollout.ts'

interface Reasoned {
  reason: string
}

function percent(text: string): number {
  const value = Number(text.replace(/\s*%$/, ''))
  if (text.trim() === '' || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError('Expected a share in percent, such as 12.5.')
  return value
}

/** Who gets what, by hand: weight, rollback, stable, the brake. */
export function trafficCommands(program: Command, context: Context): void {
  reasoned(
    program
      .command('weight')
      .summary("the canary's share, of a split or of a rollout")
      .description('Pauses a rollout, so that its steps do not move the weight; `rollout resume` goes on.')
      .argument('<model>')
      .argument('<percent>', 'such as 12.5', percent)
      .addHelpText('after', '\nExample:\n  coalmine weight churn 2 --reason "care while on call"'),
  ).action(async (model: string, weightPercent: number, { reason }: Reasoned, command: Command) => {
    const body = { weightPercent, reason }
    const traffic = await context.client(command).changeRollout<Traffic>(model, 'PUT', 'rollout/weight', body)
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })

  reasoned(
    program
      .command('rollback')
      .summary('back to the version before, at once')
      .description(
        'Rolls a running rollout back, also one that is watched after its promotion. Without one the previous stable version is stable again.',
      )
      .argument('<model>'),
  ).action(async (model: string, { reason }: Reasoned, command: Command) => {
    const traffic = await context
      .client(command)
      .change<Traffic>('POST', `${modelPath(model)}/rollback`, { reason })
    context.print(command, traffic, () => trafficLines(traffic, Date.now()))
  })

  reasoned(
    program
      .command('stable')
      .summary('first deployment or emergency: everything to one version')
      .description('Ends what runs; no comparison proves it. Asks on a terminal; elsewhere say --yes.')
      .argument('<model>')
      .argument('<version>')
      .option('-y, --yes', 'do not ask'),
  ).action(
    async (model: string, version: string, { reason, yes }: Reasoned & { yes?: true }, command: Command) => {
      await confirmed(yes, `Give all of ${model}'s requests to ${version} without a comparison?`)
      const traffic = await context
        .client(command)
        .change<Traffic>('PUT', `${modelPath(model)}/stable`, { version, reason })
      context.print(command, traffic, () => trafficLines(traffic, Date.now()))
    },
  )

  reasoned(
    program
      .command('freeze')
      .summary('the brake for all models: no weight rises while it is on')
      .description('Lowering a weight, abort and rollback always work.')
      .argument('[on|off]', 'on unless said', switchOf, true),
  ).action(async (frozen: boolean, { reason }: Reasoned, command: Command) => {
    const answer = await context.client(command).change('PUT', '/api/v1/freeze', { frozen, reason })
    context.print(command, answer, () => [frozen ? 'the brake is on: no weight rises' : 'the brake is off'])
  })
}

function switchOf(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('Expected on or off.')
  return text === 'on'
}
