import type { WriteStream } from 'node:tty'
import type { Progress } from '@coalmine/worker/batch/job.ts'
import { durationText } from './text.ts'

const DRAW_MS = 100
const LOG_MS = 5_000
const WIDTH = 24

/** How far a job is: a bar on a terminal, a line of JSON now and then elsewhere. */
export function batchProgress(
  stream: Pick<WriteStream, 'write'> & { readonly isTTY?: boolean },
  nowMs: () => number,
): { show(progress: Progress): void; end(): void } {
  const startMs = nowMs()
  let shownMs = Number.NEGATIVE_INFINITY
  let isDrawn = false
  return {
    show(progress) {
      const elapsedMs = nowMs() - startMs
      if (nowMs() - shownMs < (stream.isTTY ? DRAW_MS : LOG_MS)) return
      shownMs = nowMs()
      isDrawn = true
      if (stream.isTTY) stream.write(`\r\u001b[K${barLine(progress, elapsedMs)}`)
      else stream.write(`${JSON.stringify(logLine(progress, elapsedMs))}\n`)
    },
    end() {
      if (isDrawn && stream.isTTY) stream.write('\r\u001b[K')
    },
  }
}

/** `████████····  33 %  1,650,000 rows, 152,000 a second, 22 s left, 3 rejected`. */
export function barLine(progress: Progress, elapsedMs: number): string {
  const { rows, rejected, share } = progress
  const { rate, leftS } = pace(progress, elapsedMs)
  const bar =
    share === undefined
      ? ''
      : `${'█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '·')} ${`${Math.floor(share * 100)}`.padStart(3)} %  `
  const left = leftS === undefined ? '' : `, ${durationText(leftS)} left`
  const bad = rejected === 0 ? '' : `, ${rejected.toLocaleString('en-US')} rejected`
  return `${bar}${rows.toLocaleString('en-US')} rows, ${Math.round(rate).toLocaleString('en-US')} a second${left}${bad}`
}

function logLine(progress: Progress, elapsedMs: number) {
  const { rows, rejected, parts, share } = progress
  const { rate, leftS } = pace(progress, elapsedMs)
  return {
    ...{ rows, rejected, parts, rowsPerSecond: Math.round(rate) },
    ...(share !== undefined && { share: Number(share.toFixed(4)) }),
    ...(leftS !== undefined && { secondsLeft: Math.round(leftS) }),
  }
}

/** Of this run: what an earlier one did took no time of it. */
function pace({ rows, resumedRows, share }: Progress, elapsedMs: number) {
  const rate = ((rows - resumedRows) / Math.max(1, elapsedMs)) * 1000
  if (share === undefined || share === 0 || rate === 0) return { rate }
  return { rate, leftS: (rows / share - rows) / rate }
}
