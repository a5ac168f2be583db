import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { BatchError } from '@coalmine/worker/batch/batch-error.ts'
import { delimiterOf } from '@coalmine/worker/batch/delimiter.ts'
import { FORMATS } from '@coalmine/worker/batch/input-files.ts'
import type { JobSummary } from '@coalmine/worker/batch/job.ts'
import type { ExplainChoice } from '@coalmine/worker/batch/part.ts'
import { shardOf } from '@coalmine/worker/batch/shard.ts'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { metricsFile } from '../batch-metrics.ts'
import { batchProgress } from '../batch-progress.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit-code.ts'
import { paint } from '../text.ts'

const ROWS_PER_PART = 40_000

interface Flags {
  model: string
  version: string
  models: string
  in: string[]
  inFormat?: (typeof FORMATS)[number]
  delimiter?: string
  acceptRejects?: boolean
  out: string
  format?: (typeof FORMATS)[number]
  key?: string[]
  explain?: Exclude<ExplainChoice, 'none'> | true
  maxErrorRate: number
  concurrency: number
  partRows: number
  resume?: boolean
  shardIndex?: string
  shardCount?: string
  metricsFile?: string
}

export function batchCommand(program: Command, context: Context): void {
  program
    .command('batch')
    .summary('score files; needs no gateway')
    .command('predict')
    .summary('score files of records with one version, as the endpoint would')
    .description(
      'Scores CSV, JSON lines or Parquet files with the contract and the inference that the endpoint has: the same record gives the same answer, to the bit. Rows that break the contract go to rejects/ with everything that is wrong with them.',
    )
    .requiredOption('--model <name>', 'the model')
    .requiredOption('--version <version>', 'the version, pinned')
    .option('--models <folder>', 'where versions lie', 'models')
    .requiredOption('--in <file...>', 'files, folders or patterns; - is standard input')
    .addOption(new Option('--in-format <format>', 'where the name does not say it').choices([...FORMATS]))
    .option(
      '--delimiter <character>',
      'between the columns of CSV input: a comma unless said; ; | or tab',
      delimiter,
    )
    .requiredOption('--out <folder>', 'where parts, rejects and the checkpoint go')
    .addOption(new Option('--format <format>', 'of the output; that of the first file').choices([...FORMATS]))
    .option('--key <column...>', 'columns to pass on (default: all)')
    .addOption(
      new Option(
        '--explain [how]',
        'add what each field contributed, shap_<field> and base_value: own, as the version has it, or interventional, in the units of the output',
      ).choices(['own', 'interventional']),
    )
    .option('--max-error-rate <part>', 'fail when more rows than this are rejected, 0 to 1', part, 1)
    .option(
      '--accept-rejects',
      'end with 0 also where rows were rejected, as a Kubernetes Job takes any other code for a failure',
    )
    .option('--concurrency <n>', 'threads, each with the model', whole(1, 256), availableParallelism())
    .option('--part-rows <n>', 'rows of a part', whole(1, 1_000_000), ROWS_PER_PART)
    .option('--resume', 'go on with the job in the folder, if there is one')
    .option('--shard-index <i>', 'which of the shards this is, from 0 (or the variable of the scheduler)')
    .option('--shard-count <n>', 'how many shards there are')
    .option('--metrics-file <file>', "figures for node_exporter's textfile collector")
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 2 done with rejected rows (0 with --accept-rejects), 1 failed (try again with --resume), 42 failed for good.

Examples:
  coalmine batch predict --model churn --version 1.1.0 --in customers.parquet --out scored/
  coalmine batch predict --model churn --version 1.1.0 --in 'in/*.csv' --key customer_id --out scored/ --resume
  coalmine batch predict --model churn --version 1.1.0 --in 'in/*.csv.gz' --delimiter ';' --out scored/`,
    )
    .action(async (flags: Flags, command: Command) => {
      const summary = await run(flags)
      context.print(command, summary, () => summaryLines(summary, flags.out))
      if (summary.rejected > 0 && !flags.acceptRejects) process.exitCode = EXIT.rejects
    })
}

async function run(flags: Flags): Promise<JobSummary> {
  // Here, as the other commands have no use for readers of Parquet and take a fifth of a second less without.
  const { runJob } = await import('@coalmine/worker/batch/job.ts')
  // Nobody waits for a single row: garbage is collected when memory is used up, not bit by bit beside the work for shorter
  // pauses, which costs a tenth of the rate.
  setFlagsFromString('--no-incremental-marking')
  const progress = batchProgress(process.stderr, () => performance.now())
  const metrics = flags.metricsFile === undefined ? undefined : metricsFile(flags.metricsFile, flags)
  try {
    const summary = await runJob(
      {
        modelsRoot: flags.models,
        model: flags.model,
        version: flags.version,
        inputs: flags.in,
        inputFormat: flags.inFormat,
        delimiter: flags.delimiter,
        out: flags.out,
        format: flags.format,
        keys: flags.key,
        explain: flags.explain === true ? 'own' : (flags.explain ?? 'none'),
        maxErrorRate: flags.maxErrorRate,
        concurrency: flags.concurrency,
        rowsPerPart: flags.partRows,
        resume: flags.resume ?? false,
        shard: shardOf({ index: flags.shardIndex, count: flags.shardCount }, process.env),
        stdin: process.stdin,
      },
      (now) => {
        progress.show(now)
        metrics?.write(now)
      },
    )
    metrics?.write(summary, summary.complete)
    return summary
  } catch (error) {
    if (error instanceof BatchError)
      throw new CommandError(error.message, error.permanent ? EXIT.permanent : EXIT.refused)
    // Disks that are full and folders that may not be written: the next try may find them otherwise.
    throw new CommandError((error as Error).message)
  } finally {
    progress.end()
  }
}

function summaryLines({ rows, rejected, parts, resumedParts, complete }: JobSummary, out: string): string[] {
  const before = resumedParts > 0 ? `, ${resumedParts} of them before` : ''
  return [
    `${paint('green', '✔')} ${count(rows - rejected)} rows scored into ${count(parts)} parts in ${out}${before}`,
    ...(rejected > 0
      ? [paint('yellow', `${count(rejected)} rows were rejected; ${out}/rejects says which and why`)]
      : []),
    ...(complete ? [] : ['other shards are not done yet']),
  ]
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function part(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('expected a part from 0 to 1, such as 0.01.')
  return value
}

function delimiter(text: string): string {
  const known = delimiterOf(text)
  if (known === undefined)
    throw new InvalidArgumentError('expected one of , ; | : tab, or another sign that no value has.')
  return known
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`)
    return value
  }
}
