import { permanent } from './batch-error.ts'

/** Which of the parts of a job are this process's: those whose number leaves `index` when divided by `count`. */
export interface Shard {
  readonly index: number
  readonly count: number
}

export const WHOLE: Shard = { index: 0, count: 1 }

/** Where schedulers say which of their tasks this one is, and of how many. */
const SCHEDULERS = [
  { name: 'Cloud Run Jobs', index: 'CLOUD_RUN_TASK_INDEX', count: 'CLOUD_RUN_TASK_COUNT' },
  { name: 'AWS Batch', index: 'AWS_BATCH_JOB_ARRAY_INDEX', count: 'AWS_BATCH_JOB_ARRAY_SIZE' },
  { name: 'Kubernetes Indexed Jobs', index: 'JOB_COMPLETION_INDEX', count: 'JOB_COMPLETIONS' },
] as const

/**
 * The shard that the flags name, else the one that the scheduler's environment does, else everything. AWS Batch and
 * Kubernetes do not tell a task how many there are: `--shard-count` or the variable of that name does.
 */
export function shardOf(
  flags: { readonly index?: string | undefined; readonly count?: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Shard {
  if (flags.index !== undefined) return checked('--shard-index', flags.index, '--shard-count', flags.count)
  for (const { name, index, count } of SCHEDULERS) {
    const given = env[index]
    if (given === undefined || given === '') continue
    const of = flags.count ?? env[count]
    if (of === undefined || of === '')
      throw permanent(
        `${index}=${given} says that this is a task of ${name}, and not of how many: give --shard-count, or set ${count}`,
      )
    return checked(index, given, flags.count === undefined ? count : '--shard-count', of)
  }
  if (flags.count !== undefined && flags.count !== '1')
    throw permanent(`--shard-count ${flags.count}: expected --shard-index beside it, found none`)
  return WHOLE
}

function checked(indexName: string, index: string, countName: string, count: string | undefined): Shard {
  const shard = { index: whole(indexName, index), count: whole(countName, count ?? 'nothing') }
  if (shard.count < 1) throw permanent(`${countName}: expected 1 or more, found ${count}`)
  if (shard.index >= shard.count)
    throw permanent(`${indexName}: expected less than ${countName} (${shard.count}), found ${index}`)
  return shard
}

function whole(name: string, value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw permanent(`${name}: expected a whole number, found ${value}`)
  return Number(value)
}
