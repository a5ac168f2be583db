import type { Command } from 'commander'
import { modelPath } from '../admin-client.ts'
import type { Context } from '../context.ts'
import { CommandError } from '../exit-code.ts'
import { columns, durationText, paint, percentText } from '../text.ts'
import type { DriftComparison, DriftSeries, DriftView, ModelView } from '../views.ts'

const COLOURS = { drifted: 'red', moved: 'yellow', steady: 'green', 'too-few': 'dim' } as const

export function driftCommand(program: Command, context: Context): void {
  program
    .command('drift')
    .summary('how far a version is from its training, and from stable')
    .description(
      'Features, scores and predicted classes of the last while beside training and beside the stable version, the worst first. Without a version: the one that is tried, else stable.',
    )
    .argument('<model>')
    .argument('[version]')
    .addHelpText(
      'after',
      '\nExamples:\n  coalmine drift churn\n  coalmine drift churn 1.1.0 --json | jq .training.verdict',
    )
    .action(async (model: string, version: string | undefined, _, command: Command) => {
      const client = context.client(command)
      const of = version ?? servedBy((await client.read<ModelView>(modelPath(model))).view)
      const { view } = await client.read<DriftView>(
        `${modelPath(model)}/versions/${encodeURIComponent(of)}/drift`,
      )
      context.print(command, view, () => [
        `${paint('bold', `${model} ${of}`)}: ${view.workers.counting} of ${view.workers.healthy} healthy workers tell what they see`,
        ...comparisonLines('against training', view.training),
        ...comparisonLines('beside the stable version', view.stable),
      ])
    })
}

function servedBy({ model, rollout, split, stable }: ModelView): string {
  const version = rollout?.canary.version ?? split?.canary.version ?? stable?.version
  if (version === undefined) throw new CommandError(`nothing of ${model} is deployed: name a version`)
  return version
}

function comparisonLines(title: string, comparison: DriftComparison): string[] {
  if (!comparison.measured) return ['', `${title}: not measured, ${comparison.because}`]
  const { verdict, series, unmeasured, windowSeconds } = comparison
  return [
    '',
    `${title}: ${verdictText(verdict)}${verdict === 'too-few' ? ' records yet for a verdict' : `, of the last ${durationText(windowSeconds)}`}`,
    ...columns([
      ['', 'verdict', 'PSI', 'records', 'missing', ''],
      ...series.map((one) => [
        one.kind === 'class' ? `${one.name} (class)` : one.name,
        verdictText(one.verdict),
        one.psi === null ? '' : one.psi.toFixed(3).replace('-0.000', '0.000'),
        `${one.records.live}`,
        percentText(one.missing.live * 100),
        one.because.join('; '),
      ]),
    ]).map((line) => `  ${line}`),
    ...unmeasured.map(({ name, because }) => `  ${name} is not measured: ${because}`),
  ]
}

const verdictText = (verdict: DriftSeries['verdict']) => paint(COLOURS[verdict], verdict.replace('-', ' '))
