import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import { BLOCKING_MS_MAX, type Timing } from './threading.ts'

/** Runs of a size that are timed; the median counts, so that one hiccup decides nothing. */
const RUNS = 7
/** Runs before the first timing, while V8 still compiles. */
const RUNS_BEFORE = 50
/** A size is left after this long: a slow model needs no precise figure to be called slow. */
const SIZE_MS_MAX = 100

/**
 * Runs the model with 1, 2, 4, ... up to `rowsMax` rows and measures each size. The first run of a
 * size, in which ONNX Runtime plans its memory, is not counted. Sizes beyond the first that blocks too long are left out.
 */
export async function warmUp(
  run: (inputs: readonly EncodedTensor[]) => Promise<TensorData[]>,
  inputsOf: (rows: number) => readonly EncodedTensor[],
  rowsMax: number,
  nowMs: () => number,
): Promise<Timing[]> {
  /** Up to so many runs, at least one, as long as there is time; their durations. */
  const repeat = async (inputs: readonly EncodedTensor[], runs: number): Promise<number[]> => {
    const runsMs: number[] = []
    const sinceMs = nowMs()
    do {
      const startMs = nowMs()
      await run(inputs)
      runsMs.push(nowMs() - startMs)
    } while (runsMs.length < runs && nowMs() - sinceMs < SIZE_MS_MAX)
    return runsMs
  }

  const timings: Timing[] = []
  for (let rows = 1; ; rows = Math.min(rows * 2, rowsMax)) {
    const inputs = inputsOf(rows)
    await repeat(inputs, rows === 1 ? RUNS_BEFORE : 1)
    const runsMs = await repeat(inputs, RUNS)
    const runMs = runsMs.sort((a, b) => a - b)[runsMs.length >> 1]!
    timings.push({ rows, runMs })
    if (rows === rowsMax || runMs > BLOCKING_MS_MAX) return timings
  }
}
