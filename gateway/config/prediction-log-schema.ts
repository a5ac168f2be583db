import { basisPoints, percentage } from '@coalmine/contract/units.ts'
import { text, within, written } from '@coalmine/contract/written.ts'
import { z } from 'zod'
import { count, duration, size } from './amounts.ts'

const names = z.array(z.string().min(1).max(128)).max(1_000)

/** `predictionLog:`; what is written of predictions, and where. */
export const predictionLog = z
  .strictObject({
    folder: z.string().min(1).describe('Where files go; each data process writes its own.'),
    sample: written(
      'a percentage above 0% and at most 100%, such as 10%',
      text((value) => {
        const part = percentage(value)
        return within(part === undefined ? undefined : basisPoints(part * 100), 1, 10_000)
      }),
      {
        type: 'string',
        pattern: '^\\d+(\\.\\d{1,2})?%$',
        description: 'Part of the predictions that is written, whatever becomes of them.',
      },
    ).prefault('100%'),
    fileSize: size('1MiB', '10GiB', 64 * 1024 ** 2, 'A file that is so large is closed.'),
    fileAge: duration('1m', '24h', 3_600_000, 'A file that is so old is closed.'),
    keep: count(2, 100_000, 200, 'Files that stay; the oldest go. At least two for each data process.'),
    queue: size('64KiB', '1GiB', 8 * 1024 ** 2, 'What may wait for the disk; more is dropped, and counted.'),
    instances: z
      .strictObject({
        omit: names.default([]).describe('Fields that are left out.'),
        hash: names
          .default([])
          .describe('Fields of which a keyed hash is written; needs COALMINE_PREDICTION_LOG_KEY.'),
      })
      .refine(({ omit, hash }) => !hash.some((name) => omit.includes(name)), {
        message: 'no field that is both left out and hashed',
      })
      .optional()
      .describe('The records that were sent are written too; not unless said.'),
  })
  .describe('Predictions as CloudEvents in files. Off unless said.')

export type WrittenPredictionLog = z.output<typeof predictionLog>
