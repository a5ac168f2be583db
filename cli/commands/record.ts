import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { DecisionRecord } from '@coalmine/core/rollout/decision.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { replay } from '@coalmine/core/rollout/tick.ts'
import { type Command, InvalidArgumentError } from 'commander'
import { modelPath } from '../admin-client.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { fileFault } from '../file-fault.ts'
import { whyOf } from '../rollout-text.ts'
import { columns, paint, percentText } from '../text.ts'
import type { DecisionRow, FullDecision } from '../views.ts'

function whole(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('Expected a whole number from 1 on.')
  return Number(text)
}

/** The decision record: what was decided, by whom, from what. */
export function recordCommands(program: Command, context: Context): void {
  program
    .command('decisions')
    .summary('the decision record, newest first')
    .description('What was decided about a model, by whom, why; or one decision with its evidence.')
    .argument('<model>')
    .argument('[id]', 'one decision in full', whole)
    .option('-n, --limit <count>', 'how many', whole, 20)
    .option('--before <id>', 'those before it: the next page', whole)
    .action(
      async (
        model: string,
        id: number | undefined,
        { limit, before }: { limit: number; before?: number },
        command: Command,
      ) => {
        const client = context.client(command)
        if (id !== undefined) {
          const { view } = await client.read<FullDecision>(`${modelPath(model)}/decisions/${id}`)
          return context.print(command, view, () => decisionLines(view))
        }
        const query = new URLSearchParams({ limit: `${limit}`, ...(before && { before: `${before}` }) })
        const { view } = await client.read<{ decisions: DecisionRow[] }>(
          `${modelPath(model)}/decisions?${query}`,
        )
        context.print(command, view, () => rows(view.decisions))
      },
    )

  program
    .command('replay')
    .summary('decide once more from what a decision was made from')
    .description(
      'What the controller decides today from the evidence and the policy of then. Exit code 1 where that is not the same. With --file nothing is asked of a gateway: the file is what `decisions MODEL ID --json` printed.',
    )
    .argument('[model]')
    .argument('[id]', 'of the decision', whole)
    .option('--file <file>', 'a decision that was saved')
    .action(
      async (
        model: string | undefined,
        id: number | undefined,
        { file }: { file?: string },
        command: Command,
      ) => {
        const replayed =
          file === undefined ? await online(context, command, model, id) : replayOf(await saved(file), file)
        context.print(command, replayed, () => [
          replayed.same
            ? paint('green', `✔ the same: ${replayed.decision.because}`)
            : paint(
                'red',
                `✖ not the same: today it is ${replayed.decision.kind}, ${replayed.decision.because}`,
              ),
        ])
        if (!replayed.same) process.exitCode = EXIT.refused
      },
    )
}

type Replayed = NonNullable<FullDecision['replay']>

async function online(
  context: Context,
  command: Command,
  model: string | undefined,
  id: number | undefined,
): Promise<Replayed> {
  if (model === undefined || id === undefined)
    throw new CommandError('replay takes a model and the id of a decision, or --file', EXIT.usage)
  const { view } = await context.client(command).read<FullDecision>(`${modelPath(model)}/decisions/${id}`)
  if (view.replay === null)
    throw new CommandError(
      `decision ${id} was made by ${view.actor}, not by evidence: there is nothing to replay`,
    )
  return view.replay
}

async function saved(file: string): Promise<FullDecision> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw fileFault(file, error as Error)
  }
}

function replayOf({ record, policy }: FullDecision, file: string): Replayed {
  if (!isObject(record) || !isObject(policy))
    throw new CommandError(
      `${file}: expected record and policy, as \`decisions MODEL ID --json\` prints them of a decision by evidence`,
    )
  const kept = record as unknown as DecisionRecord
  // As the store keeps it, where what is undefined is left out.
  const decision = JSON.parse(JSON.stringify(replay(kept, policy as unknown as Policy)))
  return { decision, same: isDeepStrictEqual(decision, kept.decision) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function rows(decisions: readonly DecisionRow[]): string[] {
  if (decisions.length === 0) return ['nothing was decided yet']
  return columns([
    ['id', 'when', 'what', 'by', 'canary', 'why'].map((title) => paint('dim', title)),
    ...decisions.map((row) => [
      `${row.id}`,
      row.at.replace('T', ' ').slice(0, 19),
      kindText(row.kind),
      row.actor,
      percentText(row.after.weightPercent),
      whyOf(row),
    ]),
  ])
}

function kindText(kind: string): string {
  if (kind === 'rolled-back' || kind === 'aborted') return paint('red', kind)
  return kind === 'promoted' ? paint('green', kind) : kind
}

function decisionLines({
  id,
  at,
  kind,
  actor,
  reason,
  because,
  proven,
  before,
  after,
  replay,
}: FullDecision): string[] {
  return [
    `${paint('bold', `decision ${id}`)}: ${kindText(kind)} by ${actor} at ${at}`,
    ...(reason && actor !== 'controller' ? [`  reason: ${reason}`] : []),
    `  because: ${because}`,
    `  weight ${percentText(before.weightPercent)} -> ${percentText(after.weightPercent)}, stable ${before.stable ?? '-'} -> ${after.stable ?? '-'}, revision ${before.revision} -> ${after.revision}`,
    ...(proven === null ? [] : [`  ${proven ? 'proven by evidence' : 'not proven'}`]),
    ...(replay === null
      ? []
      : [
          `  replayed today: ${replay.same ? 'the same' : `${replay.decision.kind}, ${replay.decision.because}`}`,
        ]),
    '  everything it was made from: --json',
  ]
}
