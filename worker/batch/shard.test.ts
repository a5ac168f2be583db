import { describe, expect, test } from 'vitest'
import { shardOf, WHOLE } from './shard.ts'

describe('which part of a job this process is', () => {
  test.each([
    ['nothing says it', {}, {}, WHOLE],
    ['the flags say it', { index: '2', count: '8' }, {}, { index: 2, count: 8 }],
    ['a shard of one', { count: '1' }, {}, WHOLE],
    ['Cloud Run Jobs', {}, { CLOUD_RUN_TASK_INDEX: '3', CLOUD_RUN_TASK_COUNT: '4' }, { index: 3, count: 4 }],
    [
      'AWS Batch, whose tasks are not told how many there are',
      { count: '5' },
      { AWS_BATCH_JOB_ARRAY_INDEX: '0' },
      { index: 0, count: 5 },
    ],
    [
      'Kubernetes, with the number in the environment',
      {},
      { JOB_COMPLETION_INDEX: '1', JOB_COMPLETIONS: '2' },
      { index: 1, count: 2 },
    ],
    [
      'flags before the environment',
      { index: '0', count: '3' },
      { JOB_COMPLETION_INDEX: '1', JOB_COMPLETIONS: '2' },
      { index: 0, count: 3 },
    ],
  ])('%s', (_, flags, env, shard) => {
    expect(shardOf(flags, env)).toEqual(shard)
  })

  test.each([
    [{ index: '3', count: '3' }, {}, '--shard-index: expected less than --shard-count (3), found 3'],
    [{ index: 'x', count: '3' }, {}, '--shard-index: expected a whole number, found x'],
    [{ index: '0' }, {}, '--shard-count: expected a whole number, found nothing'],
    [{ count: '3' }, {}, 'expected --shard-index beside it'],
    [{}, { JOB_COMPLETION_INDEX: '1' }, 'JOB_COMPLETION_INDEX=1 says that this is a task of Kubernetes'],
  ])('%j, %j is refused for good', (flags, env, message) => {
    expect(() => shardOf(flags, env)).toThrow(expect.objectContaining({ permanent: true }))
    expect(() => shardOf(flags, env)).toThrow(message)
  })
})
