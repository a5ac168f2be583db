import type { Experiment } from '../experiment.ts'
import { BASELINES } from './baselines.ts'
import { EFFICIENCY } from './efficiency.ts'
import { FALSE_PROMOTION } from './false-promotion.ts'
import { FALSE_ROLLBACK } from './false-rollback.ts'
import { POWER } from './power.ts'
import { REQUEST_LEVEL } from './request-level.ts'
import { ROLLOUTS, SHARDS } from './rollouts.ts'

/** Every experiment by its name, for the threads that run them. */
export const EXPERIMENTS: ReadonlyMap<string, Experiment> = new Map(
  [
    ...FALSE_ROLLBACK,
    ...FALSE_PROMOTION,
    ...POWER,
    ...EFFICIENCY,
    ...ROLLOUTS,
    SHARDS,
    ...REQUEST_LEVEL,
    ...BASELINES,
  ].map((experiment) => [experiment.name, experiment]),
)
