import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { describeProblems } from '@coalmine/contract/strict-yaml.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import {
  type ReplayedRollout,
  type ReplaySettings,
  replayTraffic,
} from '@coalmine/core/rollout/replayed-traffic.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import { type Command, InvalidArgumentError } from 'commander'
import type { Context } from '../context.ts'
import { exactInterval } from '../exact-interval.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { fileFault } from '../file-fault.ts'
import { foundationsOf } from '../log-references.ts'
import { type LoggedRequest, readPredictionLog } from '../prediction-log.ts'
import { columns, durationText, paint, percentText } from '../text.ts'
import { readTruths, withTruths } from '../truths.ts'

/** Stable's requests that only tell how stable is: a tenth, and not more than are of use. */
const FOUNDATION_PART = 0.1
const FOUNDATION_MAX = 20_000
const FOUNDATION_MIN = 50
const SPLITS = 100

interface Flags {
  policy: string
  log: string[]
  model?: string
  truth?: string[]
  labels?: string[]
  splits?: number
  seed: string
}

/** Of one replay, or of many with other draws. */
type Simulated =
  | {
      readonly mode: 'recorded'
      readonly result: ReplayedRollout
      readonly stable: string
      readonly canary: string
    }
  | { readonly mode: 'halves'; readonly results: readonly ReplayedRollout[]; readonly stable: string }

export function simulateCommand(program: Command, context: Context): void {
  program
    .command('simulate')
    .summary('what a policy would have made of recorded traffic; needs no gateway')
    .description(
      'Replays a prediction log through a policy, with the evidence and the decisions that a gateway has. A log with a canary: what would have been decided, and when. A log of stable alone, or --splits: stable beside itself, drawn anew each time, which says how often the policy rolls back what is no worse, on this very traffic.',
    )
    .requiredOption('--policy <file>', 'a policy file')
    .requiredOption('--log <path...>', 'files of the prediction log, or their folders')
    .option('--model <name>', 'where the log has several')
    .option(
      '--truth <file...>',
      'what turned out to be true, as it is sent as feedback: CSV or JSON lines of prediction_id, truth and observed_at',
    )
    .option(
      '--labels <name...>',
      'the classes in the order of model.yaml, where truths or the policy name them',
    )
    .option(
      '--splits <n>',
      `draw stable beside itself so many times (${SPLITS} where there is no canary)`,
      splits,
    )
    .option('--seed <text>', 'of all draws', 'coalmine')
    .addHelpText(
      'after',
      '\nExample:\n  coalmine simulate --policy config/policies/churn.yaml --log data/predictions --splits 200',
    )
    .action(async (flags: Flags, command: Command) => {
      const { policy, notes } = await policyOf(flags.policy)
      const read = await readPredictionLog(flags.log, flags.model)
      const requests = await judgedRequests(policy, read.requests, flags, notes)
      const simulated = simulate(policy, requests, flags)
      if (read.cutOff > 0) notes.push(`${read.cutOff} lines were cut off and are left out`)
      context.print(command, view(simulated, notes), () => lines(simulated, policy, notes))
      if (simulated.mode === 'recorded' && simulated.result.outcome === 'rolled-back')
        process.exitCode = EXIT.rolledBack
    })
}

function simulate(policy: Policy, requests: readonly LoggedRequest[], { splits, seed }: Flags): Simulated {
  const first = requests.findIndex(({ weightBp }) => weightBp > 0)
  const hasCanary = requests.some(({ arm }) => arm === 'canary')
  if (hasCanary && splits === undefined) {
    const before = requests.slice(0, first)
    const judged = requests.slice(first)
    const stable = judged.find(({ arm }) => arm !== 'canary')?.version ?? 'stable'
    const canary = judged.find(({ arm }) => arm === 'canary')!.version
    const founded = before.length >= FOUNDATION_MIN ? before : judged.slice(0, FOUNDATION_MAX)
    const settings = settingsOf(policy, founded, { stable, canary, seed, arms: 'recorded' })
    return { mode: 'recorded', result: replayTraffic(policy, judged, settings), stable, canary }
  }
  const own = requests.filter(({ arm }) => arm !== 'canary')
  const count = Math.min(FOUNDATION_MAX, Math.floor(own.length * FOUNDATION_PART))
  if (count < FOUNDATION_MIN)
    throw new CommandError(
      `${own.length} requests of stable are too few to draw it beside itself; have ${FOUNDATION_MIN / FOUNDATION_PART}`,
    )
  const stable = own[0]!.version
  const [before, judged] = [own.slice(0, count), own.slice(count)]
  const results = Array.from({ length: splits ?? SPLITS }, (_, i) => {
    const versions = { stable, canary: `${stable} again` }
    return replayTraffic(
      policy,
      judged,
      settingsOf(policy, before, { ...versions, seed: `${seed} ${i}`, arms: 'drawn' }),
    )
  })
  return { mode: 'halves', results, stable }
}

function settingsOf(
  policy: Policy,
  before: readonly LoggedRequest[],
  {
    stable,
    canary,
    seed,
    arms,
  }: { stable: string; canary: string; seed: string; arms: ReplaySettings['arms'] },
): ReplaySettings {
  return {
    ...foundationsOf(policy, before),
    model: before[0]!.model,
    stable: { version: stable, digest: 'stable' },
    canary: { version: canary, digest: 'canary' },
    random: seededRandom(createHash('sha256').update(seed).digest().subarray(0, 16)),
    arms,
  }
}

/** The requests with the truths of the files, and a word on how many there were. */
async function judgedRequests(
  policy: Policy,
  requests: readonly LoggedRequest[],
  { truth: files, labels = [] }: Flags,
  notes: string[],
): Promise<readonly LoggedRequest[]> {
  const compared = [...policy.guardrails, ...policy.signals].filter(({ metric }) => metric === 'accuracy')
  if (files === undefined) {
    if (compared.length > 0)
      notes.push('without --truth nothing is known of what was right, so accuracy is never proven here')
    return requests
  }
  if (compared.length === 0) throw new CommandError('--truth: the policy compares no accuracy', EXIT.usage)
  for (const comparison of compared) {
    const one = 'class' in comparison ? comparison.class : undefined
    if (one !== undefined && !labels.includes(one))
      throw new CommandError(`--labels: expected the classes of the model, ${one} among them`, EXIT.usage)
  }
  const read = await readTruths(files)
  const judged = withTruths(requests, read, labels)
  const used = judged.filter(({ truth }) => truth !== undefined).length
  const again = read.repeated > 0 ? `, and ${count(read.repeated)} came again` : ''
  notes.push(`${count(used)} of ${count(read.truths.size)} truths are about answers in the log${again}`)
  return judged
}

async function policyOf(file: string): Promise<{ policy: Policy; notes: string[] }> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw fileFault(file, error)
  })
  const parsed = parsePolicy(basename(file).replace(/\.ya?ml$/, ''), text)
  if (!parsed.ok) throw new CommandError(describeProblems(file, parsed.problems))
  const { policy } = parsed.file
  const notes: string[] = []
  if (policy.mirror !== undefined)
    notes.push('the mirror step is left out: a log has one answer to each request')
  return { policy, notes }
}

function view(simulated: Simulated, notes: readonly string[]) {
  if (simulated.mode === 'recorded') {
    const { result, stable, canary } = simulated
    const decisions = result.decisions.map(({ atMs, ...decision }) => ({
      at: new Date(atMs).toISOString(),
      ...decision,
    }))
    return { mode: 'recorded', stable, canary, ...result, decisions, untilMs: undefined, notes }
  }
  const { results, stable } = simulated
  return { mode: 'halves', stable, ...tallied(results), notes }
}

function tallied(results: readonly ReplayedRollout[]) {
  const of = (outcome: ReplayedRollout['outcome']) => results.filter((one) => one.outcome === outcome).length
  const falseRollbacks = of('rolled-back')
  return {
    ...{ splits: results.length, falseRollbacks },
    falseRollbackRate: falseRollbacks / results.length,
    interval: exactInterval(falseRollbacks, results.length),
    promoted: of('promoted'),
    undecided: of('undecided') + of('held'),
  }
}

function lines(simulated: Simulated, policy: Policy, notes: readonly string[]): string[] {
  const said = notes.map((note) => paint('yellow', `note: ${note}`))
  if (simulated.mode === 'recorded') {
    const { result, stable, canary } = simulated
    const startMs = result.decisions[0]?.atMs ?? result.untilMs
    return [
      `${canary} beside ${stable}, by policy ${policy.name}: ${OUTCOMES[result.outcome]} after ${durationText((result.untilMs - startMs) / 1000)}, ${count(result.requests)} requests, ${count(result.canaryRequests)} of them the canary's`,
      '',
      ...columns(
        result.decisions.map(({ atMs, kind, weightBp, because }) => [
          new Date(atMs).toISOString().replace('T', ' ').slice(0, 19),
          percentText(weightBp / 100),
          kind,
          because,
        ]),
      ),
      ...said,
    ]
  }
  const { splits, falseRollbacks, falseRollbackRate, interval, promoted, undecided } = tallied(
    simulated.results,
  )
  const share = (part: number) => percentText(Number((part * 100).toFixed(2)))
  return [
    `${simulated.stable} beside itself ${splits} times, by policy ${policy.name}:`,
    ...columns([
      [
        'rolled back',
        `${falseRollbacks}`,
        `${share(falseRollbackRate)}, surely ${share(interval.low)} to ${share(interval.high)}; the policy allows ${share(policy.risk.falseRollback)}`,
      ],
      ['promoted', `${promoted}`, ''],
      ['undecided', `${undecided}`, undecided > 0 ? 'the log ended first, or the rollout was held' : ''],
    ]).map((line) => `  ${line}`),
    ...said,
  ]
}

const OUTCOMES: Record<ReplayedRollout['outcome'], string> = {
  promoted: paint('green', 'promoted'),
  'rolled-back': paint('red', 'rolled back'),
  held: paint('yellow', 'held'),
  undecided: 'not decided yet',
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function splits(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 10_000)
    throw new InvalidArgumentError('expected a whole number from 1 to 10000.')
  return value
}
