import type { Command } from 'commander'
import { type AdminClient, modelPath } from '../admin-client.ts'
import type { Context } from '../context.ts'
import { eventsOf } from '../event-stream.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { lastLines, phaseText, trafficLines, whyOf } from '../rollout-text.ts'
import { screen } from '../screen.ts'
import { paint } from '../text.ts'
import type { DecisionRow, RolloutSummary, Traffic } from '../views.ts'

const WAITING = ['held', 'paused', 'awaiting-approval']
const EXITS: Record<string, number> = {
  promoted: EXIT.done,
  measured: EXIT.done,
  'rolled-back': EXIT.rolledBack,
  aborted: EXIT.abandoned,
  superseded: EXIT.abandoned,
}

export function watchCommand(rollout: Command, context: Context): void {
  rollout
    .command('watch')
    .summary('a live view of a rollout, until it is over')
    .description(
      `On a terminal a view that is drawn anew as things happen; elsewhere a line for each decision. Waits across restarts of the gateway.

Exit code: 0 promoted (also while it is still watched), 10 rolled back, 11 aborted or superseded; with --stop-when-waiting 12
when it waits for a person.`,
    )
    .argument('<model>')
    .option('--stop-when-waiting', 'end when the rollout is held, paused or waits for approval')
    .action(async (model: string, options: { stopWhenWaiting?: true }, command: Command) => {
      const client = context.client(command)
      const first = await read(client, model)
      if (first.rollout === null) throw new CommandError(noRollout(first))
      const ended = await follow(client, model, first, options, context, command)
      process.exitCode = ended
    })
}

function noRollout({ model, last }: Traffic): string {
  return last === null
    ? `no rollout of ${model} is running; start one with: coalmine rollout start ${model} --canary VERSION --reason WHY`
    : `no rollout of ${model} is running; the last one:\n${lastLines(last).join('\n')}`
}

async function read(client: AdminClient, model: string): Promise<Traffic> {
  return (await client.read<Traffic>(`${modelPath(model)}/rollout`)).view
}

/** @returns the exit code */
async function follow(
  client: AdminClient,
  model: string,
  first: Traffic,
  { stopWhenWaiting }: { stopWhenWaiting?: true },
  context: Context,
  command: Command,
): Promise<number> {
  const { serial } = first.rollout!
  const { view: record } = await client.read<{ decisions: DecisionRow[] }>(
    `${modelPath(model)}/decisions?limit=1`,
  )
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const isJson = command.optsWithGlobals<{ json?: boolean }>().json === true
  const view = screen(process.stdout, isJson)
  const recent: string[] = []
  let notice = ''
  let traffic = first
  const draw = () =>
    view.draw(() => [
      ...trafficLines(traffic, Date.now()),
      '',
      ...recent.slice(-6),
      ...(notice ? [paint('yellow', notice)] : []),
    ])
  draw()
  view.line(`rollout ${serial} of ${model}: ${phaseText(first.rollout!, Date.now())}`, {
    kind: 'watched',
    model,
    serial,
    phase: first.rollout!.phase,
  })
  try {
    for await (const { event, data } of eventsOf(client, model, record.decisions[0]?.id ?? 0, stop.signal)) {
      if (event === 'lost') {
        notice = `the gateway does not answer (${data}); waiting for it`
        draw()
        continue
      }
      notice = ''
      if (event === 'decision') {
        const line = decisionLine(data as DecisionRow)
        recent.push(line)
        view.line(line, data)
      }
      const now = await read(client, model).catch(() => undefined)
      if (now !== undefined) traffic = now
      draw()
      const code = exitOf(traffic, serial, stopWhenWaiting === true)
      if (code !== undefined) {
        view.close()
        const summary = await summaryOf(client, model, serial)
        // A terminal shows it already.
        if (summary.outcome !== null && (isJson || !process.stdout.isTTY))
          context.print(command, summary, () => lastLines(summary))
        return code
      }
    }
  } finally {
    stop.abort()
    view.close()
  }
  // By a signal of the person who watched: nothing is said of the rollout.
  return 130
}

function exitOf({ rollout, last }: Traffic, serial: number, stopWhenWaiting: boolean): number | undefined {
  if (rollout?.serial === serial) {
    if (rollout.phase.kind === 'watching') return EXIT.done
    return stopWhenWaiting && WAITING.includes(rollout.phase.kind) ? EXIT.waiting : undefined
  }
  const outcome = last?.serial === serial ? last.outcome : undefined
  return outcome ? (EXITS[outcome] ?? EXIT.abandoned) : EXIT.abandoned
}

async function summaryOf(client: AdminClient, model: string, serial: number): Promise<RolloutSummary> {
  return (await client.read<RolloutSummary>(`${modelPath(model)}/rollouts/${serial}`)).view
}

function decisionLine(row: DecisionRow): string {
  return `${paint('dim', row.at.slice(11, 19))}  ${row.kind} by ${row.actor}: ${whyOf(row)}`
}
