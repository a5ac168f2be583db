import { parentPort } from 'node:worker_threads'
import { EXPERIMENTS } from './experiments/all.ts'
import { type Job, outcomesOf } from './pool.ts'

/** A thread of the decisions benchmark: takes jobs, answers with outcomes. */
parentPort!.on('message', (job: Job) => {
  parentPort!.postMessage(outcomesOf(job, EXPERIMENTS.get(job.name)!))
})
