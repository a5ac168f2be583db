import type { Baseline } from '../tick.ts'
import { cumulative } from './totals.ts'
import { excess, excessZ } from './two-proportion.ts'

/** The one-sided 1 % point of the normal distribution: the level is right for a single look. */
const CRITICAL_Z = 2.3263478740408408

/**
 * A two-proportion z-test at every evaluation of the errors since the rollout began, over all weights at
 * once. When errors change during a ramp, the arms have met them in different proportions (Simpson's
 * paradox).
 */
export const pooled: Baseline = cumulative(
  'z-test pooled over weights',
  (canary, stable) => excessZ([excess(canary, stable)]) > CRITICAL_Z,
)
