import os from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Experiment, type Outcome, seedOf } from './experiment.ts'

/** Some runs of one experiment, for one thread. */
export interface Job {
  readonly name: string
  readonly seed: string
  readonly from: number
  readonly to: number
}

/** How many pieces the runs of an experiment are cut into, so that no thread waits long for another. */
const PIECES = 16

/** Runs experiments on all cores. The outcomes are in the order of the runs, whatever ran where. */
export async function runAll(
  wanted: readonly { readonly experiment: Experiment; readonly runs: number }[],
  seed: string,
): Promise<Map<string, Outcome[]>> {
  const jobs = wanted.flatMap(({ experiment: { name }, runs }): Job[] => {
    const size = Math.max(1, Math.ceil(runs / PIECES))
    return Array.from({ length: Math.ceil(runs / size) }, (_, piece) => ({
      name,
      seed,
      from: piece * size,
      to: Math.min(runs, (piece + 1) * size),
    }))
  })
  const outcomes = new Map(wanted.map(({ experiment, runs }) => [experiment.name, new Array<Outcome>(runs)]))
  const threads = Array.from({ length: os.availableParallelism() }, () => thread(jobs, outcomes))
  await Promise.all(threads)
  return outcomes
}

/** One worker that takes jobs until none are left. */
function thread(jobs: Job[], outcomes: ReadonlyMap<string, Outcome[]>): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./pool-worker.ts', import.meta.url))
    let current: Job | undefined
    const next = () => {
      current = jobs.shift()
      if (current === undefined) void worker.terminate().then(() => resolve())
      else worker.postMessage(current)
    }
    worker.on('message', (done: Outcome[]) => {
      const all = outcomes.get(current!.name)!
      for (const [i, outcome] of done.entries()) all[current!.from + i] = outcome
      next()
    })
    worker.on('error', reject)
    next()
  })
}

/** The runs of a job, where it is done. */
export function outcomesOf({ seed, name, from, to }: Job, experiment: Experiment): Outcome[] {
  return Array.from({ length: to - from }, (_, i) => experiment.run(seedOf(seed, name, from + i)))
}
